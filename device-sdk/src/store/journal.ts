import { Refusal } from '../errors.ts';
import type { Flash } from '../ports.ts';
import { Banks } from './banks.ts';
import { KEY_MAX, type Place, readRecord, recordBytes, type Source, VALUE_BYTES_MAX, writeRecord } from './record.ts';
import { alignUp, demandReadBack, readAt } from './units.ts';

/** Keys (0 to 65,535, each once) and values (up to 65,534 bytes) to write as one; undefined removes a key. */
export type JournalEntries = readonly (readonly [key: number, value: Uint8Array | undefined])[];

export interface JournalOptions {
  /**
   * Size of one bank in bytes, a multiple of the erase block; all live values must fit one bank. The region holds as
   * many banks as fit, at least two; more of them spread the wear. It must not change over the life of a device.
   * Default: half of the region.
   */
  readonly bankBytes?: number;
}

/**
 * What a device must not forget, on two or more banks of flash: a small map from numbers to bytes.
 *
 * `put` is atomic: after a power cut before, during or after any operation on the flash, `open` finds either everything
 * that the put wrote or nothing of it. A put appends one record. When the bank is full, and at the first put after
 * every `open`, the live values and the new ones go to the next bank, whose header is written last:
 *
 *   erase the next bank    cut here: its header is gone or of an older generation, so the current bank counts
 *   write record 0         cut here: there is no header, so the current bank counts
 *   write the header       cut here: it is torn and the current bank counts, or it is whole and the next one counts
 *
 * Cells behind the last record may have been torn by a cut and still read 0xff. They are never written again before an
 * erase: that is why the first put after `open` moves on, at the price of one erase per start that stores anything.
 *
 * Memory: one small object per key and a buffer of 256 bytes (or one write unit); values stay in flash.
 *
 * @example
 * const journal = Journal.open(storeRegion);
 * journal.put([[1, floor], [2, head], [3, undefined]]); // all three, or none
 * journal.get(1);
 */
export class Journal {
  readonly #flash: Flash;
  readonly #banks: Banks;
  #live: Live | undefined;
  /** The cells behind the last record are known to be erased: this object erased them and every write since succeeded. */
  #tailErased = false;
  /** The newest bank was damaged (not by a power cut), and these values are those of the one before it. */
  readonly fellBack: boolean;

  private constructor(flash: Flash, banks: Banks, live: Live | undefined, fellBack: boolean) {
    this.#flash = flash;
    this.#banks = banks;
    this.#live = live;
    this.fellBack = fellBack;
  }

  /**
   * Reads the region; writes nothing. A region that is blank, or in which the very first put was cut, opens empty.
   * @throws Refusal BAD_STATE when the region was in use and holds no usable bank.
   */
  static open(flash: Flash, options: JournalOptions = {}): Journal {
    const banks = new Banks(flash, options.bankBytes);
    const candidates = banks.newestFirst();
    for (const [i, { bank, generation }] of candidates.entries()) {
      const live = readBank(flash, banks, bank, generation);
      if (live !== undefined) return new Journal(flash, banks, live, i > 0);
    }
    banks.demandNeverUsed();
    return new Journal(flash, banks, undefined, false);
  }

  /**
   * Forgets everything, for a region in any state. The bank that counts goes last, so that a power cut leaves the old
   * values, nothing, or a region that `open` calls BAD_STATE: then format again.
   */
  static format(flash: Flash, options: JournalOptions = {}): Journal {
    const banks = new Banks(flash, options.bankBytes);
    const inUse = banks.newestFirst().map(({ bank }) => bank);
    for (let bank = 0; bank < banks.count; bank++) if (!inUse.includes(bank)) banks.erase(bank);
    for (const bank of inUse.reverse()) banks.erase(bank);
    return Journal.open(flash, options);
  }

