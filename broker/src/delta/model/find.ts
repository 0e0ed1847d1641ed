/** Finds the model that predicts an update best: instruction set, place in the address space, code and data, maps. */
import {
  PREDICTOR_RISCV,
  PREDICTOR_THUMB,
  PREDICTOR_XTENSA,
  type Range,
  type Region,
  Regions,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';
import { findBase } from './base.ts';
import { costs, splitCode } from './code-parts.ts';
import { espRegions } from './esp-image.ts';
import type { Model } from './fitting.ts';
import { collectVotes, type Votes } from './votes.ts';

const PREDICTORS = [PREDICTOR_THUMB, PREDICTOR_RISCV, PREDICTOR_XTENSA];
/** RAM is looked for in pieces of this size, and believed with this many words that point into it. */
const RAM_BITS = 20;
const RAM_WORDS_MIN = 24;

/** A model without its runs, and the votes they are made of: how many runs there are depends on the memory class. */
export interface Found {
  model: Model;
  votes: Votes;
}

/** @returns undefined when there is nothing to predict: no copies, or operands that never moved */
export function findModel(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Found | undefined {
  if (copies.length === 0) return undefined;
  let best: { model: Model; cost: number } | undefined;
  for (const model of skeletons(old, fresh, copies)) {
    const cost = costs(model, old, fresh, copies).reduce((sum, part) => sum + part, 0);
    if (best === undefined || cost < best.cost) best = { model, cost };
  }
  if (best === undefined) return undefined;
  const model = { ...best.model, old: splitCode(best.model, old, fresh, copies) };
  return { model, votes: collectVotes(model, old, fresh, copies) };
}

function skeletons(old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Model[] {
  const places: { old: Region[]; fresh: Region[]; pointers: boolean }[] = [];
  for (const headerBytes of [8, 24] as const) {
    const before = espRegions(old, headerBytes);
    const after = espRegions(fresh, headerBytes);
    if (before && after) places.push({ old: before, fresh: after, pointers: true });
  }
  if (places.length === 0) {
    const base = findBase(old, fresh, copies);
    const flat = [{ offset: 0, address: base ?? 0, code: true }];
    places.push({ old: flat, fresh: flat, pointers: base !== undefined });
  }
  return places.flatMap((place) => {
    const ram = place.pointers ? findRam(old, Regions.of(place.old, old.length)) : { address: 0, bytes: 0 };
    return PREDICTORS.map((predictor) => ({ ...place, predictor, ram, runs: [], ramRuns: [] }));
  });
}

/** The piece of the address space outside the image that most aligned words point into. */
function findRam(old: Uint8Array, regions: Regions): Range {
  const counts = new Map<number, number>();
  const view = new DataView(old.buffer, old.byteOffset, old.length);
  for (let at = 0; at + 4 <= old.length; at += 4) {
    const word = view.getUint32(at, true);
    const piece = word >>> RAM_BITS;
    // Small numbers and small negative ones are not addresses.
    if (piece === 0 || piece === 0xfff || (word & 0xffff) === 0 || regions.offsetOf(word) >= 0) continue;
    if (regions.addressOf(0) >>> RAM_BITS === piece) continue;
    counts.set(piece, (counts.get(piece) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  if (most === undefined || most[1] < RAM_WORDS_MIN) return { address: 0, bytes: 0 };
  return { address: most[0] * 2 ** RAM_BITS, bytes: 2 ** RAM_BITS };
}
