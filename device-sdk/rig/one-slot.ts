import { EVERY_DECODER } from '../src/delta/decoders.ts';
import type { OneSlot } from '../src/fetch/target.ts';
import { bootInPlace, oneSlot } from '../src/one-slot.ts';
import type { BootControl, Flash, OneSlotFlash, SlotNumber, Verifier } from '../src/ports.ts';
import type { Board, BoardOptions } from './board.ts';
import type { Booted, VirtualBoot } from './boot.ts';
import { findDescriptor } from './descriptor.ts';
import { Bricked, FlashMisuse } from './faults.ts';
import { type FlashRegion, partition, VirtualFlash } from './flash.ts';
import { PagePool } from './pages.ts';
import { PowerCutter } from './power.ts';

export interface OneSlotBoardOptions extends Omit<BoardOptions, 'attemptsMax'> {
  /** At least this many bytes for the page that is being made, and for a whole delta; rounded up to erase blocks. */
  readonly scratchBytes: number;
  readonly stagingBytes: number;
  /** Memory of the boot stage, for the decoder. */
  readonly workspaceBytes: number;
  readonly verifier: Verifier;
}

/** One device's hardware with one slot, as it leaves the factory. */
export interface OneSlotBoard {
  readonly power: PowerCutter;
  readonly flash: VirtualFlash;
  readonly slots: OneSlot & Record<keyof OneSlotFlash, FlashRegion>;
  readonly store: FlashRegion;
  readonly boot: OneSlotLoader;
}

/**
 * A board with one slot, its factory image in it; provision the store, then boot.
 *
 * @example
 * const board = createOneSlotBoard({ ...GEOMETRIES.nrf52, slotBytes, scratchBytes: 16_384, stagingBytes: 65_536,
 *   storeBytes: 32_768, image, workspaceBytes: CLASS_BYTES.M, verifier }, 'seed');
 */
export function createOneSlotBoard(options: OneSlotBoardOptions, ...seed: readonly (number | string)[]): OneSlotBoard {
  return oneSlotBoardFactory(options)(...seed);
}

/** Many boards of one kind, as boardFactory for two slots. */
export function oneSlotBoardFactory(
  options: OneSlotBoardOptions,
): (...seed: readonly (number | string)[]) => OneSlotBoard {
  const { writeBytes, eraseBytes, image, workspaceBytes, verifier, pool = new PagePool() } = options;
  const sizes = [options.slotBytes, options.scratchBytes, options.stagingBytes, options.storeBytes].map(
    (bytes) => Math.ceil(bytes / eraseBytes) * eraseBytes,
  );
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const master = new VirtualFlash({ writeBytes, eraseBytes, bytes, pool });
  master.region(0, sizes[0]!).load(image);
  return (...seed) => {
    const power = new PowerCutter(...seed);
    const flash = master.fork(power);
    const [slot, scratch, staging, store] = partition(flash, ...sizes) as Regions;
    const regions = { slot, scratch, staging };
    const decoders = EVERY_DECODER;
    const stage = () =>
      bootInPlace({ store, verifier, slots: regions, workspace: new Uint8Array(workspaceBytes), decoders });
    const boot = new OneSlotLoader(power, slot, stage);
    return { power, flash, slots: { ...oneSlot(regions), ...regions }, store, boot };
  };
}

type Regions = [FlashRegion, FlashRegion, FlashRegion, FlashRegion];

/** The region that boots next, or runs: read from outside. */
export function bootRegion({ boot, slots }: Board | OneSlotBoard): FlashRegion {
  if ('slot' in slots) return slots.slot;
  const two = boot as VirtualBoot;
  return slots[two.booted?.slot ?? two.record.good];
}

/** The loader of a device with one slot: it runs the SDK's boot stage and jumps, or does not. */
export class OneSlotLoader implements BootControl {
  readonly #power: PowerCutter;
  readonly #slot: Flash;
  readonly #stage: () => 'run' | 'recover';
  #booted: Booted | undefined;
  #bootedAfterCuts = -1;
  #restartRequested = false;

  constructor(power: PowerCutter, slot: Flash, stage: () => 'run' | 'recover') {
    this.#power = power;
    this.#slot = slot;
    this.#stage = stage;
  }

  /** @throws Bricked where the device waits for its maker; PowerCut: call again when the power is back */
  boot(): Booted {
    this.#restartRequested = false;
    this.#bootedAfterCuts = -1;
    if (this.#stage() === 'recover') throw new Bricked('the slot holds no image that may run');
    this.#bootedAfterCuts = this.#power.cuts;
    // Whether it runs on trial is the journal's to say.
    this.#booted = { slot: 0, descriptor: findDescriptor(this.#slot), trial: false, reverted: false };
    return this.#booted;
  }

  /** What runs now, or undefined between a power cut or restart and the next boot. */
  get booted(): Booted | undefined {
    return this.#bootedAfterCuts === this.#power.cuts ? this.#booted : undefined;
  }

  running(): SlotNumber {
    this.#power.demandPower();
    if (this.#bootedAfterCuts !== this.#power.cuts) throw new FlashMisuse('nothing runs before boot()');
    return 0;
  }

  onTrial(): boolean {
    return false;
  }

  setTrial(): void {
    this.#power.demandPower();
  }

  confirm(): void {
    this.#power.demandPower();
  }

  markUnbootable(): void {
    this.#power.demandPower();
  }

  restart(): void {
    this.#power.demandPower();
    this.#restartRequested = true;
  }

  get restartRequested(): boolean {
    return this.#restartRequested;
  }
}
