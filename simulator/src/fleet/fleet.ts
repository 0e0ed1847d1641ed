/** Many devices that share what can be shared: images as pages, one verifier, one clock; nothing that decides. */

import { type Clock, demand, type Link, type Timer, type Verifier } from '@countersign/device-sdk';
import { CLASS_BYTES } from '@countersign/device-sdk/delta';
import { encodeProvision, hex, type MemoryClass, type Provision, readProvision } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { systemClock, systemTimer } from '@countersign/device-sdk/host/system';
import { provisionStore } from '@countersign/device-sdk/provision';
import {
  type Board,
  type BoardComponent,
  boardFactory,
  GEOMETRIES,
  type OneSlotBoard,
  oneSlotBoardFactory,
  PagePool,
  Prng,
} from '@countersign/device-sdk/rig';
import { Overheard } from '../oracle/second.ts';
import type { LinkFaults } from '../world/link-faults.ts';
import { tcpLink } from '../world/tcp-link.ts';
import { type FaultRates, NO_FAULTS } from './faults.ts';
import { drawProfile, FLEET_GEOMETRIES, type FleetGeometry, type Profile, type Revisions } from './profile.ts';
import { type Change, type DeviceWorld, VirtualDevice } from './virtual-device.ts';

/** Time and network of a fleet. Left out: this machine's, and TCP. */
export interface FleetWorld {
  timer: Timer;
  clock(profile: Profile): Clock;
  elapsedMs(): number;
  link(profile: Profile, classId: Uint8Array, trouble: (error: unknown) => void): Link;
}

export interface FleetOptions {
  seed: string;
  devices: number;
  revisions: Revisions;
  faults: FaultRates;
  /** Seconds between two questions of a device for its announcement. Default {@link ASK_SECONDS}. */
  askSeconds?: number;
}

/** What a fleet is made from: a factory image, the record beside it, and where the distribution server is. */
export interface Factory {
  image: Uint8Array;
  /** As the server gives it, without a device id. */
  record: Uint8Array;
  slotBytes: number;
  /** Further components, in the product's order. */
  components?: readonly BoardComponent[];
  memoryClass: MemoryClass;
  /** Devices with one slot; left out: with two. */
  oneSlot?: { pageBytes: number; stagingBytes: number } | undefined;
  /** Where the devices connect; not needed in a world with a network of its own. */
  mqtt?: { host: string; port: number };
}

/** A real device asks every hour; a simulation must not last that long to find a message that was lost. */
export const ASK_SECONDS = 20;
/** The journal of a device: twice what its state takes. */
const STORE_BYTES = 32_768;
/** Devices that are switched on at one moment; the others follow in steps, as a street does after a power failure. */
const STREET = 50;
const STREET_MS = 100;
/** The newest announcements that were seen on the wire, for whoever wants to replay them. */
const HEARD_MAX = 16;

export class Fleet {
  readonly options: FleetOptions;
  readonly profiles: readonly Profile[];
  devices: readonly VirtualDevice[] = [];
  /** SHA-256, in hex, of what every device left the factory with. */
  factoryImage: string | undefined;
  /** The same of further components, by id. */
  factoryParts: ReadonlyMap<string, string> = new Map();
  /** In hex, once the factory has built them. */
  classId: string | undefined;
  /** Second signatures that came over the air, for the judge. */
  readonly overheard = new Overheard();
  readonly counts = { cuts: 0, boots: 0, faults: 0, lost: 0, installs: 0 };
  /** Distinct announcements that devices have heard, oldest first. */
  readonly heard: Uint8Array[] = [];
  readonly #verifier: Verifier = nodeVerifier();
  readonly #given: FleetWorld | undefined;
  readonly #timer: Timer;
  readonly #onlookers = new Set<(device: VirtualDevice, change: Change) => void>();
  #rates: FaultRates;

  constructor(options: FleetOptions, world?: FleetWorld) {
    this.options = options;
    this.#given = world;
    this.#timer = world?.timer ?? systemTimer();
    this.#rates = options.faults;
    const numbers = Array.from({ length: options.devices }, (_, number) => number);
    this.profiles = numbers.map((number) => drawProfile(options.seed, number, options.revisions));
  }

