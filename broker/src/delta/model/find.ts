/** Finds the model that predicts an update best: instruction set, place in the address space, code and data, maps. */
import {
  PREDICTOR_AARCH64,
  PREDICTOR_ARM,
  PREDICTOR_AVR,
  PREDICTOR_NONE,
  PREDICTOR_RISCV,
  PREDICTOR_THUMB,
  PREDICTOR_XTENSA,
  PREDICTOR_XTENSA_BIG,
  type Range,
  type Region,
  Regions,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';
import { findBases, movedWords } from './base.ts';
import { costs, splitCode } from './code-parts.ts';
import { espRegions } from './esp-image.ts';
import type { Model } from './fitting.ts';
import { collectVotes, type Votes } from './votes.ts';

const LITTLE = [PREDICTOR_THUMB, PREDICTOR_RISCV, PREDICTOR_XTENSA, PREDICTOR_ARM, PREDICTOR_AARCH64];
/** The data space of AVR: its programs begin at address 0, and have no pointers of four bytes. */
const AVR_BYTES_MAX = 0x4_0000; // what the program memory of the largest common AVR holds
const AVR_DATA: Range = { address: 0x80_0000, bytes: 0x1_0000 };
/** RAM is looked for in pieces of this size, and believed with this many words that moved together. */
const RAM_BITS = 20;
const RAM_WORDS_MIN = 6;
/** Where microcontrollers have their RAM: below it lies code, above it peripherals. */
const RAM_START = 0x1000_0000;
const RAM_END = 0x4000_0000;
/** Bytes on which instruction sets and places are tried, and the pieces they are taken in. */
const SAMPLE_BYTES = 1 << 19;
const PIECE_BYTES = 1 << 13;

/** A model without its runs, and the votes they are made of: how many runs there are depends on the memory class. */
export interface Found {
  model: Model;
  votes: Votes;
}

/** What a publisher names, so that it need not be found. */
export interface Hints {
  /** Number of a predictor. */
  predictor?: number;
  /** Address of the first byte of a flat image; a segment table speaks for itself. */
  base?: number;
}

/** @returns undefined when there is nothing to predict: no copies, or no predictor asked for */
export function findModel(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: readonly Copy[],
  hints: Hints = {},
): Found | undefined {
  if (hints.predictor === PREDICTOR_NONE || !differs(old, fresh, copies)) return undefined;
  const update = { old, fresh, copies: sampled(copies) };
  const segmented = espPlaces(update);
  // Most instructions tell where they point without knowing where they are: first the CPU, then the place.
  const rough = segmented.length > 0 ? segmented : [flatPlace(hints.base, false)];
  const predictor = hints.predictor ?? cheapest(update, withCpus(update, rough, segmented.length > 0)).predictor;
  const best = cheapest(update, placed(update, predictor, segmented, hints));
  const model = { ...best, old: splitCode(best, old, fresh, copies) };
  return { model, votes: collectVotes(model, old, fresh, copies) };
}

function differs(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): boolean {
  return copies.some(({ oldStart, newStart, length }) => {
    for (let i = 0; i < length; i++) if (old[oldStart + i] !== fresh[newStart + i]) return true;
    return false;
  });
}

/** Pieces of the copies, evenly spread, so that trying a dozen models takes no more time for 16 MB than for one. */
function sampled(copies: readonly Copy[]): readonly Copy[] {
  const total = copies.reduce((sum, { length }) => sum + length, 0);
  if (total <= SAMPLE_BYTES) return copies;
  const period = PIECE_BYTES * Math.ceil(total / SAMPLE_BYTES);
  const pieces: Copy[] = [];
  let passed = 0;
  for (const { oldStart, newStart, length } of copies) {
    for (let done = 0; done < length; ) {
      const inPeriod = (passed + done) % period;
      const taken = Math.min(length - done, inPeriod < PIECE_BYTES ? PIECE_BYTES - inPeriod : period - inPeriod);
      if (inPeriod < PIECE_BYTES) pieces.push({ oldStart: oldStart + done, newStart: newStart + done, length: taken });
      done += taken;
    }
    passed += length;
  }
  return pieces;
}

interface Update {
  old: Uint8Array;
  fresh: Uint8Array;
  copies: readonly Copy[];
}

interface Place {
  old: Region[];
  fresh: Region[];
  pointers: boolean;
}

/** The model with the fewest wrong bytes; `models` has at least one. */
function cheapest({ old, fresh, copies }: Update, models: readonly Model[]): Model {
  const wrong = (model: Model) => costs(model, old, fresh, copies).reduce((sum, part) => sum + part, 0);
  if (models.length === 1) return models[0]!;
  const priced = models.map((model) => ({ model, cost: wrong(model) }));
  return priced.reduce((best, other) => (other.cost < best.cost ? other : best)).model;
}

function withCpus(update: Update, places: readonly Place[], espressif: boolean): Model[] {
  // Segment tables are Espressif's, and none of its chips is big-endian.
  const predictors = espressif ? LITTLE : [...LITTLE, PREDICTOR_XTENSA_BIG];
  const models = places.flatMap((place) => predictors.map((predictor) => modelAt(update, place, predictor)));
  return update.old.length <= AVR_BYTES_MAX ? [...models, avr(0)] : models;
}

/** One instruction set, wherever its images may lie. */
function placed(update: Update, predictor: number, segmented: readonly Place[], { base }: Hints): Model[] {
  if (predictor === PREDICTOR_AVR) return [avr(base ?? 0)];
  const { old, fresh, copies } = update;
  const flat = () => {
    if (base !== undefined) return [flatPlace(base, true)];
    const bases = findBases(old, fresh, copies, predictor === PREDICTOR_XTENSA_BIG);
    return [flatPlace(0, false), ...bases.map((found) => flatPlace(found, true))];
  };
  const places = segmented.length > 0 ? segmented : flat();
  return places.map((place) => modelAt(update, place, predictor));
}

function espPlaces({ old, fresh }: Update): Place[] {
  const places: Place[] = [];
  for (const headerBytes of [8, 24] as const) {
    const before = espRegions(old, headerBytes);
    const after = espRegions(fresh, headerBytes);
    if (before && after) places.push({ old: before, fresh: after, pointers: true });
  }
  return places;
}

function flatPlace(base: number | undefined, pointers: boolean): Place {
  const flat = [{ offset: 0, address: base ?? 0, code: true }];
  return { old: flat, fresh: flat, pointers };
}

function modelAt(update: Update, place: Place, predictor: number): Model {
  const bigEndian = predictor === PREDICTOR_XTENSA_BIG;
  const ram = place.pointers ? findRam(update, place.old, bigEndian) : { address: 0, bytes: 0 };
  return { ...place, predictor, ram, runs: [], ramRuns: [] };
}

function avr(address: number): Model {
  const flat = [{ offset: 0, address, code: true }];
  return { predictor: PREDICTOR_AVR, pointers: false, ram: AVR_DATA, runs: [], ramRuns: [], old: flat, fresh: flat };
}

/** The piece of the address space outside the image into which most words point that moved together. */
function findRam({ old, fresh, copies }: Update, list: readonly Region[], bigEndian: boolean): Range {
  const regions = Regions.of(list, old.length);
  const counts = new Map<string, number>();
  for (const { word, shift } of movedWords(old, fresh, copies, bigEndian)) {
    if (word < RAM_START || word >= RAM_END || regions.offsetOf(word) >= 0) continue;
    const key = `${word >>> RAM_BITS} ${shift}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const found = most !== undefined && most[1] >= RAM_WORDS_MIN;
  const piece = found ? Number(most[0].split(' ')[0]) : initialisedRam(list);
  return { address: piece * 2 ** RAM_BITS, bytes: piece === 0 ? 0 : 2 ** RAM_BITS };
}

/** Where the image has the first values of variables, the others are not far: the highest region below the code. */
function initialisedRam(regions: readonly Region[]): number {
  const inRam = regions.map(({ address }) => address).filter((address) => address >= RAM_START && address < RAM_END);
  return Math.max(0, ...inRam) >>> RAM_BITS;
}
