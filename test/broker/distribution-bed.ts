/** One publisher with a distribution server over a real ledger on disk, a clock of its own and a delivery without network. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AllowanceOptions } from '@countersign/broker/distribution/allowance';
import type { DeliveryPort } from '@countersign/broker/distribution/delivery/port';
import type { Log, ServerClock } from '@countersign/broker/distribution/ports';
import type { WaveRequest } from '@countersign/broker/distribution/rollouts/waves';
import { createDistribution, type Distribution } from '@countersign/broker/distribution/server';
import type { LedgerClient, LedgerEvent } from '@countersign/broker/ledger/client';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { createLedger } from '@countersign/broker/ledger/embedded/create';
import { type EmbeddedLedger, openLedger } from '@countersign/broker/ledger/embedded/engine';
import { type FileBlobStore, fileBlobStore } from '@countersign/broker/store/file-blobs';
import {
  hex,
  publicKeyOf,
  type Rollout,
  readAnnouncement,
  readRollout,
  readStatement,
  type Signer,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import type { ExecutionContext } from 'ava';
import { FakeDelivery } from '../support/fake-delivery.ts';
import { classId, genesisOf, makeRoot, nextReport, Publisher, type TestDevice } from '../support/publisher.ts';
import { BROKER, ORIGIN, sha256, signers, TIME, verifier } from '../support/world.ts';

/** Time stands still until a test moves it; short waits run in real time so that nothing sleeps long. */
export class TestClock implements ServerClock {
  time = TIME;
  ms = 0;
  readonly #waits: { at: number; call: () => void }[] = [];

  now = () => this.time + Math.floor(this.ms / 1000);
  elapsedMs = () => this.ms;

  after(ms: number, call: () => void): () => void {
    if (ms <= 1000) {
      const timer = setTimeout(call, Math.min(ms, 5));
      return () => clearTimeout(timer);
    }
    const wait = { at: this.ms + ms, call };
    this.#waits.push(wait);
    return () => {
      const at = this.#waits.indexOf(wait);
      if (at >= 0) this.#waits.splice(at, 1);
    };
  }

  advance(ms: number): void {
    this.ms += ms;
    for (const wait of this.#waits.filter(({ at }) => at <= this.ms)) {
      this.#waits.splice(this.#waits.indexOf(wait), 1);
      wait.call();
    }
  }
}

export interface BedOptions {
  headAgeMax?: number;
  /** Peers that the trust root lists, and how many of them a head needs. */
  peers?: { signers: Signer[]; quorum: number };
  /** Another key than the trust root's first. */
  signers?: { distribution: Signer; command: Signer };
  allowance?: AllowanceOptions;
  /** Hears of trust roots, where keys change in a running server. */
  adopted?: (root: TrustRoot) => Promise<void>;
  /** A true delivery instead of the one without network. */
  delivery?: DeliveryPort;
  /** What the server sees instead of the true ledger. */
  through?: (ledger: LedgerClient) => LedgerClient;
}

export class Bed {
  readonly clock = new TestClock();
  readonly logged: { level: string; fields: Record<string, unknown>; text: string }[] = [];
  ledger!: EmbeddedLedger;
  blobs!: FileBlobStore;
  publisher!: Publisher;
  delivery!: FakeDelivery;
  server!: Distribution;
  dir!: string;
  trustRoot!: Uint8Array;
  /** Rollout ids decide who is in which wave: the same ones in every run. */
  readonly #random = new Prng('distribution bed');

