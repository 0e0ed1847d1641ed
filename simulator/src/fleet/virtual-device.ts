/**
 * One device of the fleet: the true SDK on a board of the rig. This file only switches it on and off, as power, boot
 * loader and owner would; it decides nothing about updates.
 */

import {
  type Clock,
  type Code,
  Device,
  type DeviceEvent,
  type Entropy,
  type Link,
  type Timer,
  type Verifier,
} from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { equal, type MemoryClass } from '@countersign/device-sdk/format';
import {
  type Board,
  Bricked,
  bootPasses,
  FlashRegion,
  type OneSlotBoard,
  PowerCut,
  restart,
  type Wear,
  WearMeter,
} from '@countersign/device-sdk/rig';
import type { LinkFaults } from '../world/link-faults.ts';
import { type FaultRates, frameFaults, linkFaults, NO_FAULTS, nextCut, restMs } from './faults.ts';
import type { Profile } from './profile.ts';
import { type Liar, type Meter, newMeter, Tap } from './tap.ts';

export interface DeviceWorld {
  readonly seed: string;
  readonly verifier: Verifier;
  readonly timer: Timer;
  /** The wall clock of a device that has one. */
  clock(profile: Profile): Clock;
  /** Milliseconds that only pass. */
  elapsedMs(): number;
  readonly memoryClass: MemoryClass;
  readonly workspaceBytes: number;
  /** Seconds between two questions for the announcement. */
  readonly askSeconds: number;
  rates(): FaultRates;
  /** A fresh link to the distribution server. */
  link(profile: Profile, faults: LinkFaults | undefined, trouble: (error: unknown) => void): Link;
  entropy(profile: Profile, boot: number): Entropy;
  changed(device: VirtualDevice, change: Change): void;
  heard(announcement: Uint8Array): void;
  /** An answer to a question, unless it carries a frame. */
  answered(answer: Uint8Array): void;
}

/** What an onlooker sees of a device. */
export type Change =
  | { kind: 'up' | 'down' | 'on' | 'off' }
  | { kind: 'cut'; operation: number }
  | { kind: 'stage'; stage: string; code: string; version: string }
  | { kind: 'updated'; from: string; to: string }
  | { kind: 'reverted'; code: string; version: string; kept: string }
  | { kind: 'refused'; code: Code; text: string }
  | { kind: 'stuck'; text: string };

/** How the last attempt at a release ended. */
export interface Attempt {
  outcome: 'updated' | 'reverted';
  sequence: number;
  code: string;
}

export interface Refused {
  code: Code;
  text: string;
  /** Milliseconds of the world's time. */
  at: number;
}

/** Why a life between power-on and power-off ended. */
type End = 'restart' | 'owner' | 'cut' | 'off' | 'stuck';

export class VirtualDevice {
  readonly profile: Profile;
  readonly board: Board | OneSlotBoard;
  readonly meter: Meter = newMeter();
  readonly #world: DeviceWorld;
  #device: Device | undefined;
  #tap: Tap | undefined;
  #liar: Liar | undefined;
  #end: ((end: End) => void) | undefined;
  #life: Promise<void> | undefined;
  #wanted = false;
  #boots = 0;
  #weighedFrames = 0;
  #connected = false;
  #attempt: Attempt | undefined;
  #refusal: Refused | undefined;
  #stuck: string | undefined;
  readonly #wear: { slots: WearMeter[]; store: WearMeter };

  /** @param board as it left the factory, with its provisioning record in the store */
  constructor(profile: Profile, board: Board | OneSlotBoard, world: DeviceWorld) {
    this.profile = profile;
    this.board = board;
    this.#world = world;
    this.#wear = { slots: regionsOf(board).map((region) => new WearMeter(region)), store: new WearMeter(board.store) };
  }

  switchOn(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#life = this.#live();
  }

  async switchOff(): Promise<void> {
    this.#wanted = false;
    this.#end?.('off');
    await this.#life;
  }

