/** The TypeScript SDK under the attacks: a true Device on the virtual board, with power, flash and time of its own. */

import { setImmediate as later } from 'node:timers/promises';
import { codeOf, Device, type DeviceEvent, type Health, type LinkEvents, Refusal } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { hex } from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { provisionStore } from '@countersign/device-sdk/provision';
import { Bricked, PowerCut, Prng } from '@countersign/device-sdk/rig';
import { PocketTime } from '../pocket/time.ts';
import { type Hardware, makeHardware, PAGE_BYTES, type SlotLayout } from './hardware.ts';
import type { Birth, Ear, Look, Mouth, Port, Said } from './port.ts';

/** A loader whose image dies each time goes back long before this. */
const CRASHES_MAX = 8;

const verifier = nodeVerifier();

export class SdkPort implements Port {
  readonly name: string;
  readonly pageBytes?: number;
  readonly #layout: SlotLayout;
  #life: Life | undefined;

  constructor(layout: SlotLayout = 'two slots') {
    this.#layout = layout;
    this.name = layout === 'two slots' ? 'TypeScript SDK' : `TypeScript SDK with ${layout}`;
    if (layout === 'one slot') this.pageBytes = PAGE_BYTES;
  }

  async provision(birth: Birth): Promise<Said> {
    await this.#life?.end();
    this.#life = new Life(birth, makeHardware(birth, this.#layout, verifier));
    return this.#life.run(() => this.#life!.enrol());
  }

  boot = () => this.#with((life) => life.boot());
  link = (up: boolean) => this.#with((life) => (up ? life.events?.up() : life.events?.down()));
  deliver = (ear: Ear, bytes: Uint8Array) => this.#with((life) => life.events?.[ear](bytes));
  advance = (ms: number) => this.#with((life) => life.advance(ms));
  setClock = (seconds: number | null) => this.#with((life) => life.setClock(seconds));
  corrupt = (slot: 0 | 1, offset: number, mask: number) =>
    this.#with((life) => life.board.region(slot).corrupt(offset, mask));
  cutPower = (operation: number, phase: 'before' | 'during' | 'after') =>
    this.#with(({ board: { power } }) => power.cutAt(power.operations + operation, phase));

  look(): Promise<Look> {
    return Promise.resolve(this.#demandLife().look());
  }

  async close(): Promise<void> {
    await this.#life?.end();
    this.#life = undefined;
  }

  #with(work: (life: Life) => unknown): Promise<Said> {
    const life = this.#demandLife();
    return life.run(() => work(life));
  }

  #demandLife(): Life {
    if (!this.#life) throw new RangeError('nothing was provisioned');
    return this.#life;
  }
}

/** One device from its factory on. */
class Life {
  readonly board: Hardware;
  readonly #birth: Birth;
  readonly #time = new PocketTime();
  #clock: { seconds: number; at: number } | undefined;
  #device: Device | undefined;
  #boots = 0;
  #said = nothing();
  /** Of the link, from its opening to its end. */
  events: LinkEvents | undefined;

