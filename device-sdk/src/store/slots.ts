import { demand, Refusal } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import type { Flash, Hash, SlotNumber } from '../ports.ts';
import { alignUp, readChunks, readsErased, UnitWriter } from './units.ts';

/**
 * Writes an image into a slot from its start to its end, erasing each block just before the first write to it. So the
 * start of the former image is gone with the first byte of the new one, and a slot half written never looks whole.
 *
 * After a power cut the cells behind the last write may be torn and cannot be trusted, so a writer resumes only at the
 * start of an erase block: whoever stores progress stores `durable`, and gives it back as `from`.
 *
 * @example
 * const writer = new SlotWriter(slot, imageBytes, resumeAt);
 * for (const piece of output) writer.write(piece);
 * writer.finish();
 * demandSlotDigest(slot, imageBytes, verifier.hash(), expected);
 */
export class SlotWriter {
  readonly #flash: Flash;
  readonly #imageBytes: number;
  readonly #writer: UnitWriter;
  #offset: number;
  #erasedTo: number;

  /**
   * @param from a multiple of the erase block at which an interrupted writer goes on; everything before it is in place.
   * @throws Refusal NO_SPACE when the image does not fit the slot.
   */
  constructor(flash: Flash, imageBytes: number, from = 0) {
    demandFits(flash, imageBytes);
    if (from % flash.eraseBytes !== 0 || from < 0 || from > imageBytes)
      throw new RangeError(`cannot resume at ${from}`);
    this.#flash = flash;
    this.#imageBytes = imageBytes;
    this.#writer = new UnitWriter(flash, from);
    this.#offset = from;
    this.#erasedTo = from;
  }

  /** Image bytes taken so far, counted from the start of the image. */
  get offset(): number {
    return this.#offset;
  }

  /** The furthest offset from which a new writer may resume: whole erase blocks that are wholly written. */
  get durable(): number {
    return Math.floor(this.#writer.written / this.#flash.eraseBytes) * this.#flash.eraseBytes;
  }

  /** @throws Refusal RESULT_MISMATCH for more bytes than the image has; none of them is written. */
  write(bytes: Uint8Array): void {
    const after = this.#offset + bytes.length;
    demand(after <= this.#imageBytes, 'RESULT_MISMATCH', `the image has ${this.#imageBytes} bytes, output goes on`);
    this.#eraseTo(alignUp(after, this.#flash.eraseBytes));
    this.#writer.push(bytes);
    this.#offset = after;
  }

  /**
   * Writes what is left, and clears the rest of the slot: nothing of an older image may follow the new one.
   * @throws Refusal RESULT_MISMATCH when bytes are missing.
   */
  finish(): void {
    demand(this.#offset === this.#imageBytes, 'RESULT_MISMATCH', `${this.#offset} bytes of ${this.#imageBytes}`);
    this.#writer.end();
    const { bytes, eraseBytes } = this.#flash;
    for (let at = this.#erasedTo; at < bytes; at += eraseBytes) {
      // Nothing is ever written here before another erase, so a block that reads erased may be left alone.
      if (!readsErased(this.#flash, at, eraseBytes)) this.#flash.erase(at, eraseBytes);
    }
  }

  #eraseTo(end: number): void {
    if (end <= this.#erasedTo) return;
    this.#flash.erase(this.#erasedTo, end - this.#erasedTo);
    this.#erasedTo = end;
  }
}

/** The digest of the first `bytes` of a slot, read back from the flash. @throws Refusal NO_SPACE */
export function digestSlot(flash: Flash, bytes: number, hash: Hash): Uint8Array {
  demandFits(flash, bytes);
  readChunks(flash, 0, bytes, (chunk) => hash.update(chunk));
  return hash.digest();
}

/**
 * What lies in the slot is what was signed. Read back from the flash itself, never from what was sent to it: this
 * closes both the exchange of a checked image and a flash that lies.
 * @throws Refusal RESULT_MISMATCH, NO_SPACE
 */
export function demandSlotDigest(flash: Flash, bytes: number, hash: Hash, expected: Uint8Array): void {
  if (!slotHolds(flash, bytes, hash, expected)) {
    throw new Refusal('RESULT_MISMATCH', `the ${bytes} bytes in the slot do not have the signed digest`);
  }
}

/** Whether the first `bytes` of a slot have this digest. @throws Refusal NO_SPACE */
export function slotHolds(flash: Flash, bytes: number, hash: Hash, expected: Uint8Array): boolean {
  return equal(digestSlot(flash, bytes, hash), expected);
}

function demandFits(flash: Flash, bytes: number): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw new RangeError(`${bytes} bytes`);
  demand(bytes <= flash.bytes, 'NO_SPACE', `${bytes} bytes do not fit a slot of ${flash.bytes}`);
}

export function other(slot: SlotNumber): SlotNumber {
  return slot === 0 ? 1 : 0;
}
