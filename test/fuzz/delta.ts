import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { DeltaDecoder, inspectDelta, readHeader } from '@countersign/device-sdk/delta';
import { programs } from '../support/code.ts';
import { bench, byHand, copyFrom, edited, fill, image, insert, token } from '../support/delta.ts';
import { Chance, mutate } from '../support/mutate.ts';
import { codeOfRefusal } from '../support/refused.ts';

const old = image(9000, 31);
const fresh = edited(old, 6);
const part = fresh.slice(0, 700);
const thumb = programs('thumb', 60, 3);
const riscv = programs('riscv', 60, 3);
const xtensa = programs('xtensa', 60, 4);
const seeds = [
  makeDelta(thumb.old, thumb.fresh, { class: 'S' }).delta,
  makeDelta(riscv.old, riscv.fresh, { class: 'M', checkpointBytes: 4096 }).delta,
  makeDelta(xtensa.old, xtensa.fresh, { class: 'L' }).delta,
  makeDelta(old, fresh, { class: 'XL', checkpointBytes: 4096 }).delta,
  makeDelta(old, fresh, { class: 'S', checkpointBytes: 4096 }).delta,
  makeDelta(old, part, { class: 'M' }).delta,
  makeFull(fresh, { class: 'S', checkpointBytes: 4096 }).delta,
  byHand(old, part, {}, [...copyFrom(300, 1000), ...token(100, 1, 2, 3), ...token(197), ...fill(400, 9)]),
  byHand(old, part, { full: true }, insert(...part)),
];

/** A slot a little larger than the images: a damaged size may ask for all of it. */
const SLOT_BYTES = 16_384;

/** What a run found: how many containers, and how they ended. */
export type Endings = Record<string, number>;

/**
 * Damages containers until the time or the count is over. Every one must end in an image inside the slot or a Refusal;
 * the ports throw a RangeError for anything outside, which ends the run.
 */
export function fuzz(seed: number, until: { milliseconds?: number; count?: number }): Endings {
  const chance = new Chance(seed);
  const endings: Endings = {};
  const end = performance.now() + (until.milliseconds ?? Number.POSITIVE_INFINITY);
  for (let i = 0; i < (until.count ?? Number.POSITIVE_INFINITY) && performance.now() < end; i++) {
    const ending = run(container(chance), chance);
    endings[ending] = (endings[ending] ?? 0) + 1;
  }
  return endings;
}

/** One in eight is random behind a good header or nothing; the others are damaged good ones. */
function container(chance: Chance): Uint8Array {
  const seed = seeds[chance.below(seeds.length)]!;
  if (chance.below(8) > 0) return mutate(seed, chance);
  const random = Array.from({ length: chance.below(300) }, () => chance.below(256));
  const header = chance.below(2) === 0 ? [] : [...seed.subarray(0, readHeader(seed)!.headerBytes)];
  return Uint8Array.from([...header, ...random]);
}

/** Whatever the container says, as far as there are bytes: the model sections are for images of their own sizes. */
function oldBytesOf(bytes: Uint8Array): number {
  try {
    return Math.min(readHeader(bytes)?.oldBytes ?? 0, old.length);
  } catch {
    return old.length;
  }
}

function run(bytes: Uint8Array, chance: Chance): string {
  const { ports, fenced } = bench(bytes, old, {
    slotBytes: SLOT_BYTES,
    workspace: 65_536,
    oldBytes: oldBytesOf(bytes),
  });
  const decoder = new DeltaDecoder(ports);
  const code = codeOfRefusal(() => {
    for (let at = 0; at < bytes.length; ) {
      const next = at + 1 + chance.below(200);
      decoder.push(bytes.subarray(at, next));
      at = next;
    }
    decoder.finalize();
  });
  if (!fenced()) throw new Error('bytes outside the workspace were written');
  if (chance.below(8) === 0) codeOfRefusal(() => inspectDelta(bytes, chance.below(2) === 0 ? old : undefined));
  return code;
}
