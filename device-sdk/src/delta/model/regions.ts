/** Where a part of an image file lies in the address space. */
export interface Region {
  /** File offset at which the part begins; it ends where the next one begins, the last one with the file. */
  offset: number;
  /** Address of its first byte, 32 bits unsigned. */
  address: number;
  /** False if it holds no instructions, only words. */
  code: boolean;
}

/** Regions of one image: segments of a boot image, and parts of code and data in turn. */
export const REGIONS_MAX = 24;

/** Memory of one table: two words per region. */
export const REGIONS_BYTES = 8 * REGIONS_MAX;

/** Marks a region with instructions, above any offset. */
const CODE = 0x8000_0000;

/** Between file offsets and addresses, for one image. */
export class Regions {
  /** Offset with its mark, and address, of each region. */
  readonly #table: Uint32Array;
  readonly #imageBytes: number;
  #count = 0;
  #lowest = 0;
  #highest = 0xffff_ffff;
  /** The region used last: neighbours mostly share it. */
  #last = 0;

  /** @param table two numbers for each of {@link REGIONS_MAX} regions */
  constructor(table: Uint32Array, imageBytes: number) {
    this.#table = table;
    this.#imageBytes = imageBytes;
  }

  static of(regions: readonly Region[], imageBytes: number): Regions {
    const made = new Regions(new Uint32Array(2 * REGIONS_MAX), imageBytes);
    for (const region of regions) made.add(region);
    return made;
  }

  get count(): number {
    return this.#count;
  }

  /** For a table that is filled already. */
  set count(count: number) {
    this.#count = count;
  }

  /** Regions come in rising order of their offsets, the first at 0. */
  add(region: Region): void {
    this.#table[2 * this.#count] = region.offset + (region.code ? CODE : 0);
    this.#table[2 * this.#count + 1] = region.address;
    this.#count++;
  }

  addressOf(offset: number): number {
    const i = this.#holding(offset);
    return (this.#table[2 * i + 1]! + offset - this.start(i)) >>> 0;
  }

  isCode(offset: number): boolean {
    return this.#table[2 * this.#holding(offset)]! >= CODE;
  }

  /** Finds the bounds of all addresses. Without it every search goes through the list. */
  bound(): void {
    this.#lowest = 0xffff_ffff;
    this.#highest = 0;
    for (let i = 0; i < this.#count; i++) {
      const address = this.#table[2 * i + 1]!;
      const last = address + this.start(i + 1) - this.start(i) - 1;
      if (last > 0xffff_ffff) this.#lowest = 0;
      this.#lowest = Math.min(this.#lowest, address);
      this.#highest = Math.max(this.#highest, Math.min(last, 0xffff_ffff));
    }
  }

  /** @returns -1 for an address outside the image */
  offsetOf(address: number): number {
    // Most words are no addresses: two comparisons are enough for them.
    if (address < this.#lowest || address > this.#highest) return -1;
    for (let i = 0; i < this.#count; i++) {
      const distance = (address - this.#table[2 * i + 1]!) >>> 0;
      const start = this.start(i);
      if (distance < this.start(i + 1) - start) return start + distance;
    }
    return -1;
  }

  /** First offset of a region, or the end of the image. */
  start(i: number): number {
    return i >= this.#count ? this.#imageBytes : this.#table[2 * i]! & ~CODE;
  }

  #holding(offset: number): number {
    let i = this.#last;
    if (i < this.#count && offset >= this.start(i) && offset < this.start(i + 1)) return i;
    i = 0;
    while (i + 1 < this.#count && offset >= this.start(i + 1)) i++;
    this.#last = i;
    return i;
  }
}