  /**
   * The factory: image, provisioning record with the device's own id, and a board for each.
   * @throws Refusal BAD_PROVISION, MALFORMED
   */
  build(factory: Factory): void {
    const { seed } = this.options;
    const provision = readProvision(factory.record);
    const { sha256 } = this.#verifier;
    this.factoryImage = hex(sha256(factory.image));
    this.factoryParts = new Map(factory.components?.map(({ id, image }) => [id, hex(sha256(image))]));
    this.classId = hex(provision.classId);
    const pool = new PagePool();
    const board = boards(factory, pool, this.#verifier);
    const world = this.#world(factory, provision);
    this.devices = this.profiles.map((profile) => {
      const made = board(profile.geometry, seed, 'board', profile.number);
      const record = encodeProvision({ ...provision, deviceId: profile.id });
      provisionStore(made.store, this.#verifier, record);
      return new VirtualDevice(profile, made, world);
    });
  }

  async switchOn(devices: readonly VirtualDevice[] = this.devices): Promise<void> {
    for (let at = 0; at < devices.length; at += STREET) {
      for (const device of devices.slice(at, at + STREET)) device.switchOn();
      if (at + STREET < devices.length) await this.#pause(STREET_MS);
    }
  }

  async switchOff(): Promise<void> {
    await Promise.all(this.devices.map((device) => device.switchOff()));
  }

  /** The world is healed: no faults from now on. */
  calm(): void {
    this.#rates = NO_FAULTS;
    for (const { board } of this.devices) board.power.disarm();
  }

  get isCalm(): boolean {
    return this.#rates === NO_FAULTS || (this.#rates.loss === 0 && this.#rates.powerCut === 0);
  }

  get askSeconds(): number {
    return this.options.askSeconds ?? ASK_SECONDS;
  }

  elapsedMs(): number {
    return this.#given?.elapsedMs() ?? performance.now();
  }

  /** Told of every change. @returns ends it */
  watch(onlooker: (device: VirtualDevice, change: Change) => void): () => void {
    this.#onlookers.add(onlooker);
    return () => void this.#onlookers.delete(onlooker);
  }

  /**
   * Waits until `holds`. It is asked again after changes, and now and then without one.
   * @returns whether it came to hold in time
   */
  async until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    let stirred = true;
    const unwatch = this.watch(() => {
      stirred = true;
    });
    try {
      for (let round = 0; ; round++) {
        if ((stirred || round % ROUNDS_UNASKED === 0) && holds()) return true;
        stirred = false;
        if (performance.now() > deadline) return false;
        await this.#pause(LOOK_MS);
      }
    } finally {
      unwatch();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#timer.after(ms, resolve));
  }

  #world({ memoryClass, mqtt }: Factory, { classId }: Provision): DeviceWorld {
    const { seed } = this.options;
    return {
      seed,
      verifier: this.#verifier,
      timer: this.#timer,
      clock: this.#given?.clock ?? systemClock,
      elapsedMs: () => this.elapsedMs(),
      memoryClass,
      workspaceBytes: CLASS_BYTES[memoryClass],
      askSeconds: this.askSeconds,
      rates: () => this.#rates,
      link: (profile, faults, trouble) =>
        this.#given?.link(profile, classId, trouble) ?? this.#link(mqtt, classId, profile, faults, trouble),
      entropy: ({ number }, boot) => {
        const random = new Prng(seed, 'entropy', number, boot);
        return { random: (bytes) => random.bytes(bytes) };
      },
      changed: (device, change) => this.#changed(device, change),
      heard: (bytes) => this.#hear(bytes),
      answered: (bytes) => this.overheard.add(bytes),
    };
  }

  #link(
    mqtt: Factory['mqtt'],
    classId: Uint8Array,
    profile: Profile,
    faults: LinkFaults | undefined,
    trouble: (error: unknown) => void,
  ): Link {
    demand(mqtt, 'UNREACHABLE', 'nobody has said where the devices connect');
    const counted: LinkFaults | undefined =
      faults &&
      ((event) => {
        const fault = faults(event);
        if (fault) this.counts.faults++;
        return fault;
      });
    return tcpLink({
      ...mqtt,
      deviceId: profile.id,
      classId,
      timer: this.#timer,
      // A minute between two tries is right for a field of devices and too long for somebody who watches.
      backoff: { firstMs: 200, longestMs: 2_000 },
      ...(counted && { faults: counted }),
      trouble,
    });
  }

  #changed(device: VirtualDevice, change: Change): void {
    if (change.kind === 'cut') this.counts.cuts++;
    if (change.kind === 'on') this.counts.boots++;
    if (change.kind === 'down') this.counts.lost++;
    if (change.kind === 'stage' && change.stage === 'apply' && change.code === 'OK') this.counts.installs++;
    for (const onlooker of this.#onlookers) onlooker(device, change);
  }

  #hear(bytes: Uint8Array): void {
    const known = this.heard.some((item) => Buffer.compare(item, bytes) === 0);
    if (known) return;
    this.overheard.add(bytes);
    this.heard.push(bytes.slice());
    if (this.heard.length > HEARD_MAX) this.heard.shift();
  }
}

/** Time between two looks at the fleet; a look at 10,000 devices takes under a millisecond. */
const LOOK_MS = 40;
/** Conditions may hang on the ledger too, which no device tells of. */
const ROUNDS_UNASKED = 10;

/** Boards of every geometry, with the factory image in the slot that boots. */
export function boards(
  { image, slotBytes, components, memoryClass, oneSlot }: Factory,
  pool: PagePool,
  verifier: Verifier,
): (geometry: FleetGeometry, ...seed: (string | number)[]) => Board | OneSlotBoard {
  const workspaceBytes = CLASS_BYTES[memoryClass];
  const factories = new Map<FleetGeometry, (...seed: (string | number)[]) => Board | OneSlotBoard>(
    FLEET_GEOMETRIES.map((name) => {
      const options = { ...GEOMETRIES[name], slotBytes, storeBytes: STORE_BYTES, image, pool };
      if (!oneSlot) return [name, boardFactory({ ...options, ...(components && { components }) })];
      const { pageBytes: scratchBytes, stagingBytes } = oneSlot;
      return [name, oneSlotBoardFactory({ ...options, scratchBytes, stagingBytes, workspaceBytes, verifier })];
    }),
  );
  return (geometry, ...seed) => factories.get(geometry)!(...seed);
}
