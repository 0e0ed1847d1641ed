import { demand } from '../../errors.ts';
import { AddressMap } from './address-map.ts';
import { NoCpu } from './cpu/none.ts';
import type { ModelMemory } from './memory.ts';
import { Predictor } from './predictor.ts';
import { PREDICTOR_NONE } from './predictors.ts';
import { REGIONS_MAX, Regions } from './regions.ts';
import { Targets } from './targets.ts';
import type { Bytes, Cpu } from './unit.ts';

/** What a container says about itself that the model depends on. */
export interface ModelShape {
  predictor: number;
  mapRuns: number;
  learnedEntries: number;
  oldBytes: number;
  newBytes: number;
}

const AT_FLAGS = 0;
const AT_RAM_ADDRESS = 1;
const AT_RAM_BYTES = 2;
const AT_OLD_COUNT = 3;
const AT_OLD = 4;
const AT_NEW_COUNT = 5;
const AT_NEW = 6;
const AT_RAM_RUNS = 7;
const AT_RUNS = 8;
const AT_END = 9;

const FLAG_POINTERS = 1;

/**
 * The model section, number by number, straight into the tables of the workspace. Every offset and count is checked
 * against the images and the limits of the header before it is used.
 */
export class ModelSection {
  readonly #shape: ModelShape;
  readonly #memory: ModelMemory;
  readonly #old: Regions;
  readonly #fresh: Regions;
  #at = AT_FLAGS;
  /** Items of the list at hand that were read, and the first or second half of the next. */
  #item = 0;
  #half = 0;
  #first = 0;
  #count = 0;
  #flags = 0;
  #ramRuns = 0;
  #number = 0;
  #digits = 0;

  constructor(shape: ModelShape, memory: ModelMemory) {
    this.#shape = shape;
    this.#memory = memory;
    this.#old = new Regions(memory.oldRegions, shape.oldBytes);
    this.#fresh = new Regions(memory.newRegions, shape.newBytes);
    if (shape.predictor === PREDICTOR_NONE) this.#withoutPredictor();
  }

  get done(): boolean {
    return this.#at === AT_END;
  }

