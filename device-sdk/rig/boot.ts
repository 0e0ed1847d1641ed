import type { BootControl, SlotNumber, TwoSlots } from '../src/ports.ts';
import { type Descriptor, findDescriptor } from './descriptor.ts';
import { Bricked, FlashMisuse } from './faults.ts';
import { PowerCutter } from './power.ts';

/** What the loader wrote down. Replaced as a whole, as a loader with two copies and a counter does it. */
export interface BootRecord {
  /** The slot that was confirmed last. */
  readonly good: SlotNumber;
  /** The slot to try next or being tried, if any. */
  readonly trial: SlotNumber | undefined;
  /** Jumps into the trial slot so far. Counted before the jump. */
  readonly attempts: number;
  readonly unbootable: readonly [boolean, boolean];
}

export interface Booted {
  readonly slot: SlotNumber;
  readonly descriptor: Descriptor | undefined;
  /** Of further components, each loaded from its slot with the same number. */
  readonly components?: readonly (Descriptor | undefined)[];
  /** The slot runs on trial. */
  readonly trial: boolean;
  /** A trial ended at this boot without having been confirmed. */
  readonly reverted: boolean;
}

export interface VirtualBootOptions {
  readonly slots: TwoSlots;
  readonly power?: PowerCutter;
  /** The slot the factory filled. */
  readonly factorySlot?: SlotNumber;
  /** Jumps into a slot on trial before the loader goes back. */
  readonly attemptsMax?: number;
}

/**
 * A boot loader for two slots. Its record is atomic: a cut during a change leaves the old or the new one, whole. Every
 * change is one operation of the {@link PowerCutter}.
 *
 * @example
 * const boot = new VirtualBoot({ slots: [slot0, slot1], power });
 * boot.boot(); // slot 0, the factory image
 * boot.setTrial(1);
 * boot.restart();
 * boot.boot(); // slot 1 on trial; without confirm() the next boot is slot 0 again
 */
export class VirtualBoot implements BootControl {
  readonly #slots: TwoSlots;
  readonly #power: PowerCutter;
  readonly #attemptsMax: number;
  #record: BootRecord;
  #booted: Booted | undefined;
  #bootedAfterCuts = 0;
  #restartRequested = false;

  constructor({ slots, power, factorySlot = 0, attemptsMax = 1 }: VirtualBootOptions) {
    this.#slots = slots;
    this.#power = power ?? new PowerCutter(0);
    this.#attemptsMax = attemptsMax;
    this.#record = { good: factorySlot, trial: undefined, attempts: 0, unbootable: [false, false] };
  }

  /**
   * Switches the device on, or restarts it: decides which slot runs and says what is in it.
   * @throws Bricked when no slot may run. PowerCut when the power goes before the jump; call again when it is back.
   */
  boot(): Booted {
    this.#booted = undefined;
    this.#restartRequested = false;
    const { trial, attempts } = this.#record;
    const tries = trial !== undefined && attempts < this.#attemptsMax && this.#usable(trial);
    // Counted before the jump: an image that hangs or cuts its own power has used its attempt.
    if (tries) this.#change({ attempts: attempts + 1 });
    const reverted = trial !== undefined && !tries;
    if (reverted) this.#change({ trial: undefined, attempts: 0, unbootable: this.#mark(trial, true) });
    const slot = tries ? trial : this.#goodSlot();
    const components = this.#slots.components?.map(({ slots }) => findDescriptor(slots[slot]));
    const descriptor = findDescriptor(this.#slots[slot]);
    this.#booted = { slot, descriptor, trial: tries, reverted, ...(components && { components }) };
    this.#bootedAfterCuts = this.#power.cuts;
    return this.#booted;
  }

  running(): SlotNumber {
    this.#power.demandPower();
    return this.#demandBooted().slot;
  }

  onTrial(): boolean {
    this.#power.demandPower();
    return this.#demandBooted().trial && this.#record.trial === this.#demandBooted().slot;
  }

  /** Also lifts the mark of `markUnbootable`: the slot holds another image now, and the caller vouches for it. */
  setTrial(slot: SlotNumber): void {
    if (slot === this.running()) throw new FlashMisuse(`slot ${slot} is running and cannot be tried`);
    if (this.onTrial()) throw new FlashMisuse('the running image is on trial: confirm it or let it revert first');
    this.#change({ trial: slot, attempts: 0, unbootable: this.#mark(slot, false) });
  }

  /** Does nothing where there is nothing to confirm, so that it may be repeated after a power cut. */
  confirm(): void {
    if (!this.onTrial()) return;
    this.#change({ good: this.running(), trial: undefined, attempts: 0 });
  }

  markUnbootable(slot: SlotNumber): void {
    if (slot === this.running() || slot === this.#record.good) {
      throw new FlashMisuse(`slot ${slot} is what the loader would go back to: confirm another image first`);
    }
    if (this.#record.unbootable[slot]) return;
    const ended = this.#record.trial === slot ? { trial: undefined, attempts: 0 } : {};
    this.#change({ ...ended, unbootable: this.#mark(slot, true) });
  }

  restart(): void {
    this.#power.demandPower();
    this.#restartRequested = true;
  }

  /** True from `restart()` until `boot()`: whoever drives the device restarts it. */
  get restartRequested(): boolean {
    return this.#restartRequested;
  }

  /** What the loader has written down, read from outside. */
  get record(): BootRecord {
    return this.#record;
  }

  /** What runs now, or undefined between a power cut or restart and the next boot. */
  get booted(): Booted | undefined {
    return this.#bootedAfterCuts === this.#power.cuts ? this.#booted : undefined;
  }

  #goodSlot(): SlotNumber {
    const { good } = this.#record;
    if (this.#usable(good)) return good;
    const other = good === 0 ? 1 : 0;
    if (this.#usable(other)) return other;
    throw new Bricked(`neither slot may be booted: ${JSON.stringify(this.#record)}`);
  }

  /** A blank slot is never jumped into, marked or not. */
  #usable(slot: SlotNumber): boolean {
    if (this.#record.unbootable[slot]) return false;
    const start = new Uint8Array(VECTOR_BYTES);
    this.#slots[slot].read(0, start);
    return start.some((byte) => byte !== 0xff);
  }

  #mark(slot: SlotNumber, value: boolean): [boolean, boolean] {
    const { unbootable } = this.#record;
    return slot === 0 ? [value, unbootable[1]] : [unbootable[0], value];
  }

  #change(part: Partial<BootRecord>): void {
    const next = { ...this.#record, ...part };
    const apply = () => {
      this.#record = next;
    };
    this.#power.operate({ kind: 'boot', apply, tear: (random) => (random.oneIn(2) ? apply() : undefined) });
  }

  #demandBooted(): Booted {
    if (this.booted === undefined) throw new FlashMisuse('nothing runs before boot()');
    return this.booted;
  }
}

/** The first words of an image hold its entry point. */
const VECTOR_BYTES = 16;
