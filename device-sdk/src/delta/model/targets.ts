import type { AddressMap } from './address-map.ts';
import type { Regions } from './regions.ts';

/** Addresses without bytes in the image (RAM) that words may point at: `bytes` 0 for none. */
export interface Range {
  address: number;
  bytes: number;
}

/** Where old targets are now: by what was learned, by the copy at hand, by the map. */
export class Targets {
  readonly #old: Regions;
  readonly #fresh: Regions;
  readonly #map: AddressMap;
  readonly #ram: Range;
  readonly #ramMap: AddressMap;
  /** Pairs of old and new target, direct-mapped by a hash of the old one; an old target of 0 is no entry. */
  readonly #learned: Uint32Array;
  readonly #hashShift: number;
  /** The copy at hand: its place in the old image, and its shift. */
  #start = 0;
  #end = 0;
  #shift = 0;

  /** @param learned two numbers per entry; entries are a power of two, or none */
  constructor(
    old: Regions,
    fresh: Regions,
    maps: { image: AddressMap; ram: AddressMap },
    ram: Range,
    learned: Uint32Array,
  ) {
    this.#old = old;
    this.#fresh = fresh;
    this.#map = maps.image;
    this.#ramMap = maps.ram;
    this.#ram = ram;
    this.#learned = learned;
    this.#hashShift = 32 - Math.log2(Math.max(1, learned.length / 2));
  }

  copy(start: number, end: number, shift: number): void {
    this.#start = start;
    this.#end = end;
    this.#shift = shift;
  }

  save(): number[] {
    return [this.#start, this.#end, this.#shift >>> 0];
  }

  load(numbers: readonly number[]): void {
    this.#start = numbers[0]!;
    this.#end = numbers[1]!;
    this.#shift = numbers[2]! | 0;
  }

  isKnown(address: number): boolean {
    return (address - this.#ram.address) >>> 0 < this.#ram.bytes || this.#old.offsetOf(address) >= 0;
  }

  /** The best guess at what an old target has become. */
  translate(target: number): number {
    const offset = this.#old.offsetOf(target);
    if (offset >= this.#start && offset < this.#end) return this.#fresh.addressOf(offset + this.#shift);
    const slot = this.#slot(target);
    if (slot >= 0 && this.#learned[slot] === target) return this.#learned[slot + 1]!;
    if (offset < 0) return this.#inRam(target);
    return this.#fresh.addressOf(offset + this.#map.shiftAt(offset));
  }

  #inRam(target: number): number {
    const distance = (target - this.#ram.address) >>> 0;
    return distance < this.#ram.bytes ? (target + this.#ramMap.shiftAt(distance)) >>> 0 : target;
  }

  learn(target: number, found: number): void {
    const slot = this.#slot(target);
    if (slot < 0) return;
    this.#learned[slot] = target;
    this.#learned[slot + 1] = found;
  }

  #slot(target: number): number {
    if (this.#learned.length === 0) return -1;
    return this.#hashShift === 32 ? 0 : (Math.imul(target, 0x9e3779b1) >>> this.#hashShift) * 2;
  }
}
