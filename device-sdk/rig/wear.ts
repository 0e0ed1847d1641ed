import type { FlashRegion } from './flash.ts';

/** What a stretch of a device's life cost a part of its flash. */
export interface Wear {
  /** Erase blocks erased, all together. */
  readonly erases: number;
  /** Erases of the block that was erased most. */
  readonly worst: number;
  /** Bytes written, whole write units. */
  readonly written: number;
}

/**
 * Counts from the moment it is made.
 *
 * @example
 * const meter = new WearMeter(board.store);
 * await device.start();
 * meter.read(); // { erases: 3, worst: 1, written: 2048 }
 */
export class WearMeter {
  readonly #region: FlashRegion;
  readonly #wear: readonly number[];
  readonly #written: number;

  constructor(region: FlashRegion) {
    this.#region = region;
    this.#wear = region.wear;
    this.#written = sum(region.written);
  }

  read(): Wear {
    const erases = this.#region.wear.map((count, block) => count - this.#wear[block]!);
    return { erases: sum(erases), worst: Math.max(...erases), written: sum(this.#region.written) - this.#written };
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
