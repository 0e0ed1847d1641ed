/** Model section and prediction by docs/FORMAT-DELTA.md, independent of the product's code. */
import { type Look, MAKERS, type Tables } from './instruction-tables.ts';

export interface Region {
  offset: number;
  address: number;
  code: boolean;
}

interface Run {
  start: number;
  shift: number;
}

interface Image {
  bytes: number;
  regions: Region[];
}

export class Cursor {
  at: number;
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  number(): number {
    let value = 0;
    for (let place = 1; ; place *= 128) {
      const byte = this.bytes[this.at++]!;
      value += (byte & 127) * place;
      if (byte < 128) return value;
    }
  }

  signed(): number {
    return unfold(this.number());
  }
}

export function unfold(number: number): number {
  return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
}

export class Model {
  readonly pointers: boolean;
  readonly ram = { address: 0, bytes: 0 };
  readonly old: Image;
  readonly fresh: Image;
  readonly runs: Run[] = [];
  readonly ramRuns: Run[] = [];

  constructor(cursor: Cursor | undefined, runs: number, oldBytes: number, newBytes: number) {
    this.old = { bytes: oldBytes, regions: [{ offset: 0, address: 0, code: false }] };
    this.fresh = { bytes: newBytes, regions: [{ offset: 0, address: 0, code: false }] };
    this.pointers = cursor !== undefined && cursor.number() === 1;
    if (cursor === undefined) return;
    this.ram = { address: cursor.number(), bytes: cursor.number() };
    this.old.regions = regionsOf(cursor);
    this.fresh.regions = regionsOf(cursor);
    const inRam = cursor.number();
    this.runs = runsOf(cursor, runs - inRam);
    this.ramRuns = runsOf(cursor, inRam);
  }
}

function regionsOf(cursor: Cursor): Region[] {
  const regions: Region[] = [];
  for (let left = cursor.number(), offset = 0, address = 0; left > 0; left--) {
    const first = cursor.number();
    const distance = Math.floor(first / 2);
    offset += distance;
    address = (address + distance + cursor.signed()) >>> 0;
    regions.push({ offset, address, code: first % 2 === 1 });
  }
  return regions;
}

function runsOf(cursor: Cursor, count: number): Run[] {
  const runs: Run[] = [];
  for (let left = count, start = 0, shift = 0; left > 0; left--) {
    start += cursor.number();
    shift = (shift + cursor.signed()) | 0;
    runs.push({ start, shift });
  }
  return runs;
}

function addressOf(image: Image, x: number): number {
  const region = image.regions.findLast(({ offset }) => offset <= x) ?? image.regions[0]!;
  return (region.address + x - region.offset) >>> 0;
}

function offsetOf(image: Image, address: number): number {
  for (const [i, region] of image.regions.entries()) {
    const size = (image.regions[i + 1]?.offset ?? image.bytes) - region.offset;
    const distance = (address - region.address) >>> 0;
    if (distance < size) return region.offset + distance;
  }
  return -1;
}

function shiftAt(runs: readonly Run[], place: number): number {
  return (runs.findLast(({ start }) => start <= place) ?? runs[0] ?? { shift: 0 }).shift;
}

export interface Unit extends Look {
  O: Uint8Array;
  G: Uint8Array;
  moved: boolean;
}

export class Prediction {
  readonly #model: Model;
  readonly #tables: Tables | undefined;
  readonly #align: number;
  readonly #big: boolean;
  /** The old image and the zeros behind it. */
  readonly #bytes: Uint8Array;
  readonly #entries: number;
  #learned = new Map<number, [number, number]>();
  #copy = { s: 0, n: 0, shift: 0 };
  #address = 0;
  #thought = 0;
  #unit!: Unit;