  async start(options: BedOptions = {}): Promise<void> {
    this.delivery = new FakeDelivery();
    this.server = await createDistribution({
      ledger: (options.through ?? ((ledger) => ledger))(this.ledger),
      blobs: this.blobs,
      delivery: options.delivery ?? this.delivery,
      signers: options.signers ?? signers,
      verifier,
      trustRoot: this.trustRoot,
      dir: join(this.dir, 'distribution'),
      brokerId: BROKER,
      clock: this.clock,
      entropy: { random: (bytes) => this.#random.bytes(bytes) },
      log: this.log,
      ...(options.allowance ? { allowance: options.allowance } : {}),
      adopted: options.adopted,
    });
  }

  async restart(options: BedOptions = {}): Promise<void> {
    await this.server.close();
    await this.start(options);
  }

  readonly log: Log = Object.fromEntries(
    (['info', 'warn', 'error'] as const).map((level) => [
      level,
      (fields: object, text: string) => this.logged.push({ level, fields: { ...fields }, text }),
    ]),
  ) as unknown as Log;

  /** A confirmed release, rolled out in these waves to these devices. @returns the rollout id */
  async open(releaseLeaf: Uint8Array, waves: WaveRequest[] = [{ percent: 100 }]): Promise<Uint8Array> {
    const plan = await this.server.planWaves({ releaseLeaf, waves });
    await this.publisher.open(plan);
    await this.told(plan.rolloutId, 0);
    return plan.rolloutId;
  }

  /** Resolves when the class has been told this state of this rollout. */
  async told(rolloutId: Uint8Array, state: number, cohorts?: number): Promise<Rollout> {
    const holds = () => {
      const said = this.said();
      if (!said || hex(said.rolloutId) !== hex(rolloutId) || said.state !== state) return false;
      return cohorts === undefined || JSON.stringify(said.cohorts).includes(String(cohorts));
    };
    await this.delivery.until(holds);
    return this.said()!;
  }

  said(): Rollout | undefined {
    const bytes = this.delivery.announced.get(hex(classId));
    return bytes && readRollout(readStatement(readAnnouncement(bytes).rollout, 'rollout').payload);
  }

  async report(device: TestDevice, rolloutId: Uint8Array, outcome: 'updated' | 'reverted' | 'refused'): Promise<void> {
    const before = this.delivery.sent.length;
    await this.delivery.report(device.id, await nextReport(device, rolloutId, outcome));
    await this.delivery.until(() => this.delivery.sent.slice(before).some(({ channel }) => channel === 'cmd'));
    await this.heard();
  }

  /** Resolves when the server has followed the ledger to its end: an acknowledgement is sent before that. */
  async heard(): Promise<void> {
    const { size } = (await this.ledger.head()).head;
    while (this.server.status().followed < size) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Time passes for a server that has nothing left to do: what it waits for next is known by then. */
  async advance(ms: number): Promise<void> {
    await this.heard();
    await this.server.settled();
    this.clock.advance(ms);
    await this.server.settled();
  }

  async view(rolloutId: Uint8Array): Promise<RolloutView> {
    return (await this.ledger.evaluate('getRollout', hex(rolloutId))) as RolloutView;
  }

  leaves(): Promise<LedgerEvent[]> {
    return this.ledger.events(0, 1000);
  }

  /** Resolves when a line with this text was logged. */
  async spoke(text: string): Promise<void> {
    while (!this.logged.some((line) => line.text.includes(text))) await new Promise((resolve) => setImmediate(resolve));
  }
}

export async function makeBed(t: ExecutionContext, options: BedOptions = {}): Promise<Bed> {
  const bed = new Bed();
  bed.dir = await mkdtemp(join(tmpdir(), 'countersign-distribution-'));
  const { headAgeMax, peers } = options;
  bed.trustRoot = await makeRoot({
    ...(headAgeMax && { headAgeMax }),
    ...(peers && { keys: { peer: peers.signers.map(publicKeyOf) }, thresholds: { peer: peers.quorum } }),
  });
  const signing = { ordererSigner: signers.orderer, logSigner: signers.log, verifier, now: bed.clock.now };
  const [rootBytes, ...people] = await genesisOf(bed.trustRoot);
  await createLedger(bed.dir, { origin: ORIGIN, rootBytes: rootBytes!, people, ...signing });
  bed.ledger = await openLedger(bed.dir, signing);
  bed.blobs = fileBlobStore(join(bed.dir, 'collection'), sha256);
  bed.publisher = new Publisher(bed.ledger, bed.blobs);
  await bed.publisher.addProduct();
  t.teardown(async () => {
    await bed.server?.close();
    await bed.ledger.close();
    await rm(bed.dir, { recursive: true, force: true });
  });
  await bed.start(options);
  return bed;
}
