import { Refusal } from '../errors.ts';
import type { Flash } from '../ports.ts';
import { crc32 } from './crc32.ts';
import { uint32s, view } from './record.ts';
import { alignUp, readAt, readsErased, UnitWriter } from './units.ts';

/** "CSJ1", little-endian: the journal's layout, version 1. */
const MAGIC = 0x314a5343;
const HEADER_BYTES = 16;

/**
 * How the journal's region is cut into banks. A bank begins with its header, padded to the write unit and written last:
 * magic (4) | generation (4) | bank bytes (4) | CRC-32 of these twelve (4), all little-endian.
 */
export class Banks {
  readonly count: number;
  readonly bankBytes: number;
  readonly #flash: Flash;

  constructor(flash: Flash, bankBytes = Math.floor(flash.bytes / flash.eraseBytes / 2) * flash.eraseBytes) {
    this.#flash = flash;
    this.bankBytes = bankBytes;
    this.count = Math.floor(flash.bytes / bankBytes);
    const fits = Number.isSafeInteger(bankBytes) && bankBytes > 0 && bankBytes % flash.eraseBytes === 0;
    if (!fits || this.count < 2) {
      throw new RangeError(
        `${flash.bytes} bytes do not hold two banks of ${bankBytes} in blocks of ${flash.eraseBytes}`,
      );
    }
  }

  /** Offset of the first record of a bank. */
  body(bank: number): number {
    return bank * this.bankBytes + alignUp(HEADER_BYTES, this.#flash.writeBytes);
  }

  /** Offset after a bank. */
  end(bank: number): number {
    return (bank + 1) * this.bankBytes;
  }

  /** The generation of a bank that was written to its end; undefined for all else. */
  generation(bank: number): number | undefined {
    const bytes = readAt(this.#flash, bank * this.bankBytes, HEADER_BYTES);
    const words = view(bytes);
    const good = words.getUint32(0, true) === MAGIC && words.getUint32(8, true) === this.bankBytes;
    return good && words.getUint32(12, true) === crc32(bytes.subarray(0, 12)) ? words.getUint32(4, true) : undefined;
  }

  writeHeader(bank: number, generation: number): void {
    const fields = uint32s(MAGIC, generation, this.bankBytes);
    const writer = new UnitWriter(this.#flash, bank * this.bankBytes);
    writer.push(fields);
    writer.push(uint32s(crc32(fields)));
    writer.end();
  }

  erase(bank: number): void {
    this.#flash.erase(bank * this.bankBytes, this.bankBytes);
  }

  readsErased(bank: number): boolean {
    return readsErased(this.#flash, bank * this.bankBytes, this.bankBytes);
  }

  /** Banks with a valid header, the newest first. */
  newestFirst(): { bank: number; generation: number }[] {
    const found: { bank: number; generation: number }[] = [];
    for (let bank = 0; bank < this.count; bank++) {
      const generation = this.generation(bank);
      if (generation !== undefined) found.push({ bank, generation });
    }
    return found.sort((a, b) => b.generation - a.generation);
  }

  /**
   * @throws Refusal BAD_STATE unless nothing was ever stored here: the very first put writes into bank 0 alone and its
   * header last, so whatever it left there when it was cut is no loss; anything elsewhere is.
   */
  demandNeverUsed(): void {
    for (let bank = 0; bank < this.count; bank++) {
      const unused = this.generation(bank) === undefined && (bank === 0 || this.readsErased(bank));
      if (!unused) throw new Refusal('BAD_STATE', `the journal was in use, and bank ${bank} holds nothing usable`);
    }
  }
}