  /** A copy of the value, or undefined where there is none. */
  get(key: number): Uint8Array | undefined {
    const place = this.#live?.places.get(key);
    return place && readAt(this.#flash, place.at, place.length);
  }

  /** The keys that have values, in ascending order. */
  keys(): number[] {
    return [...(this.#live?.places.keys() ?? [])].sort((a, b) => a - b);
  }

  /** Bytes that the live values need of a bank. */
  get bytesUsed(): number {
    return this.#bytesOf(this.#live?.places ?? new Map());
  }

  /** Bytes of a bank. */
  get bytesMax(): number {
    return this.#banks.bankBytes;
  }

  /**
   * Writes all entries or none; durable when it returns.
   * @throws Refusal NO_SPACE when the live values do not fit a bank; nothing has changed.
   * @throws Refusal FLASH_FAULT when the flash does not take them. `get` gives the old values; after a restart it may
   * be either. The next put goes to the next bank.
   */
  put(entries: JournalEntries): void {
    checkEntries(entries);
    if (entries.length === 0) return;
    if (!this.#append(entries)) this.#moveOn(entries);
  }

  /** One more record in the current bank. @returns false where that is not possible and nothing was done. */
  #append(entries: JournalEntries): boolean {
    const live = this.#live;
    if (live === undefined || !this.#tailErased) return false;
    const limit = this.#banks.end(live.bank);
    if (live.at + alignUp(recordBytes(entries), this.#flash.writeBytes) > limit) return false;
    this.#tailErased = false;
    writeRecord(this.#flash, live.at, live.generation, live.sequence, entries);
    const taken = take(this.#flash, live, limit);
    demandReadBack(taken, `journal record ${live.sequence}`);
    this.#tailErased = true;
    return true;
  }

  /** All live values and the new ones, in the next bank. */
  #moveOn(entries: JournalEntries): void {
    const values = merge(this.#live?.places, entries);
    const needed = this.#bytesOf(values);
    if (needed > this.bytesMax) throw new Refusal('NO_SPACE', `the journal needs ${needed} bytes of ${this.bytesMax}`);
    const bank = this.#live === undefined ? 0 : (this.#live.bank + 1) % this.#banks.count;
    // A flash is worn out long before 2^32 generations, so this number never wraps.
    const generation = (this.#live?.generation ?? 0) + 1;
    this.#tailErased = false;
    this.#banks.erase(bank);
    writeRecord(this.#flash, this.#banks.body(bank), generation, 0, [...values]);
    const live = readBank(this.#flash, this.#banks, bank, generation);
    demandReadBack(live !== undefined, `journal bank ${bank}`);
    this.#banks.writeHeader(bank, generation);
    demandReadBack(this.#banks.generation(bank) === generation, `header of journal bank ${bank}`);
    this.#live = live;
    this.#tailErased = true;
  }

  #bytesOf(values: ReadonlyMap<number, Source>): number {
    return this.#banks.body(0) + alignUp(recordBytes(values), this.#flash.writeBytes);
  }
}

/** The bank that counts, and where the next record of it would go. */
interface Live {
  readonly bank: number;
  readonly generation: number;
  readonly places: Map<number, Place>;
  sequence: number;
  at: number;
}

/** All records of a bank up to the first that is not whole; undefined unless the first, which holds the values, is. */
function readBank(flash: Flash, banks: Banks, bank: number, generation: number): Live | undefined {
  const live: Live = { bank, generation, places: new Map(), sequence: 0, at: banks.body(bank) };
  while (take(flash, live, banks.end(bank)));
  return live.sequence === 0 ? undefined : live;
}

/** Takes the next record of a bank into account. @returns false where there is none. */
function take(flash: Flash, live: Live, limit: number): boolean {
  const record = readRecord(flash, live.at, limit, live.generation, live.sequence);
  if (record === undefined) return false;
  for (const [key, place] of record.entries) {
    if (place === undefined) live.places.delete(key);
    else live.places.set(key, place);
  }
  live.sequence += 1;
  live.at = alignUp(record.end, flash.writeBytes);
  return true;
}

function merge(places: ReadonlyMap<number, Place> | undefined, entries: JournalEntries): Map<number, Source> {
  const values = new Map<number, Source>(places);
  for (const [key, value] of entries) {
    if (value === undefined) values.delete(key);
    else values.set(key, value);
  }
  return values;
}

function checkEntries(entries: JournalEntries): void {
  const seen = new Set<number>();
  for (const [key, value] of entries) {
    if (!Number.isInteger(key) || key < 0 || key > KEY_MAX) throw new RangeError(`key ${key}`);
    if (seen.has(key)) throw new RangeError(`key ${key} twice in one put`);
    if (value !== undefined && value.length > VALUE_BYTES_MAX) throw new RangeError(`value of ${value.length} bytes`);
    seen.add(key);
  }
}