  /** @throws Refusal BAD_DELTA */
  feed(byte: number): void {
    demand(!this.done, 'BAD_DELTA', 'bytes after the end of the model section');
    demand(this.#digits < 4 || byte < 16, 'BAD_DELTA', 'number over 32 bits');
    demand(byte !== 0 || this.#digits === 0, 'BAD_DELTA', 'number not in its shortest form');
    this.#number += (byte & 0x7f) * 2 ** (7 * this.#digits++);
    if (byte >= 0x80) return;
    const number = this.#number;
    this.#number = 0;
    this.#digits = 0;
    this.#take(number);
  }

  /** The predictor, when the section is complete. @param cpuOf makes the instruction set; without one words are copied */
  predictor(bytes: Bytes, cpuOf: ((registers: Uint32Array) => Cpu) | undefined): Predictor {
    this.#old.bound();
    this.#fresh.bound();
    const { starts, shifts, registers, learned, ram } = this.#memory;
    const imageRuns = this.#shape.mapRuns - this.#ramRuns;
    const image = new AddressMap(starts, shifts, imageRuns);
    const inRam = new AddressMap(starts.subarray(imageRuns), shifts.subarray(imageRuns), this.#ramRuns);
    const range = { address: ram[0]!, bytes: ram[1]! };
    const targets = new Targets(this.#old, this.#fresh, { image, ram: inRam }, range, learned);
    const cpu = cpuOf?.(registers) ?? new NoCpu();
    return new Predictor(
      { bytes, old: this.#old, fresh: this.#fresh },
      targets,
      cpu,
      (this.#flags & FLAG_POINTERS) !== 0,
    );
  }

  #withoutPredictor(): void {
    this.#memory.ram.fill(0);
    this.#old.add({ offset: 0, address: 0, code: false });
    this.#fresh.add({ offset: 0, address: 0, code: false });
    this.#at = AT_END;
  }

  #take(number: number): void {
    const { ram } = this.#memory;
    switch (this.#at) {
      case AT_FLAGS:
        demand(number <= FLAG_POINTERS, 'BAD_DELTA', `model flags ${number}`);
        this.#flags = number;
        this.#at = AT_RAM_ADDRESS;
        break;
      case AT_RAM_ADDRESS:
        ram[0] = number;
        this.#at = AT_RAM_BYTES;
        break;
      case AT_RAM_BYTES:
        ram[1] = number;
        this.#at = AT_OLD_COUNT;
        break;
      case AT_OLD_COUNT:
      case AT_NEW_COUNT:
        this.#startRegions(number);
        break;
      case AT_OLD:
        this.#region(number, this.#old);
        break;
      case AT_NEW:
        this.#region(number, this.#fresh);
        break;
      case AT_RAM_RUNS:
        demand(number <= this.#shape.mapRuns, 'BAD_DELTA', 'more runs than the header says');
        this.#ramRuns = number;
        this.#at = AT_RUNS;
        this.#list(this.#shape.mapRuns);
        break;
      default:
        this.#run(number);
    }
  }

  #list(count: number): void {
    this.#item = 0;
    this.#half = 0;
    this.#count = count;
    if (this.#at === AT_RUNS && count === 0) this.#at = AT_END;
  }

  #startRegions(count: number): void {
    demand(count >= 1 && count <= REGIONS_MAX, 'BAD_DELTA', `${count} regions`);
    this.#at++;
    this.#list(count);
  }

  /** Twice the distance from the region before, odd for code; then the address, less what it would be without a gap. */
  #region(number: number, regions: Regions): void {
    if (this.#half === 0) {
      this.#first = number;
      this.#half = 1;
      return;
    }
    this.#half = 0;
    const isFirst = this.#item === 0;
    const distance = Math.floor(this.#first / 2);
    const offset = isFirst ? 0 : regions.start(this.#item - 1) + distance;
    const expected = isFirst ? 0 : regions.addressOf(regions.start(this.#item - 1)) + distance;
    demand(isFirst === (distance === 0), 'BAD_DELTA', 'regions do not rise');
    const imageBytes = regions === this.#old ? this.#shape.oldBytes : this.#shape.newBytes;
    demand(isFirst || offset < imageBytes, 'BAD_DELTA', 'a region outside its image');
    regions.add({ offset, address: (expected + unzigzag(number)) >>> 0, code: this.#first % 2 === 1 });
    this.#item++;
    if (this.#item < this.#count) return;
    this.#at++;
  }

  /** Distance from the start of the run before; then the shift, less that of the run before. */
  #run(number: number): void {
    const { starts, shifts } = this.#memory;
    if (this.#half === 0) {
      this.#first = number;
      this.#half = 1;
      return;
    }
    this.#half = 0;
    const i = this.#item;
    const isFirst = i === 0 || i === this.#shape.mapRuns - this.#ramRuns;
    demand(isFirst || this.#first > 0, 'BAD_DELTA', 'runs do not rise');
    const start = (isFirst ? 0 : starts[i - 1]!) + this.#first;
    demand(start <= 0xffff_ffff, 'BAD_DELTA', 'a run outside its image');
    starts[i] = start;
    shifts[i] = (isFirst ? 0 : shifts[i - 1]!) + unzigzag(number);
    this.#item++;
    if (this.#item === this.#count) this.#at = AT_END;
  }

  save(): number[] {
    const packed = this.#at | (this.#half << 4) | (this.#digits << 5) | (this.#flags << 8);
    const counts = this.#old.count | (this.#fresh.count << 8);
    return [packed, this.#item, this.#first, this.#count, this.#ramRuns, this.#number, counts];
  }

  load(numbers: readonly number[]): void {
    const [packed, item, first, count, ramRuns, number, counts] = numbers as number[] as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const at = packed & 15;
    const { mapRuns } = this.#shape;
    const digits = (packed >> 5) & 7;
    demand(at <= AT_END && packed >>> 9 === 0 && digits <= 4 && ramRuns <= mapRuns, 'BAD_STATE', 'dumped model');
    demand(counts >>> 16 === 0, 'BAD_STATE', 'dumped regions');
    const [old, fresh] = [counts & 0xff, counts >>> 8];
    const inList = at === AT_OLD || at === AT_NEW || at === AT_RUNS;
    demand(!inList || item < count, 'BAD_STATE', 'dumped place in a list');
    demand(at !== AT_RUNS || count === mapRuns, 'BAD_STATE', 'dumped runs');
    // A table that were filled before its list has begun would be filled beyond its end.
    const limit = inList && at !== AT_RUNS ? count : REGIONS_MAX;
    demand(limit <= REGIONS_MAX && countFits(old, at - AT_OLD, item), 'BAD_STATE', 'dumped regions');
    demand(countFits(fresh, at - AT_NEW, item), 'BAD_STATE', 'dumped regions');
    this.#at = at;
    this.#half = (packed >> 4) & 1;
    this.#digits = digits;
    this.#flags = (packed >> 8) & 1;
    this.#item = item;
    this.#first = first;
    this.#count = count;
    this.#ramRuns = ramRuns;
    this.#number = number;
    this.#old.count = old;
    this.#fresh.count = fresh;
  }
}

/** Regions in a table: none before its list (`phase` below 0), as many as items were read within it, some behind it. */
function countFits(regions: number, phase: number, item: number): boolean {
  if (phase <= 0) return regions === (phase === 0 ? item : 0);
  return regions >= 1 && regions <= REGIONS_MAX;
}

/** 0, -1, 1, -2 … from 0, 1, 2, 3 … */
function unzigzag(number: number): number {
  return number % 2 === 0 ? number / 2 : -(number + 1) / 2;
}
