/** The publisher names instruction set and base, and the encoder takes them; what does not help still stays out. */
import { makeBranch } from '@countersign/broker/collection/make';
import { makeDelta } from '@countersign/broker/delta/index';
import { productArgs, readProduct } from '@countersign/broker/ledger/contract/args';
import { inspectDelta } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES } from '@countersign/device-sdk/delta/model';
import test from 'ava';
import { programs } from '../support/code.ts';
import { decode } from '../support/delta.ts';
import { PRODUCT } from './ledger-world.ts';

const { old, fresh } = programs('thumb', 120, 4);
const made = (named: object) => makeDelta(old, fresh, { class: 'M', ...named });

test('what is named rightly gives the delta that would have been found', (t) => {
  const found = made({});
  t.is(found.info.predictor, 'thumb');
  t.deepEqual(made({ cpu: 'thumb' }).delta, found.delta);
  t.deepEqual(made({ cpu: 'thumb', base: 0x0800_0000 }).delta, found.delta);
});

test('a base is taken at its word: it decides what is a pointer', (t) => {
  const right = made({ base: 0x0800_0000 }).delta;
  const wrong = made({ base: 0x1000_0000 }).delta;
  t.true(wrong.length > right.length);
  t.deepEqual(decode(wrong, old), fresh);
});

for (const cpu of PREDICTOR_NAMES) {
  test(`named ${cpu}: no other is tried, and no delta is larger than without one`, (t) => {
    const { delta, info } = made({ cpu });
    t.true(info.predictor === cpu || info.predictor === 'none');
    t.true(delta.length <= made({ cpu: 'none' }).delta.length);
    t.deepEqual(decode(delta, old), fresh);
  });
}

test('a product class names them for every delta of its releases', (t) => {
  const job = { kind: 'make', image: fresh, base: old, memoryClass: 'M' } as const;
  const named = makeBranch({ ...job, imageBase: 0x0800_0000, cpu: 'thumb' });
  t.is(named.predictor, 'thumb');
  t.is(makeBranch({ ...job, imageBase: 0, cpu: 'none' }).predictor, 'none');
  const wrong = makeBranch({ ...job, imageBase: 0x1000_0000 });
  t.true(wrong.container.length > named.container.length);
  t.deepEqual(makeBranch({ ...job, imageBase: 0 }).container, named.container);
});

test('a product class with and without an instruction set is read as it was written', (t) => {
  t.deepEqual(readProduct(productArgs(PRODUCT)), PRODUCT);
  const named = { ...PRODUCT, cpu: 'xtensa-be' } as const;
  t.deepEqual(readProduct(productArgs(named)), named);
  t.is((productArgs(PRODUCT) as unknown[]).length, 6);
});

test('Espressif images say themselves where they lie: a base does not move them', (t) => {
  const segments = (image: Uint8Array) => {
    const header = new Uint8Array(32);
    header.set([0xe9, 1]);
    new DataView(header.buffer).setUint32(24, 0x4200_0020, true);
    new DataView(header.buffer).setUint32(28, image.length, true);
    return new Uint8Array(Buffer.concat([header, image]));
  };
  const riscv = programs('riscv', 120, 6);
  const [before, after] = [segments(riscv.old), segments(riscv.fresh)];
  const options = { class: 'M' } as const;
  const { delta } = makeDelta(before, after, { ...options, base: 0x1000 });
  t.deepEqual(delta, makeDelta(before, after, options).delta);
  t.true(inspectDelta(delta, before).bytes.model > 0);
});
