import type { Flash } from '../src/ports.ts';
import { CellFormat, type Geometry } from './cells.ts';
import { FlashMisuse } from './faults.ts';
import { PagePool } from './pages.ts';
import { PowerCutter } from './power.ts';
import type { Prng } from './prng.ts';

export interface VirtualFlashOptions extends Geometry {
  /** Shared by all flashes that may hold equal pages; without one, this flash has its own. */
  readonly pool?: PagePool;
  /** Shared by everything that loses power together; without one, the power never fails. */
  readonly power?: PowerCutter;
}

/**
 * NOR-like flash, stricter than the real thing: writing to cells that are not erased, a misaligned write or erase, and
 * anything out of range throw {@link FlashMisuse} at once. A torn unit or a half-erased block counts as not erased
 * even where it reads 0xff. Each `write` and each `erase` is one operation of the {@link PowerCutter}.
 *
 * @example
 * const pool = new PagePool();
 * const flash = new VirtualFlash({ ...GEOMETRIES.nrf52, bytes: 64 * 4096, pool });
 * const [slot0, slot1, store] = partition(flash, 28 * 4096, 28 * 4096, 8 * 4096);
 */
export class VirtualFlash implements Flash {
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
  readonly power: PowerCutter;
  readonly pool: PagePool;
  readonly #format: CellFormat;
  readonly #pages: (Uint8Array | null)[];
  /** 1 where the page is this flash's alone and may be changed in place. */
  readonly #own: Uint8Array;
  readonly #wear: Uint32Array;
  readonly #written: Uint32Array;

  constructor(options: VirtualFlashOptions) {
    this.#format = new CellFormat(options);
    this.bytes = options.bytes;
    this.writeBytes = options.writeBytes;
    this.eraseBytes = options.eraseBytes;
    this.pool = options.pool ?? new PagePool();
    this.power = options.power ?? new PowerCutter(0);
    this.#pages = new Array(this.bytes / this.#format.pageBytes).fill(null);
    this.#own = new Uint8Array(this.#pages.length);
    this.#wear = new Uint32Array(this.bytes / this.eraseBytes);
    this.#written = new Uint32Array(this.#wear.length);
  }

  read(offset: number, into: Uint8Array): void {
    this.power.demandPower();
    this.#demandRange(offset, into.length, 1, 'read');
    this.#copy(offset, into);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.power.demandPower();
    this.#demandRange(offset, bytes.length, this.writeBytes, 'write');
    this.#demandErased(offset, bytes.length);
    if (bytes.length === 0) return;
    this.#countWritten(offset, bytes.length);
    this.power.operate({
      kind: 'write',
      apply: () => this.#program(offset, bytes),
      tear: (random) => this.#tearWrite(offset, bytes, random),
    });
  }

  erase(offset: number, length: number): void {
    this.power.demandPower();
    this.#demandRange(offset, length, this.eraseBytes, 'erase');
    if (length === 0) return;
    this.power.operate({
      kind: 'erase',
      apply: () => this.#erase(offset, length),
      tear: (random) => this.#tearErase(offset, length, random),
    });
  }

