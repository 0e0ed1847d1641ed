import type { SlotNumber, TwoSlots } from '../src/ports.ts';
import { type Booted, VirtualBoot } from './boot.ts';
import { type FlashRegion, partition, VirtualFlash } from './flash.ts';
import { PagePool } from './pages.ts';
import { PowerCutter } from './power.ts';

export interface BoardOptions {
  /** Write and erase units: one of {@link GEOMETRIES} or your part's own. */
  readonly writeBytes: number;
  readonly eraseBytes: number;
  /** At least this many bytes per slot and for the store; rounded up to erase blocks. */
  readonly slotBytes: number;
  readonly storeBytes: number;
  /** What the factory puts into slot 0. */
  readonly image: Uint8Array;
  /** Further components with two slots each, on the same flash. */
  readonly components?: readonly BoardComponent[];
  /** Shared by boards with equal images. */
  readonly pool?: PagePool;
  /** Jumps into a slot on trial before the loader goes back. */
  readonly attemptsMax?: number;
}

export interface BoardComponent {
  readonly id: string;
  readonly slotBytes: number;
  /** What the factory puts into its slot 0. */
  readonly image: Uint8Array;
}

/** A pair, with those of further components where there are any. */
export type BoardSlots = readonly [FlashRegion, FlashRegion] & {
  readonly components?: readonly { id: string; slots: readonly [FlashRegion, FlashRegion] }[];
};

/** One device's hardware: everything on it loses power together. Its faults are drawn from its seed alone. */
export interface Board {
  readonly power: PowerCutter;
  readonly flash: VirtualFlash;
  readonly slots: BoardSlots;
  readonly store: FlashRegion;
  readonly boot: VirtualBoot;
}

/**
 * A board as it leaves the factory: the image in slot 0, slot 1 and the store erased, never booted.
 *
 * @example
 * const board = createBoard({ ...GEOMETRIES.nrf52, slotBytes: 475_000, storeBytes: 32_768, image }, 'seed', 17);
 * board.boot.boot(); // slot 0 and the image's descriptor
 */
export function createBoard(options: BoardOptions, ...seed: readonly (number | string)[]): Board {
  return boardFactory(options)(...seed);
}

/** Many boards of one kind: each further one costs a list of references, not another pass over the image. */
export function boardFactory(options: BoardOptions): (...seed: readonly (number | string)[]) => Board {
  const { writeBytes, eraseBytes, image, pool = new PagePool(), attemptsMax } = options;
  const whole = (bytes: number) => Math.ceil(bytes / eraseBytes) * eraseBytes;
  const [slotBytes, storeBytes] = [whole(options.slotBytes), whole(options.storeBytes)];
  const further = options.components ?? [];
  const sizes = [slotBytes, slotBytes, storeBytes, ...further.flatMap((c) => [whole(c.slotBytes), whole(c.slotBytes)])];
  const master = new VirtualFlash({ writeBytes, eraseBytes, bytes: sizes.reduce((a, b) => a + b), pool });
  const regions = partition(master, ...sizes);
  regions[0]!.load(image);
  for (const [i, component] of further.entries()) regions[3 + 2 * i]!.load(component.image);
  return (...seed) => {
    const power = new PowerCutter(...seed);
    const flash = master.fork(power);
    const [slot0, slot1, store, ...rest] = partition(flash, ...sizes) as FlashRegion[];
    const components = further.map(({ id }, i) => ({ id, slots: [rest[2 * i]!, rest[2 * i + 1]!] as const }));
    const slots = withComponents([slot0!, slot1!], components);
    return {
      power,
      flash,
      slots,
      store: store!,
      boot: new VirtualBoot({ slots, power, ...(attemptsMax && { attemptsMax }) }),
    };
  };
}

function withComponents(
  pair: readonly [FlashRegion, FlashRegion],
  components: NonNullable<BoardSlots['components']>,
): BoardSlots {
  const slots: BoardSlots = components.length > 0 ? Object.assign(pair, { components }) : pair;
  return slots satisfies TwoSlots;
}

/** Power back after a cut, or a restart: what then runs. @throws Bricked */
export function restart(board: Pick<Board, 'power'> & { boot: { boot(): Booted } }): Booted {
  board.power.restorePower();
  return board.boot.boot();
}

/** The slot that an update goes to while `running` runs. */
export function otherSlot(running: SlotNumber): SlotNumber {
  return running === 0 ? 1 : 0;
}
