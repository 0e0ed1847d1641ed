/** A child of a gateway: the true SDK on a virtual board, over a real socket, in real time. */

import { Device, type DeviceEvent, type DevicePorts } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { encodeProvision, hex, readProvision } from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { localLink } from '@countersign/device-sdk/host/local/link';
import { systemClock, systemEntropy, systemTimer } from '@countersign/device-sdk/host/system';
import { provisionStore } from '@countersign/device-sdk/provision';
import { type Board, type BoardOptions, createBoard } from '@countersign/device-sdk/rig';

const verifier = nodeVerifier();

export interface ChildOptions {
  /** Where the gateway listens. */
  url: string;
  /** 1 to 255: its key and, unless the record has one, its id. */
  number: number;
  record: Uint8Array;
  image: Uint8Array;
  board?: Partial<BoardOptions>;
  ports?: Partial<DevicePorts>;
}

export class Child {
  readonly keys;
  readonly deviceId: Uint8Array;
  readonly events: DeviceEvent[] = [];
  readonly board: Board;
  url: string;
  device: Device | undefined;
  fault: unknown;
  readonly #options: ChildOptions;
  #running = false;
  #wake = (): void => undefined;
  #ended: Promise<void> = Promise.resolve();
  #waiting: { holds: () => boolean; resolve: () => void }[] = [];

  constructor(options: ChildOptions) {
    const provision = readProvision(options.record);
    this.#options = options;
    this.url = options.url;
    this.keys = nodeKeyStore(-19, new Uint8Array(32).fill(options.number));
    this.deviceId = provision.deviceId ?? new Uint8Array(16).fill(options.number);
    const geometry = { writeBytes: 8, eraseBytes: 1024, slotBytes: 16_384, storeBytes: 32_768 };
    this.board = createBoard({ ...geometry, image: options.image, ...options.board }, `child ${options.number}`);
    provisionStore(this.board.store, verifier, encodeProvision({ ...provision, deviceId: this.deviceId }));
  }

  get id(): string {
    return hex(this.deviceId);
  }

  get version(): string {
    return this.device!.state.running.version;
  }

  /** Boots, and boots again whenever it asks for it. */
  start(): void {
    this.#running = true;
    this.#ended = this.#life();
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#wake();
    await this.#ended;
  }

  codes(): string[] {
    return this.events.flatMap((event) => (event.kind === 'refused' ? [event.code] : []));
  }

  /** Resolves when it holds; looked at after every event, and a few times a second for what makes none. */
  async until(holds: (child: Child) => boolean): Promise<void> {
    const timer = setInterval(() => this.#look(), 20);
    await new Promise<void>((resolve) => {
      this.#waiting.push({ holds: () => this.fault !== undefined || holds(this), resolve });
      this.#look();
    });
    clearInterval(timer);
    if (this.fault !== undefined) throw this.fault;
  }

  /** What the slot that runs holds, read from outside. */
  image(bytes: number): Uint8Array {
    return this.board.slots[this.board.boot.record.good]!.dump(0, bytes);
  }

  async #life(): Promise<void> {
    const { board } = this;
    while (this.#running && this.fault === undefined) {
      board.boot.boot();
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.device = this.#device();
      const started = await this.device.start();
      if (started !== 'restart' && !board.boot.restartRequested && this.#running) await woken;
      await this.device.stop();
    }
  }

  #device(): Device {
    const { board } = this;
    const { classId } = readProvision(this.#options.record);
    const backoff = { firstMs: 20, longestMs: 200 };
    return new Device({
      verifier,
      keys: this.keys,
      ...{ slots: board.slots, store: board.store, boot: board.boot },
      link: localLink({ url: this.url, deviceId: this.deviceId, classId, backoff }),
      ...{ timer: systemTimer(), entropy: systemEntropy(), clock: systemClock() },
      health: { deadlineMs: 5_000, selfTest: async () => true },
      workspace: new Uint8Array(16_384),
      decoders: EVERY_DECODER,
      memoryClass: 'M',
      ...this.#options.ports,
      on: (event) => {
        this.events.push(event);
        if (event.kind === 'fault') this.fault = event.error;
        if (event.kind === 'restart' || event.kind === 'fault') this.#wake();
        this.#look();
      },
    });
  }

  #look(): void {
    const done = this.#waiting.filter(({ holds }) => holds());
    this.#waiting = this.#waiting.filter((item) => !done.includes(item));
    for (const { resolve } of done) resolve();
  }
}