  constructor(birth: Birth, board: Hardware) {
    this.#birth = birth;
    this.board = board;
    this.setClock(birth.clock);
    const { boot, power } = this.board;
    const confirm = boot.confirm.bind(boot);
    boot.confirm = () => {
      if (this.#behaviour() !== 'ages') return confirm();
      power.cutNow();
      throw new PowerCut('before the loader is told');
    };
  }

  enrol(): void {
    provisionStore(this.board.store, verifier, this.#birth.record);
  }

  /** Runs `work` and everything that follows from it now, and collects what came of it. */
  async run(work: () => unknown): Promise<Said> {
    this.#said = nothing();
    try {
      await work();
      // All that a device does of itself is chained by promises: they have run dry when the event loop turns.
      await later();
    } catch (error) {
      this.#failed(error);
    }
    const { dueMs } = this.#time;
    return { ...this.#said, dueMs: dueMs ?? null, restart: this.board.boot.restartRequested };
  }

  async boot(): Promise<void> {
    await this.end();
    if (this.board.power.off) this.board.power.restorePower();
    for (let crashes = 0; ; crashes++) {
      this.board.boot.boot();
      this.#device = this.#newDevice();
      if (!this.#dies() || crashes > CRASHES_MAX) break;
    }
    // Not waited for: a self-test that hangs ends with the time that the suite lets pass.
    this.#device.start().catch((error: unknown) => this.#failed(error));
  }

  async advance(ms: number): Promise<void> {
    const end = this.#time.now + ms;
    while (this.#time.step(end - this.#time.now)) await later();
    this.#time.now = Math.max(this.#time.now, end);
  }

  setClock(seconds: number | null): void {
    this.#clock = seconds === null ? undefined : { seconds, at: this.#time.now };
  }

  async end(): Promise<void> {
    const device = this.#device;
    this.#device = undefined;
    await device?.stop().catch((error: unknown) => this.#failed(error));
  }

  look(): Look {
    const { board } = this;
    const { running, floor, head, root, rolloutSequence, outbox, counters, failed } = this.#demandDevice().state;
    const { good, trial } = board.record();
    const digest = (region: { dump(): Uint8Array }) => hex(verifier.sha256(region.dump()));
    const further = board.further.map(({ id, slots: [a, b] }) => [id, [digest(a), digest(b)]] as const);
    return {
      slot: good,
      slots: [digest(board.region(0)), digest(board.region(1))],
      ...(further.length > 0 && { components: Object.fromEntries(further) }),
      trial: trial ?? null,
      sequence: running.sequence,
      floor,
      headSize: head.size,
      headRoot: hex(head.root),
      rootVersion: root.root.version,
      rolloutSequence,
      outbox: outbox.length,
      commandCounter: counters.command,
      failed: failed.length,
      operations: board.power.operations,
    };
  }

  #newDevice(): Device {
    const { board } = this;
    const { key, workspaceBytes, memoryClass, veto } = this.#birth;
    const random = new Prng('entropy', ++this.#boots);
    const send = (by: Mouth) => async (bytes: Uint8Array) => {
      this.#said.sent.push({ by, bytes });
    };
    return new Device({
      verifier,
      keys: nodeKeyStore(-19, key),
      slots: board.slots,
      store: board.store,
      boot: board.boot,
      link: {
        open: (events, login) => {
          this.events = events;
          void login().then(send('login'), (error: unknown) => this.#failed(error));
        },
        request: send('request'),
        report: send('report'),
        distrust: () => {
          this.#said.distrusted = true;
        },
        close: async () => {
          this.events = undefined;
        },
      },
      timer: this.#time,
      entropy: { random: (bytes) => random.bytes(bytes) },
      clock: { now: () => this.#now() },
      health: this.#health(),
      workspace: new Uint8Array(workspaceBytes),
      decoders: EVERY_DECODER,
      memoryClass,
      ...(veto && { veto: { allow: async () => false } }),
      on: (event) => this.#heard(event),
    });
  }

  #health(): Health {
    return {
      deadlineMs: 1000,
      selfTest: async () => {
        const behaviour = this.#behaviour();
        return behaviour === 'hangs' ? new Promise<boolean>(() => {}) : behaviour !== 'fails';
      },
    };
  }

  #dies(): boolean {
    const how = this.#behaviour();
    return how === 'dies' || (how === 'ages' && this.#demandDevice().state.pending === undefined);
  }

  /** Of what runs now. */
  #behaviour(): Birth['bad'][number]['how'] | undefined {
    const { pending, running } = this.#demandDevice().state;
    const runs = this.board.runs(this.#demandDevice().state) ? pending : running;
    return this.#birth.bad.find(({ sequence }) => sequence === runs?.sequence)?.how;
  }

  #now(): number | undefined {
    return this.#clock && this.#clock.seconds + Math.floor((this.#time.now - this.#clock.at) / 1000);
  }

  #heard(event: DeviceEvent): void {
    if (event.kind === 'refused') this.#said.codes.push(event.code);
    if (event.kind === 'stage' && event.code !== 'OK') this.#said.codes.push(event.code);
    if (event.kind === 'fault') this.#failed(event.error);
  }

  #failed(error: unknown): void {
    if (error instanceof PowerCut) this.#said.cut = true;
    else if (error instanceof Refusal) this.#said.codes.push(codeOf(error));
    else this.#said.fault ??= error instanceof Bricked ? 'no slot may be booted' : String(error);
  }

  #demandDevice(): Device {
    if (!this.#device) throw new RangeError('nothing was booted');
    return this.#device;
  }
}

type Kept = Omit<Said, 'dueMs' | 'restart' | 'sent' | 'codes'> & {
  sent: { by: Mouth; bytes: Uint8Array }[];
  codes: string[];
};

function nothing(): Kept {
  return { sent: [], codes: [], cut: false, fault: null };
}