  /** Power off and on again: what an owner does with a device that he does not understand. */
  powerCycle(): void {
    this.#end?.('restart');
  }

  /** What the device stores, as its SDK says; undefined before the first boot. */
  get state(): Device['state'] | undefined {
    return this.#device?.state;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get boots(): number {
    return this.#boots;
  }

  get attempt(): Attempt | undefined {
    return this.#attempt;
  }

  /** The last thing it would not take, since it was last connected. */
  get refusal(): Refused | undefined {
    return this.#refusal;
  }

  get stuck(): string | undefined {
    return this.#stuck;
  }

  /** Connected, nothing under way, nothing that waits for an acknowledgement. */
  get idle(): boolean {
    const { state } = this;
    return this.#connected && state !== undefined && !state.pending && state.outbox.length === 0;
  }

  /** What its flash has taken since the factory: slots with all that belongs to them, and the store. */
  wear(): { slots: Wear; store: Wear } {
    const slots = this.#wear.slots.map((meter) => meter.read());
    const sum = (of: (wear: Wear) => number) => slots.reduce((total, wear) => total + of(wear), 0);
    const worst = Math.max(...slots.map((wear) => wear.worst));
    const all = { erases: sum(({ erases }) => erases), worst, written: sum(({ written }) => written) };
    return { slots: all, store: this.#wear.store.read() };
  }

  /** Puts a man in the middle, or takes him away. */
  set liar(liar: Liar | undefined) {
    this.#liar = liar;
  }

  /** What was refused of an adversary's says nothing about the device's own release. */
  dismissRefusal(): void {
    this.#refusal = undefined;
  }

  /** Lets the device hear an announcement that nobody published. */
  inject(announcement: Uint8Array): void {
    this.#tap?.inject(announcement);
  }

  async #live(): Promise<void> {
    while (this.#wanted) {
      const end = await this.#boot();
      this.#connected = false;
      this.#world.changed(this, { kind: 'off' });
      if (end === 'stuck' || end === 'off') return;
      const ms = restMs(this.#world.seed, this.profile.number, this.#boots, end);
      await new Promise<void>((resolve) => void this.#world.timer.after(ms, resolve));
    }
  }

  async #boot(): Promise<End> {
    this.#boots++;
    let device: Device | undefined;
    const ended = new Promise<End>((resolve) => {
      this.#end = resolve;
    });
    try {
      this.#armCut();
      restart(this.board);
      device = this.#compose();
      const before = device.state;
      this.#device = device;
      this.#world.changed(this, { kind: 'on' });
      const settled = await device.start();
      this.#compare(before, device.state);
      return settled === 'restart' ? 'restart' : await ended;
    } catch (error) {
      return this.#ended(error);
    } finally {
      // A power cut inside a callback that swallows it: whatever else happened, without power nothing goes on.
      await device?.stop().catch(() => {});
    }
  }

  #armCut(): void {
    const { power } = this.board;
    const rates = this.#world.rates();
    if (rates.powerCut < 1) power.disarm();
    if (power.armed) return;
    const cut = nextCut(this.#world.seed, this.profile.number, power.cuts, rates);
    if (cut) power.cutAt(power.operations + cut.after, cut.phase);
  }

  #compose(): Device {
    const { board, profile } = this;
    const { seed, verifier, timer, clock, memoryClass, workspaceBytes, askSeconds, rates, link, entropy } = this.#world;
    const calm = () => rates() === NO_FAULTS;
    const faults = linkFaults(seed, profile.number, this.#boots, rates());
    const frames = frameFaults(seed, profile.number, this.#boots, rates());
    this.#tap = new Tap({
      inner: link(
        profile,
        faults && ((event) => (calm() ? undefined : faults(event))),
        () => board.power.off && this.#end?.('cut'),
      ),
      frames: frames && ((number, answer) => (calm() ? answer : frames(number, answer))),
      meter: this.meter,
      liar: () => this.#liar,
      heard: this.#world.heard,
      answered: this.#world.answered,
    });
    return new Device({
      verifier,
      keys: profile.keys,
      slots: board.slots,
      store: board.store,
      boot: board.boot,
      link: this.#tap,
      timer,
      entropy: entropy(profile, this.#boots),
      clock: profile.clock ? clock(profile) : { now: () => undefined },
      health: {
        selfTest: async () => bootPasses(board.boot.booted, profile.revision),
        deadlineMs: SELF_TEST_MS_MAX,
      },
      workspace: new Uint8Array(workspaceBytes),
      decoders: EVERY_DECODER,
      memoryClass,
      askSeconds,
      on: (event) => this.#on(event),
    });
  }

  #on(event: DeviceEvent): void {
    switch (event.kind) {
      case 'link':
        this.#connected = event.up;
        this.#refusal = undefined;
        this.#world.changed(this, { kind: event.up ? 'up' : 'down' });
        break;
      case 'stage':
        this.#refusal = undefined;
        if (event.stage === 'apply' && event.code === 'OK') this.#weigh();
        this.#world.changed(this, event);
        break;
      case 'refused':
        // An older announcement says nothing new about what this device may have.
        if (event.code !== 'STALE') this.#refusal = { code: event.code, text: event.text, at: this.#world.elapsedMs() };
        this.#world.changed(this, event);
        break;
      case 'restart':
        // A release may leave the moment to the device's owner; then it is he who restarts it, a little later.
        this.#end?.(this.board.boot.restartRequested ? 'restart' : 'owner');
        break;
      case 'fault':
        this.#end?.(this.#ended(event.error));
        break;
    }
  }

