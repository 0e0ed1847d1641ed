/**
 * Writes an image over its own base, page by page, with one scratch page. For every page:
 *
 *   scratch: erased, then the page as the decoder makes it     cut here: made again from the last checkpoint, for
 *                                                              nothing that it is made from has been touched
 *   journal: page n lies in scratch
 *   slot: page n erased, copied from scratch, read back        cut here: copied from scratch again
 *   journal: page n is done                                    only now scratch may be erased
 *
 * A page is what lies between two checkpoints of the decoder, so it can always begin at a page.
 */
import type { BlockOrder } from '../delta/block-order.ts';
import { demand } from '../errors.ts';
import type { Flash } from '../ports.ts';
import { alignUp, chunkBytes, demandReadBack, readAt, readsErased } from '../store/units.ts';

/** What one journal record holds. */
export interface InPlaceProgress {
  /** Pages that are done, in their order of writing. */
  done: number;
  /** The next one lies whole in scratch and is being copied. */
  copying: boolean;
  /** Where the decoder goes on behind these pages; empty before the first and behind the last. */
  checkpoint: Uint8Array;
}

export interface InPlaceOptions {
  /** Holds the base, and in the end the image. */
  slot: Flash;
  scratch: Flash;
  /** Its blocks are the pages: multiples of the slot's erase block, at most the scratch page. */
  order: BlockOrder;
  resume: InPlaceProgress | undefined;
  /** Encoded checkpoint of the decoder, which stands at a page border when this is called. */
  checkpoint(): Uint8Array;
  /** Commits one record: all of it or nothing. */
  save(progress: InPlaceProgress): void;
}

export class InPlaceWriter {
  readonly #o: InPlaceOptions;
  #progress: InPlaceProgress;
  /** Bytes of the page in the making that are in scratch; -1 while scratch holds something else. */
  #filled = -1;

  /**
   * Goes on where `resume` says; a page that was being copied is copied before anything else.
   * @throws Refusal NO_SPACE for an image larger than the slot, NO_STAGING for a scratch page that is too small
   */
  constructor(options: InPlaceOptions) {
    const { slot, scratch, order, resume } = options;
    const { imageBytes, blockBytes: pageBytes } = order;
    demand(imageBytes <= slot.bytes, 'NO_SPACE', `${imageBytes} bytes do not fit a slot of ${slot.bytes}`);
    demand(pageBytes <= scratch.bytes, 'NO_STAGING', `pages of ${pageBytes} bytes, a scratch page of ${scratch.bytes}`);
    const whole = pageBytes > 0 && pageBytes % slot.eraseBytes === 0 && pageBytes % scratch.eraseBytes === 0;
    if (!whole) throw new RangeError(`pages of ${pageBytes} bytes are not whole erase blocks`);
    this.#o = options;
    this.#progress = resume ?? { done: 0, copying: false, checkpoint: new Uint8Array() };
    const inside = this.#progress.done + (this.#progress.copying ? 1 : 0) <= order.count;
    demand(inside, 'BAD_STATE', `the journal names page ${this.#progress.done} of ${order.count}`);
    if (this.#progress.copying) this.#copy();
  }

  get progress(): InPlaceProgress {
    return this.#progress;
  }

  /**
   * Takes bytes of the image in the order of the decoder: pieces that are whole write units, except at the image's end.
   * The page before is committed when the first piece of the next one comes, for only then has the
   * decoder passed its checkpoint.
   * @throws Refusal RESULT_MISMATCH for a piece that is not the next one; FLASH_FAULT
   */
  write(offset: number, bytes: Uint8Array): void {
    const { order, scratch } = this.#o;
    if (this.#filled === order.length(this.#progress.done)) this.#commit(this.#o.checkpoint());
    const { done } = this.#progress;
    demand(done < order.count, 'RESULT_MISMATCH', 'the image is complete, output goes on');
    if (this.#filled < 0) this.#clearScratch();
    const fits = this.#filled + bytes.length <= order.length(done);
    const next = fits && offset === order.start(done) + this.#filled;
    demand(next, 'RESULT_MISMATCH', `${bytes.length} bytes for offset ${offset} are not the next ones`);
    scratch.write(this.#filled, this.#padded(bytes));
    this.#filled += bytes.length;
  }

  /**
   * Commits the last page and clears the slot behind the image.
   * @throws Refusal RESULT_MISMATCH when bytes are missing
   */
  finish(): void {
    const { slot, order } = this.#o;
    if (!this.complete && this.#filled === order.length(this.#progress.done)) this.#commit(new Uint8Array());
    demand(this.complete, 'RESULT_MISMATCH', `${this.#progress.done} pages are written`);
    for (let at = alignUp(order.imageBytes, slot.eraseBytes); at < slot.bytes; at += slot.eraseBytes)
      if (!readsErased(slot, at, slot.eraseBytes)) slot.erase(at, slot.eraseBytes);
  }

  /** Whether every page is in the slot: then there is nothing to decode. */
  get complete(): boolean {
    return this.#progress.done === this.#o.order.count;
  }

  #clearScratch(): void {
    this.#o.scratch.erase(0, this.#o.order.blockBytes);
    this.#filled = 0;
  }

  #padded(bytes: Uint8Array): Uint8Array {
    const { writeBytes } = this.#o.scratch;
    if (bytes.length % writeBytes === 0) return bytes;
    const padded = new Uint8Array(alignUp(bytes.length, writeBytes)).fill(0xff);
    padded.set(bytes);
    return padded;
  }

  #commit(checkpoint: Uint8Array): void {
    this.#save({ done: this.#progress.done, copying: true, checkpoint });
    this.#copy();
  }

  #copy(): void {
    const { slot, scratch, order } = this.#o;
    const { done, checkpoint } = this.#progress;
    const start = order.start(done);
    const unit = Math.max(slot.writeBytes, scratch.writeBytes);
    const length = Math.min(alignUp(order.length(done), unit), slot.bytes - start);
    slot.erase(start, Math.min(order.blockBytes, slot.bytes - start));
    const step = Math.max(chunkBytes(slot), unit);
    for (let at = 0; at < length; at += step) {
      const bytes = readAt(scratch, at, Math.min(step, length - at));
      slot.write(start + at, bytes);
      const back = readAt(slot, start + at, bytes.length);
      demandReadBack(
        bytes.every((byte, i) => byte === back[i]),
        'a page of the slot',
      );
    }
    this.#save({ done: done + 1, copying: false, checkpoint });
    this.#filled = -1;
  }

  #save(progress: InPlaceProgress): void {
    this.#o.save(progress);
    this.#progress = progress;
  }
}
