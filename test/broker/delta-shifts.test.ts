/** Pointers that moved by half of the address space: an alias of a bus, cached and uncached, often differs in bit 31 alone. */
import { applyDelta } from '@countersign/broker/delta/apply';
import { assemble } from '@countersign/broker/delta/assemble';
import { fit as fitModel } from '@countersign/broker/delta/model/fitting';
import { CODER_LITE, CODER_MIXING } from '@countersign/device-sdk/delta';
import { PREDICTOR_ARM } from '@countersign/device-sdk/delta/model';
import test from 'ava';

const words = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
const old = words(0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000);
const HALF = 0x8000_0000;

const moved: [why: string, fresh: Uint8Array][] = [
  ['by half', words(0x1000 + HALF, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000)],
  ['by 8, then by half and 8', words(0x1008, 0x2008 + HALF, 0x3008, 0x4008 + HALF, 0x5000, 0x6000)],
  ['by half, then not, then by half again', words(0x1000 + HALF, 0x2004, 0x3000 + HALF, 0x4004, 0x5000 + HALF, 0x6001)],
];
const coders = [
  { coder: CODER_LITE, windowBits: 1, lookaheadBits: 4 },
  { coder: CODER_MIXING, windowBits: 0, lookaheadBits: 0 },
];
const region = [{ offset: 0, address: 0xffff_0000, code: false }];
const model = {
  ...{ predictor: PREDICTOR_ARM, pointers: true, ram: { address: 0, bytes: 0xffff_0000 } },
  ...{ old: region, fresh: region, runs: [], ramRuns: [] },
};

for (const [why, fresh] of moved) {
  for (const coder of coders) {
    test(`coder ${coder.coder}: pointers that moved ${why} come out as they are`, (t) => {
      const copies = [{ oldStart: 0, newStart: 0, length: old.length }];
      const candidate = { ...coder, predictor: PREDICTOR_ARM, fitting: fitModel(model, 0, old, fresh.length) };
      const { container } = assemble({ kind: 'delta', old, fresh, copies }, 'G', candidate, 0);
      t.deepEqual(applyDelta(container, old), fresh);
    });
  }
}

test('runs of a map whose shifts are further apart than a number is wide wrap', (t) => {
  const runs = [
    { start: 0, shift: 0x7fff_0000 },
    { start: 4096, shift: -0x7fff_0000 },
  ];
  const fitting = fitModel({ ...model, ramRuns: runs }, 0, old, old.length);
  const candidate = { ...coders[0]!, predictor: PREDICTOR_ARM, fitting };
  const copies = [{ oldStart: 0, newStart: 0, length: old.length }];
  const { container } = assemble({ kind: 'delta', old, fresh: old, copies }, 'G', candidate, 0);
  t.deepEqual(applyDelta(container, old), old);
});