  /** How often each erase block has been erased, torn erases included. */
  get wear(): readonly number[] {
    return [...this.#wear];
  }

  /** How many bytes have been written into each erase block, torn writes as if they had been whole. */
  get written(): readonly number[] {
    return [...this.#written];
  }

  /** A part of this flash as a flash of its own, on the same power. Both ends lie on erase blocks. */
  region(offset: number, bytes: number): FlashRegion {
    this.#demandRange(offset, bytes, this.eraseBytes, 'region');
    return new FlashRegion(this, offset, bytes);
  }

  /** The factory's programmer: fills the blocks that `bytes` touches. No wear, no operation, no power needed. */
  load(offset: number, bytes: Uint8Array): void {
    this.#demandRange(offset, 0, this.eraseBytes, 'load');
    const blockBytes = Math.ceil(bytes.length / this.eraseBytes) * this.eraseBytes;
    this.#demandRange(offset, blockBytes, this.eraseBytes, 'load');
    this.#blank(offset, blockBytes);
    this.#program(offset, bytes);
    this.settle(offset, blockBytes);
  }

  /** What the cells hold, read from outside: works without power, for judges and tests. */
  dump(offset = 0, length = this.bytes - offset): Uint8Array {
    this.#demandRange(offset, length, 1, 'dump');
    const out = new Uint8Array(length);
    this.#copy(offset, out);
    return out;
  }

  /** Flips bits of one byte from outside, as ageing or an attacker with a probe would. The cell counts as programmed. */
  corrupt(offset: number, mask: number): void {
    this.#demandRange(offset, 1, 1, 'corrupt');
    const byte = (this.dump(offset, 1)[0] as number) ^ mask;
    this.#program(offset, Uint8Array.of(byte));
  }

  /** A copy with the same cells and wear and another power, at the cost of a list of references. */
  fork(power: PowerCutter): VirtualFlash {
    this.settle();
    const { bytes, writeBytes, eraseBytes, pool } = this;
    const copy = new VirtualFlash({ bytes, writeBytes, eraseBytes, pool, power });
    for (const [index, page] of this.#pages.entries()) copy.#pages[index] = page;
    copy.#wear.set(this.#wear);
    copy.#written.set(this.#written);
    return copy;
  }

  /** Gives pages that are this flash's own to the pool. Full ones go there by themselves. */
  settle(offset = 0, length = this.bytes): void {
    const { pageBytes } = this.#format;
    for (let i = offset / pageBytes; i < (offset + length) / pageBytes; i++) this.#share(i);
  }

  /** Bytes of cells that are this flash's own and not shared with the pool: for figures. */
  get ownBytes(): number {
    return this.#own.reduce((sum, own) => sum + own * this.#format.pageBytes, 0);
  }

  #demandRange(offset: number, length: number, align: number, what: string): void {
    const inside = Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.bytes;
    if (!inside) throw new FlashMisuse(`${what} of ${length} bytes at ${offset}: the flash has ${this.bytes}`);
    if (offset % align !== 0 || length % align !== 0) {
      throw new FlashMisuse(`${what} of ${length} bytes at ${offset}: must start and end on ${align} bytes`);
    }
  }

  #demandErased(offset: number, length: number): void {
    this.#forPages(offset, length, (index, at, part) => {
      const page = this.#pages[index] as Uint8Array | null;
      if (page !== null && !this.#format.isErased(page, at, part)) {
        throw new FlashMisuse(`write of ${length} bytes at ${offset}: cells are not erased`);
      }
    });
  }

  #copy(offset: number, into: Uint8Array): void {
    this.#forPages(offset, into.length, (index, at, part, done) => {
      const page = this.#pages[index] as Uint8Array | null;
      if (page === null) into.fill(0xff, done, done + part);
      else into.set(page.subarray(at, at + part), done);
    });
  }

  #program(offset: number, bytes: Uint8Array): void {
    this.#forPages(offset, bytes.length, (index, at, part, done) => {
      const page = this.#changeable(index);
      this.#format.program(page, at, bytes.subarray(done, done + part));
      if (this.#format.isFull(page)) this.#share(index);
    });
  }

  #erase(offset: number, length: number): void {
    this.#blank(offset, length);
    this.#wearOut(offset, length);
  }

  #blank(offset: number, length: number): void {
    this.#forPages(offset, length, (index) => {
      this.#pages[index] = null;
      this.#own[index] = 0;
    });
  }

  #wearOut(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += this.eraseBytes) {
      const block = at / this.eraseBytes;
      this.#wear[block] = (this.#wear[block] as number) + 1;
    }
  }

  #countWritten(offset: number, length: number): void {
    for (let at = offset; at < offset + length; ) {
      const block = Math.floor(at / this.eraseBytes);
      const part = Math.min((block + 1) * this.eraseBytes, offset + length) - at;
      this.#written[block] = (this.#written[block] as number) + part;
      at += part;
    }
  }

  /** Some units are written, the next is torn, the rest is untouched. */
  #tearWrite(offset: number, bytes: Uint8Array, random: Prng): void {
    const unit = this.writeBytes;
    const done = random.below(bytes.length / unit) * unit;
    this.#program(offset, bytes.subarray(0, done));
    const torn = bytes.slice(done, done + unit);
    const outcome = random.below(4);
    if (outcome === 0) return; // the pulse never reached this unit: it is still erased
    if (outcome === 1)
      torn.fill(0xff); // reads as erased, is not
    else if (outcome === 2)
      torn.set(random.bytes(unit)); // a controller with error correction gives anything
    else for (let i = 0; i < unit; i++) torn[i] = (torn[i] as number) | random.below(256); // some bits not yet cleared
    this.#program(offset + done, torn);
  }

  /** Some blocks are erased, one is half erased, the rest is untouched. No unit of the half-erased one is usable. */
  #tearErase(offset: number, length: number, random: Prng): void {
    const done = random.below(length / this.eraseBytes) * this.eraseBytes;
    this.#erase(offset, done);
    const block = this.dump(offset + done, this.eraseBytes);
    const outcome = random.below(3);
    if (outcome === 0)
      block.fill(0xff); // reads as erased, is not
    else if (outcome === 1) for (let i = 0; i < block.length; i++) tearByte(block, i, random);
    this.#blank(offset + done, this.eraseBytes);
    this.#program(offset + done, block);
    this.#wearOut(offset + done, this.eraseBytes);
  }

  #changeable(index: number): Uint8Array {
    const page = this.#pages[index] as Uint8Array | null;
    if (page !== null && this.#own[index] === 1) return page;
    const copy = page === null ? this.#format.blank() : page.slice();
    this.#pages[index] = copy;
    this.#own[index] = 1;
    return copy;
  }

  #share(index: number): void {
    const page = this.#pages[index];
    if (page === null || page === undefined || this.#own[index] === 0) return;
    this.#pages[index] = this.pool.intern(page);
    this.#own[index] = 0;
  }

  /** Calls back for each page that a range touches: its index, where in it, how many bytes, how many came before. */
  #forPages(offset: number, length: number, call: (i: number, at: number, part: number, done: number) => void): void {
    const { pageBytes } = this.#format;
    for (let done = 0; done < length; ) {
      const at = (offset + done) % pageBytes;
      const part = Math.min(pageBytes - at, length - done);
      call((offset + done - at) / pageBytes, at, part, done);
      done += part;
    }
  }
}

