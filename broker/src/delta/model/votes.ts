/** What the images themselves say about where targets have gone: every operand whose old and new form agree is a vote. */
import {
  type Bytes,
  cpuOf,
  POINTER,
  type Predictor,
  REGISTER_WORDS,
  Regions,
  type Unit,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';
import { fit, type Model } from './fitting.ts';

/** Old place and shift, pairs in one array each. */
export interface Votes {
  image: { places: number[]; shifts: number[] };
  ram: { places: number[]; shifts: number[] };
}

/** @param model its runs do not matter */
export function collectVotes(model: Model, old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Votes {
  const { predictor } = fit({ ...model, runs: [], ramRuns: [] }, 0, old, fresh.length);
  const reader = new NewTargets(model, fresh, predictor);
  const places = { old: Regions.of(model.old, old.length), fresh: Regions.of(model.fresh, fresh.length) };
  const votes: Votes = { image: { places: [], shifts: [] }, ram: { places: [], shifts: [] } };
  for (const { oldStart, newStart, length } of copies) {
    predictor.copy(oldStart, newStart, length);
    reader.start();
    for (let done = 0; done < length; done += predictor.unit.size) {
      predictor.look(oldStart + done, newStart + done, length - done);
      const target = reader.at(newStart + done);
      if (target < 0) continue;
      const before = predictor.unit.target;
      const from = places.old.offsetOf(before);
      if (from < 0) voteRam(votes, model, before, target);
      else if (from < oldStart || from >= oldStart + length) voteImage(votes, from, places.fresh.offsetOf(target));
    }
  }
  return votes;
}

function voteImage(votes: Votes, from: number, to: number): void {
  if (to < 0) return;
  votes.image.places.push(from);
  votes.image.shifts.push(to - from);
}

function voteRam(votes: Votes, model: Model, before: number, target: number): void {
  const { address, bytes } = model.ram;
  const distance = (before - address) >>> 0;
  if (distance >= bytes || (target - address) >>> 0 >= bytes) return;
  votes.ram.places.push(distance);
  votes.ram.shifts.push((target - before) | 0);
}

/** Decodes the new image in step with the old one; it sees both halves of a split address, which a decoder cannot. */
class NewTargets {
  readonly #unit: Unit = { size: 1, kind: 0, form: 0, target: 0 };
  readonly #bytes: Bytes;
  readonly #fresh: Uint8Array;
  readonly #regions: Regions;
  readonly #predictor: Predictor;
  readonly #cpu;

  constructor(model: Model, fresh: Uint8Array, predictor: Predictor) {
    this.#fresh = fresh;
    this.#bytes = { byte: (offset) => fresh[offset] ?? 0 };
    this.#regions = Regions.of(model.fresh, fresh.length);
    this.#predictor = predictor;
    this.#cpu = cpuOf(model.predictor, new Uint32Array(REGISTER_WORDS));
  }

  start(): void {
    this.#cpu.reset();
  }

  /** Target of the new unit at this offset, or -1. */
  at(offset: number): number {
    const { kind, form, size } = this.#predictor.unit;
    if (kind === POINTER) return this.#predictor.targetOf(this.#fresh.subarray(offset, offset + size));
    if (size < 2) return -1;
    this.#cpu.look(this.#bytes, offset, this.#regions.addressOf(offset), this.#unit);
    return kind !== 0 && this.#unit.kind === kind && this.#unit.form === form ? this.#unit.target : -1;
  }
}
