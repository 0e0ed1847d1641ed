/**
 * A whole world in one process and on one clock: the true ledger rules, collection and distribution servers, a network
 * in memory, and devices that are the true SDK on virtual flash. What happens in it is a function of its options.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '@countersign/broker/distribution/ports';
import { createDistribution, type Distribution } from '@countersign/broker/distribution/server';
import { HEAD_AGE_MAX_SECONDS } from '@countersign/broker/keys/root';
import type { ReleaseView, RolloutView } from '@countersign/broker/ledger/contract/views';
import { createMemoryLedger, type MemoryLedger } from '@countersign/broker/ledger/memory/ledger';
import type { BlobStore } from '@countersign/broker/store/blobs';
import type { Clock, Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { linkOver } from '@countersign/device-sdk/host/link';
import { Prng } from '@countersign/device-sdk/rig';
import type { FleetWorld } from '../fleet/fleet.ts';
import { Fleet } from '../fleet/fleet.ts';
import type { Profile, Revisions } from '../fleet/profile.ts';
import type { Goal } from '../fleet/tally.ts';
import { memoryBlobs } from './blobs.ts';
import { NO_VIRTUAL_FAULTS, type VirtualRates } from './faults.ts';
import { virtualGate } from './gate.ts';
import { issueAll } from './issued.ts';
import { VirtualNetwork } from './network.ts';
import { FACTORY_VERSION, imageOf, PRODUCT, PRODUCT_WITH_RADIO, partsOf } from './product.ts';
import { genesisOf, type Keys, keysOf, ORIGIN, VirtualPublisher } from './publisher.ts';
import { rest, VirtualTime } from './time.ts';

export interface WorldOptions {
  seed: string;
  devices: number;
  revisions: Revisions;
  rates: VirtualRates;
  /** A product of two components: an application and a radio. Default: the application alone. */
  radio?: boolean;
  /** The two signers have their keys from a key generation centre. Default: Ed25519 keys of their own. */
  kgc?: boolean;
  /** What the distribution server logs. */
  log: Log;
}

/** A real device asks every hour; where messages get lost, a virtual one finds out within minutes. */
const ASK_SECONDS = 120;
const BROKER_ID = 'virtual-broker';

interface Parts {
  verifier: Verifier;
  time: VirtualTime;
  keys: Keys;
  ledger: MemoryLedger;
  blobs: BlobStore;
  rootBytes: Uint8Array;
  dir: string;
}

export class VirtualWorld {
  readonly options: WorldOptions;
  readonly time: VirtualTime;
  readonly ledger: MemoryLedger;
  readonly network: VirtualNetwork;
  readonly fleet: Fleet;
  readonly publisher: VirtualPublisher;
  readonly #parts: Parts;
  /** Versions, in the order of their rollouts. */
  readonly rolledOut: string[] = [];
  /** Seconds by which each device's wall clock is wrong. */
  readonly clockErrors = new Map<number, number>();
  #rates: VirtualRates;
  #starts = 0;
  #distribution: Distribution | undefined;
  #cancelRefresh = () => {};

