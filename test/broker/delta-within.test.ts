/** A candidate that has lost is left early: it must be left exactly when it would have been too long, at any limit. */
import { align } from '@countersign/broker/delta/align';
import { assemble, assembleWithin } from '@countersign/broker/delta/assemble';
import { fit as fitted, NO_MODEL } from '@countersign/broker/delta/model/fitting';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { CODER_LITE, CODER_MIXING, CODER_STORED, type MemoryClass } from '@countersign/device-sdk/delta';
import test from 'ava';
import { edited, image, joined } from '../support/delta.ts';

const old = image(9_000, 31);
const images: [string, Uint8Array][] = [
  ['an edit', joined([edited(old, 17), image(700, 32)])],
  ['zeros behind', joined([edited(old, 5), new Uint8Array(9_000)])],
  ['nothing in common', image(6_000, 33)],
];
const coders: [string, MemoryClass, number, number, number][] = [
  ['stored', 'S', CODER_STORED, 0, 0],
  ['lite', 'M', CODER_LITE, 1, 4],
  ['mixing', 'XL', CODER_MIXING, 0, 0],
  ['mixing that learns', 'G', CODER_MIXING, 1, 13],
];

for (const [what, fresh] of images) {
  for (const [name, memoryClass, coder, windowBits, lookaheadBits] of coders) {
    test(`${name}, ${what}: nothing above the limit, the same container at and below it`, (t) => {
      const fitting = fitted(NO_MODEL, 0, old, fresh.length);
      const candidate = { coder, windowBits, lookaheadBits, predictor: 0, fitting };
      const source = { kind: 'delta' as const, old, fresh, copies: align(old, fresh, suffixArray(old)) };
      for (const interval of [0, 4096]) {
        const whole = assemble(source, memoryClass, candidate, interval);
        const within = (most: number) => assembleWithin(source, memoryClass, candidate, interval, most);
        const bytes = whole.container.length;
        t.deepEqual(within(bytes)?.container, whole.container);
        t.deepEqual(within(bytes + 1)?.container, whole.container);
        for (const most of [bytes - 1, bytes - 2, bytes >> 1, 40, 1, 0, -1]) t.is(within(most), undefined, `${most}`);
      }
    });
  }
}