/** A byte of a half-erased block: as it was, erased, or with some bits set. */
function tearByte(block: Uint8Array, i: number, random: Prng): void {
  const draw = random.next();
  if ((draw & 3) === 0) block[i] = 0xff;
  else if ((draw & 3) === 1) block[i] = (block[i] as number) | (draw >>> 24);
}

/** A part of a {@link VirtualFlash}: a slot, or the store. */
export class FlashRegion implements Flash {
  readonly bytes: number;
  readonly writeBytes: number;
  readonly eraseBytes: number;
  readonly flash: VirtualFlash;
  readonly offset: number;

  constructor(flash: VirtualFlash, offset: number, bytes: number) {
    this.flash = flash;
    this.offset = offset;
    this.bytes = bytes;
    this.writeBytes = flash.writeBytes;
    this.eraseBytes = flash.eraseBytes;
  }

  read(offset: number, into: Uint8Array): void {
    this.flash.read(this.#at(offset, into.length), into);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.flash.write(this.#at(offset, bytes.length), bytes);
  }

  erase(offset: number, length: number): void {
    this.flash.erase(this.#at(offset, length), length);
  }

  /** @see VirtualFlash.load */
  load(bytes: Uint8Array): void {
    this.flash.load(this.#at(0, bytes.length), bytes);
  }

  /** @see VirtualFlash.dump */
  dump(offset = 0, length = this.bytes - offset): Uint8Array {
    return this.flash.dump(this.#at(offset, length), length);
  }

  /** @see VirtualFlash.corrupt */
  corrupt(offset: number, mask: number): void {
    this.flash.corrupt(this.#at(offset, 1), mask);
  }

  get wear(): readonly number[] {
    return this.#ofOwn(this.flash.wear);
  }

  /** @see VirtualFlash.written */
  get written(): readonly number[] {
    return this.#ofOwn(this.flash.written);
  }

  #ofOwn(blocks: readonly number[]): readonly number[] {
    const first = this.offset / this.eraseBytes;
    return blocks.slice(first, first + this.bytes / this.eraseBytes);
  }

  #at(offset: number, length: number): number {
    const inside = Number.isSafeInteger(offset) && offset >= 0 && offset + length <= this.bytes;
    if (!inside) throw new FlashMisuse(`${length} bytes at ${offset}: the region has ${this.bytes}`);
    return this.offset + offset;
  }
}

/** Cuts a flash into regions, one after another from its start. */
export function partition<const Sizes extends readonly number[]>(
  flash: VirtualFlash,
  ...sizes: Sizes
): { [K in keyof Sizes]: FlashRegion } {
  let offset = 0;
  const regions = sizes.map((bytes) => {
    const region = flash.region(offset, bytes);
    offset += bytes;
    return region;
  });
  return regions as { [K in keyof Sizes]: FlashRegion };
}
