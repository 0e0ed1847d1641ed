/** How well a container's predictor does: every unit of every copy, its guess beside what it became. */
import type { DeltaTaps } from '@countersign/device-sdk/delta';

/** By the numbers of FORMAT-DELTA, prediction. */
export const KIND_NAMES = ['plain', 'pointer', 'call', 'jump', 'branch', 'literal', 'high half', 'low half'] as const;

export interface KindQuality {
  kind: (typeof KIND_NAMES)[number];
  units: number;
  /** Units whose guess was the new bytes. */
  right: number;
  wrong: number;
  /** Units whose guess was not simply the old bytes. */
  moved: number;
}

export interface Quality {
  /** Bytes of the new image that copies cover. */
  copiedBytes: number;
  kinds: KindQuality[];
}

/** What is kept per byte of the new image makes 100 MB here. A container of a few bytes may claim a gigabyte. */
export const QUALITY_BYTES_MAX = 32 << 20;

/** Marks of a unit at its first byte: size, whether it moved, kind. */
const SIZE_SHIFT = 4;
const MOVED = 8;
const KIND = 7;

export class QualityWatch {
  readonly #image: Uint8Array;
  readonly #guesses: Uint8Array;
  readonly #marks: Uint8Array;
  #seen = false;

  constructor(newBytes: number) {
    this.#image = new Uint8Array(newBytes);
    this.#guesses = new Uint8Array(newBytes);
    this.#marks = new Uint8Array(newBytes);
  }

  readonly taps: DeltaTaps = {
    sink: (offset, bytes) => this.#image.set(bytes, offset),
    predicting: (predictor) => {
      this.#seen = true;
      predictor.watch = (newOffset) => {
        const { unit, guess, moved } = predictor;
        this.#marks[newOffset] = (unit.size << SIZE_SHIFT) | (moved ? MOVED : 0) | unit.kind;
        this.#guesses.set(guess.subarray(0, unit.size), newOffset);
      };
    },
  };

  /** The image that came out. */
  get image(): Uint8Array {
    return this.#image;
  }

  /** @returns undefined where the container has no units: copies of stored and heatshrink without a predictor */
  summary(): Quality | undefined {
    if (!this.#seen) return undefined;
    const kinds = KIND_NAMES.map((kind): KindQuality => ({ kind, units: 0, right: 0, wrong: 0, moved: 0 }));
    let copiedBytes = 0;
    for (const [at, mark] of this.#marks.entries()) {
      const size = mark >> SIZE_SHIFT;
      if (size === 0) continue;
      const row = kinds[mark & KIND]!;
      copiedBytes += size;
      row.units++;
      if ((mark & MOVED) !== 0) row.moved++;
      if (this.#agrees(at, size)) row.right++;
      else row.wrong++;
    }
    return { copiedBytes, kinds: kinds.filter(({ units }) => units > 0) };
  }

  #agrees(at: number, size: number): boolean {
    for (let i = at; i < at + size; i++) if (this.#guesses[i] !== this.#image[i]) return false;
    return true;
  }
}