  constructor(model: Model, predictor: number, old: Uint8Array, entries: number) {
    this.#model = model;
    this.#tables = MAKERS[predictor]?.();
    this.#align = [1, 2, 2, 1, 4, 4, 2, 1][predictor]!;
    this.#big = predictor === 7;
    this.#bytes = new Uint8Array(old.length + 128);
    this.#bytes.set(old);
    this.#entries = entries;
  }

  block(): void {
    this.#learned = new Map();
  }

  /** From here on these bytes of the base are zeros. */
  gone(from: number, to: number): void {
    this.#bytes.fill(0, from, to);
  }

  copy(s: number, d: number, n: number): void {
    this.#copy = { s, n, shift: d - s };
    this.#tables?.reset();
  }

  look(offset: number, newOffset: number, left: number): Unit {
    const a = addressOf(this.#model.old, offset);
    let look = this.#walk(offset, a);
    if (look.size > left) look = { size: left, kind: 0, form: 0, target: 0 };
    const O = this.#bytes.slice(offset, offset + look.size);
    const unit = { ...look, O, G: O.slice(), moved: false };
    this.#unit = unit;
    this.#address = addressOf(this.#model.fresh, newOffset);
    if (unit.kind === 0) return unit;
    this.#thought = this.#become(unit.target);
    this.put(this.#thought);
    unit.moved = Buffer.compare(unit.O, unit.G) !== 0;
    return unit;
  }

  #walk(offset: number, a: number): Look {
    const plain = { kind: 0, form: 0, target: 0 };
    if (this.#pointer(offset, a)) return { size: 4, kind: 1, form: 0, target: this.#word(this.#bytes, offset) };
    if (!this.#model.old.regions.findLast((region) => region.offset <= offset)!.code)
      return { size: 4 - (a % 4), ...plain };
    if (a % this.#align !== 0) return { size: 1, ...plain };
    const look = this.#tables!.look(this.#bytes, offset, a);
    const next = (4 - (a % 4)) % 4;
    const cut = this.#align === 1 && next > 0 && next < look.size && this.#pointer(offset + next, a + next);
    return cut ? { size: next, ...plain } : look;
  }

  #pointer(offset: number, a: number): boolean {
    if (!this.#model.pointers || a % 4 !== 0) return false;
    const { ram, old } = this.#model;
    const word = this.#word(this.#bytes, offset);
    return (word - ram.address) >>> 0 < ram.bytes || offsetOf(old, word) >= 0;
  }

  #word(bytes: Uint8Array, at: number): number {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return view.getUint32(at, !this.#big);
  }

  #become(target: number): number {
    const { old, fresh, ram, runs, ramRuns } = this.#model;
    const { s, n, shift } = this.#copy;
    const x = offsetOf(old, target);
    if (x >= s && x < s + n) return addressOf(fresh, x + shift);
    const [key, value] = this.#learned.get(this.#slot(target)) ?? [0, 0];
    if (this.#entries > 0 && key === target) return value;
    if (x >= 0) return addressOf(fresh, x + shiftAt(runs, x));
    const distance = (target - ram.address) >>> 0;
    return distance < ram.bytes ? (target + shiftAt(ramRuns, distance)) >>> 0 : target;
  }

  #slot(target: number): number {
    return Math.floor((Math.imul(target, 0x9e3779b1) >>> 0) / (2 ** 32 / this.#entries));
  }

  /** Lets the guess point at `target`, where that has room. */
  put(target: number): void {
    const { kind, G } = this.#unit;
    if (kind === 1) new DataView(G.buffer).setUint32(0, target, !this.#big);
    else this.#tables!.put(G, this.#address, target);
  }

  learn(bytes: Uint8Array): void {
    const { kind, size, form, target } = this.#unit;
    if (kind === 0 || this.#entries === 0) return;
    const padded = new Uint8Array(16);
    padded.set(bytes);
    const found = kind === 1 ? this.#word(bytes, 0) : this.#tables!.tell(padded, size, form, this.#address);
    if (found >= 0 && found !== this.#thought) this.#learned.set(this.#slot(target), [target, found]);
  }
}