  /** An image is whole in its slot. One that was staged before a power cut has been counted already. */
  #weigh(): void {
    const { frames } = this.meter;
    const { image } = this.state?.pending ?? {};
    const parts = image ? [image, ...(image.components ?? [])] : [];
    if (frames > this.#weighedFrames) this.meter.images += parts.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#weighedFrames = frames;
  }

  /** What start() has settled: a trial that was judged, one way or the other. */
  #compare(before: Device['state'], after: Device['state']): void {
    const { pending, running } = before;
    const failed = ({ manifestDigest }: { manifestDigest: Uint8Array }) =>
      after.failed.some(({ digest }) => equal(digest, manifestDigest));
    if (after.running.sequence > running.sequence && !failed(after.running)) {
      this.#attempt = { outcome: 'updated', sequence: after.running.sequence, code: 'OK' };
      this.#world.changed(this, { kind: 'updated', from: running.version, to: after.running.version });
    } else if (pending?.phase === 'trial' && after.pending === undefined) {
      if (!failed(pending)) return;
      // With one slot the image that failed is there, and what it failed with is in what it told.
      const stays = equal(after.running.manifestDigest, pending.manifestDigest);
      const told = after.told.find(({ manifestDigest }) => equal(manifestDigest, pending.manifestDigest));
      const code = pending.failure ?? (stays && told ? told.code : 'BOOT_FAILED');
      this.#attempt = { outcome: 'reverted', sequence: pending.sequence, code };
      this.#world.changed(this, { kind: 'reverted', code, version: pending.version, kept: after.running.version });
    }
  }

  #ended(error: unknown): End {
    const { power } = this.board;
    if (!(error instanceof Bricked) && (error instanceof PowerCut || power.off)) {
      this.#world.changed(this, { kind: 'cut', operation: power.operations });
      return 'cut';
    }
    this.#stuck = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#world.changed(this, { kind: 'stuck', text: this.#stuck });
    return 'stuck';
  }
}

/** The slots of every component, and with one slot its scratch page and staging area. */
function regionsOf({ slots }: Board | OneSlotBoard): FlashRegion[] {
  const further = 'slot' in slots ? [] : (slots.components ?? []).flatMap((component) => component.slots);
  return [...Object.values(slots), ...further].filter((part): part is FlashRegion => part instanceof FlashRegion);
}

/** The samples' self-tests are decided at once; the limit is that of a real board. */
const SELF_TEST_MS_MAX = 30_000;