  private constructor(options: WorldOptions, parts: Parts) {
    const { time, ledger, verifier, blobs, keys } = parts;
    const { seed, devices, revisions, rates } = options;
    this.options = options;
    this.#parts = parts;
    this.time = time;
    this.ledger = ledger;
    this.#rates = rates;
    const authenticate = virtualGate(verifier, ledger, BROKER_ID);
    this.network = new VirtualNetwork({ seed, time, authenticate, rates: () => this.#rates });
    this.publisher = new VirtualPublisher(verifier, ledger, blobs, keys, options.radio ? PRODUCT_WITH_RADIO : PRODUCT);
    const faults = { loss: 0, powerCut: rates.powerCut };
    this.fleet = new Fleet({ seed, devices, revisions, faults, askSeconds: ASK_SECONDS }, this.#fleetWorld());
  }

  /** Ledger, servers and factory; the devices are made, enrolled and still switched off. */
  static async create(options: WorldOptions): Promise<VirtualWorld> {
    const verifier = nodeVerifier();
    const time = new VirtualTime();
    const issued = options.kgc ? issueAll(verifier.sha256, options.seed) : undefined;
    const keys = { ...keysOf(options.seed), ...issued?.signers };
    const { rootBytes, people } = await genesisOf(verifier, keys, issued?.implicit);
    const { orderer: ordererSigner, log: logSigner } = keys;
    const { now, elapsedMs } = time;
    const genesis = { origin: ORIGIN, rootBytes, people, ordererSigner, logSigner, verifier };
    const ledger = await createMemoryLedger({ ...genesis, now, elapsedMs });
    const dir = await mkdtemp(join(tmpdir(), 'countersign-virtual-'));
    const world = new VirtualWorld(options, {
      verifier,
      time,
      keys,
      ledger,
      blobs: memoryBlobs(verifier),
      rootBytes,
      dir,
    });
    if (issued) await world.publisher.issue(options.seed, issued);
    await world.#build();
    return world;
  }

  async #build(): Promise<void> {
    const { publisher, fleet } = this;
    await publisher.addProduct();
    const { product } = publisher;
    const image = imageOf(FACTORY_VERSION);
    const parts = partsOf(product, FACTORY_VERSION);
    await publisher.release(FACTORY_VERSION, image, parts);
    await publisher.enrol(fleet.profiles);
    await this.startServer();
    const { record } = await this.#server.provision(product.name, FACTORY_VERSION);
    const { slotBytes, memoryClass } = product;
    const components = product.components?.map((one) => ({ ...one, image: parts[one.id]! }));
    fleet.build({ image, record, slotBytes, memoryClass, ...(components && { components }) });
    this.#refreshHeads();
    await rest();
  }

  async startServer(): Promise<void> {
    const { verifier, time, keys, ledger, blobs, rootBytes: trustRoot, dir } = this.#parts;
    const random = new Prng(this.options.seed, 'server', this.#starts++);
    this.network.bringUp();
    this.#distribution = await createDistribution({
      ...{ ledger, blobs, verifier, trustRoot, dir },
      delivery: this.network,
      signers: { distribution: keys.distribution, command: keys.command },
      brokerId: BROKER_ID,
      clock: time,
      entropy: { random: (bytes) => random.bytes(bytes) },
      log: this.options.log,
    });
    await this.#still();
  }

  /** The server ends; its folder and the ledger stay as they are. */
  async stopServer(): Promise<void> {
    this.network.takeDown();
    await this.#distribution?.close();
    this.#distribution = undefined;
    await this.#still();
  }

  /** @returns the release, which is rolled out to everybody */
  async rollOut(version: string): Promise<ReleaseView> {
    const { publisher } = this;
    const release = await publisher.release(version, imageOf(version), partsOf(publisher.product, version));
    await this.#still();
    this.rolledOut.push(version);
    await publisher.open(this.#server, release);
    await this.#still();
    return release;
  }

  /** Lets one event happen. @returns false where nothing is left to happen up to then */
  async step(untilMs: number): Promise<boolean> {
    const happened = await this.time.step(untilMs);
    this.network.flush();
    return happened;
  }

  /** The world is healed: no faults, right clocks, from now on. */
  heal(): void {
    this.#rates = NO_VIRTUAL_FAULTS;
    this.clockErrors.clear();
    this.fleet.calm();
  }

  /** What the fleet is meant to run, by the ledger's record of rollouts. */
  async goal(): Promise<Goal> {
    const all = (await this.ledger.evaluate('listRollouts')) as RolloutView[];
    const announced = all.filter(({ rolloutSequence }) => rolloutSequence > 0);
    const [newest] = announced.sort((a, b) => b.rolloutSequence - a.rolloutSequence);
    return newest ? { sequence: newest.sequence, open: newest.state === 'open' } : { sequence: 1, open: false };
  }

  async end(): Promise<void> {
    let off = false;
    const switching = this.fleet.switchOff().then(() => {
      off = true;
    });
    while (!off && (await this.step(Number.POSITIVE_INFINITY)));
    await switching;
    this.#cancelRefresh();
    await this.stopServer();
    await this.ledger.close();
    await rm(this.#parts.dir, { recursive: true, force: true });
  }

  /** As the embedded ledger does by a timer of this machine. */
  #refreshHeads(): void {
    this.#cancelRefresh = this.time.after((HEAD_AGE_MAX_SECONDS * 1000) / 4, () => {
      void this.ledger.refreshHead();
      this.#refreshHeads();
    });
  }

  get #server(): Distribution {
    if (!this.#distribution) throw new TypeError('the server is down');
    return this.#distribution;
  }

  async #still(): Promise<void> {
    await rest();
    this.network.flush();
  }

  #fleetWorld(): FleetWorld {
    const { time } = this;
    const { seed } = this.options;
    const connections = new Map<number, number>();
    return {
      timer: time,
      elapsedMs: time.elapsedMs,
      clock: (profile) => this.#clockOf(profile),
      link: (profile, classId, trouble) => {
        const number = connections.get(profile.number) ?? 0;
        connections.set(profile.number, number + 1);
        const random = new Prng(seed, 'link', profile.number, number);
        const options = { deviceId: profile.id, classId, timer: time, trouble };
        const entropy = { random: (bytes: number) => random.bytes(bytes) };
        return linkOver({ ...options, entropy }, (dial, events) => this.network.connect(profile, dial, events));
      },
    };
  }

  #clockOf({ number }: Profile): Clock {
    return { now: () => this.time.now() + (this.clockErrors.get(number) ?? 0) };
  }
}
