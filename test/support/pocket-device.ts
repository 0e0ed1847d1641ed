/** A virtual device on a virtual board that talks to the publisher in the pocket. Time and power are the test's. */

import { Device, type DeviceEvent, type DevicePorts, type Health } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { provisionStore } from '@countersign/device-sdk/provision';
import {
  type Board,
  type BoardOptions,
  createBoard,
  createOneSlotBoard,
  type OneSlotBoard,
  type OneSlotBoardOptions,
  PowerCut,
  Prng,
} from '@countersign/device-sdk/rig';
import { type PocketRelease, type PocketServer, PocketTime, pocketLink, TIME, verifier } from './pocket.ts';

export interface PocketDeviceOptions {
  /** Whether the self-test of this version passes. Default: always. */
  passes?: (version: string) => boolean;
  board?: Partial<BoardOptions>;
  /** A device with one slot instead of two. */
  oneSlot?: Partial<OneSlotBoardOptions>;
  /** undefined clock: a device without one. */
  clock?: boolean;
  ports?: Partial<DevicePorts>;
  /** Its provisioning record. Default: of what the server says now. */
  birth?: Uint8Array;
}

export const WORKSPACE_BYTES = 8192;

/** Imported once: OpenSSL takes longer for it than a device takes to boot. */
const IDENTITY = nodeKeyStore(-19, new Uint8Array(32).fill(42));

export class PocketDevice {
  readonly server: PocketServer;
  readonly board: Board;
  readonly one: OneSlotBoard | undefined;
  readonly time = new PocketTime();
  readonly events: DeviceEvent[] = [];
  readonly deviceId = new Uint8Array(16).fill(7);
  readonly #options: PocketDeviceOptions;
  device: Device | undefined;
  link: ReturnType<typeof pocketLink> | undefined;
  boots = 0;
  /** Told of the slot behind every jump of the boot loader. */
  jumped: ((slot: 0 | 1) => void) | undefined;
  /** Told of every event as it happens. */
  told: ((event: DeviceEvent) => void) | undefined;
  /** Operations behind each further cut at which the power goes again. */
  cutAgain: number[] = [];

  constructor(server: PocketServer, factory: PocketRelease, options: PocketDeviceOptions = {}) {
    this.server = server;
    this.#options = options;
    this.board = createBoard(
      {
        writeBytes: 8,
        eraseBytes: 1024,
        slotBytes: options.oneSlot?.slotBytes ?? 16_384,
        storeBytes: 16_384,
        image: factory.image,
        components: Object.entries(factory.components).map(([id, image]) => ({ id, image, slotBytes: 8192 })),
        ...options.board,
      },
      'pocket',
    );
    this.one = options.oneSlot && oneSlotBoard(factory, options.oneSlot);
    provisionStore(this.hardware.store, verifier, options.birth ?? server.provision(factory, this.deviceId));
  }

  /** What the device is: everything on it loses power together. */
  get hardware(): OneSlotBoard | Board {
    return this.one ?? this.board;
  }

  /** Boots, and boots again for as long as the device asks for it. Power cuts come out as PowerCut. */
  async start(): Promise<void> {
    for (;;) {
      await this.device?.stop();
      this.boots++;
      const { boot, slots, store } = this.hardware;
      const { slot } = boot.boot();
      this.jumped?.(slot);
      this.link = pocketLink(this.server);
      let fault: unknown;
      const health: Health = {
        deadlineMs: 1000,
        selfTest: async () => this.#options.passes?.(this.bootedVersion()) ?? true,
      };
      const random = new Prng('entropy', this.boots);
      this.device = new Device({
        verifier,
        keys: IDENTITY,
        slots,
        store,
        boot,
        link: this.link,
        timer: this.time,
        entropy: { random: (bytes) => random.bytes(bytes) },
        clock: {
          now: () => (this.#options.clock === false ? undefined : TIME + 60 + Math.floor(this.time.now / 1000)),
        },
        health,
        workspace: new Uint8Array(WORKSPACE_BYTES),
        decoders: EVERY_DECODER,
        memoryClass: 'M',
        ...this.#options.ports,
        on: (event) => {
          this.events.push(event);
          this.told?.(event);
          if (event.kind === 'fault') fault = event.error;
          this.#options.ports?.on?.(event);
        },
      });
      const started = await this.device.start();
      if (started === 'restart') continue;
      await this.settle(() => fault !== undefined || boot.restartRequested);
      if (fault !== undefined) throw fault;
      if (!boot.restartRequested) return;
    }
  }

  /** Lets microtasks and timers run until nothing is due within a minute, or `until` holds. */
  async settle(until: () => boolean = () => false): Promise<void> {
    const end = this.time.now + 60_000;
    let idle = 0;
    while (!until() && idle < 3) {
      await new Promise((resolve) => setImmediate(resolve));
      if (until()) return;
      idle = this.time.now < end && this.time.step(end - this.time.now) ? 0 : idle + 1;
    }
  }

  /** Runs through any number of power cuts: after each one power comes back and the device boots again. */
  async startThroughCuts(): Promise<number> {
    let cuts = 0;
    for (;;) {
      try {
        await this.start();
        return cuts;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
        cuts++;
        await this.device?.stop();
        this.device = undefined;
        this.#restorePower();
      }
    }
  }

  #restorePower(): void {
    const { power } = this.hardware;
    power.restorePower();
    const after = this.cutAgain.shift();
    if (after !== undefined) power.cutAt(power.operations + after, 'during');
  }

  /** The version in the running slot, by the journal of the running device. */
  bootedVersion(): string {
    const { pending, running, inPlace } = this.device!.state;
    const onTrial = this.one ? inPlace?.written : pending?.slot === this.board.boot.running();
    return pending && onTrial ? pending.version : running.version;
  }

  /** What the running slot holds, read from outside. */
  runningImage(bytes: number): Uint8Array {
    if (this.one) return this.one.slots.slot.dump(0, bytes);
    return this.board.slots[this.board.boot.record.good]!.dump(0, bytes);
  }

  codes(): string[] {
    return this.events.flatMap((event) => (event.kind === 'refused' ? [event.code] : []));
  }
}

function oneSlotBoard({ image }: PocketRelease, options: Partial<OneSlotBoardOptions>): OneSlotBoard {
  const geometry = { writeBytes: 8, eraseBytes: 1024 };
  const sizes = { slotBytes: 16_384, scratchBytes: 4096, stagingBytes: 16_384, storeBytes: 16_384 };
  const own = { image, workspaceBytes: WORKSPACE_BYTES, verifier };
  return createOneSlotBoard({ ...geometry, ...sizes, ...own, ...options }, 'pocket');
}
