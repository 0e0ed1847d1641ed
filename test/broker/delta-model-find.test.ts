import { align } from '@countersign/broker/delta/align';
import { makeDelta } from '@countersign/broker/delta/index';
import { findBases } from '@countersign/broker/delta/model/base';
import { findModel } from '@countersign/broker/delta/model/find';
import { imagesAsSeen } from '@countersign/broker/delta/model/seen';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { PREDICTOR_THUMB } from '@countersign/device-sdk/delta/model';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { image, joined } from '../support/delta.ts';

const BYTES = 24_000;
const POINTERS = 400;
const CUT = 11_000;
const GREW = 24;

/** Pointers into the image at its front, and at its middle code that a release inserts. */
function pair(base: number): { old: Uint8Array; fresh: Uint8Array } {
  const places = Array.from({ length: POINTERS }, (_, i) => 4 * POINTERS + ((i * 7919) % (BYTES - 4 * POINTERS)));
  const front = (grew: number) => {
    const words = new DataView(new ArrayBuffer(4 * POINTERS));
    for (const [i, place] of places.entries()) words.setUint32(4 * i, base + place + (place >= CUT ? grew : 0), true);
    return new Uint8Array(words.buffer);
  };
  const rest = image(BYTES - 4 * POINTERS, 5);
  const cut = CUT - 4 * POINTERS;
  const grown = joined([rest.subarray(0, cut), image(GREW, 6), rest.subarray(cut)]);
  return { old: joined([front(0), rest]), fresh: joined([front(GREW), grown]) };
}

for (const base of [0x4000, 0x1_8000, 0x2_6000, 0x0800_0000, 0x0c01_0000, 0x4020_0000]) {
  test(`an image whose pointers say 0x${base.toString(16)} is placed there`, (t) => {
    const { old, fresh } = pair(base);
    const copies = align(old, fresh, suffixArray(old));
    t.true(findBases(old, fresh, copies, false).includes(base));
    const model = findModel(old, fresh, copies)!.model;
    t.true(model.pointers);
    t.is(model.old[0]!.address, base);
  });
}

test('words that never move together give no base', (t) => {
  const old = image(30_000, 1);
  const fresh = old.map((byte, i) => (i % 50 === 0 ? byte ^ 0x55 : byte));
  const copies = align(old, fresh, suffixArray(old));
  t.is(findModel(old, fresh, copies)?.model.pointers ?? false, false);
});

test('what the model explains is equal in the images as it sees them', (t) => {
  const old = readSample('sensor-node', '1.0.0');
  const fresh = readSample('sensor-node', '1.0.1');
  const copies = align(old, fresh, suffixArray(old));
  const { model } = findModel(old, fresh, copies)!;
  t.is(model.predictor, PREDICTOR_THUMB);
  const seen = imagesAsSeen(model, { old, fresh }, copies);
  t.is(seen.old.length, old.length);
  t.is(seen.fresh.length, fresh.length);
  const before = largestCopy(copies);
  const after = largestCopy(align(seen.old, seen.fresh, suffixArray(seen.old)));
  t.true(after >= before);
});

test('an alignment of the images as seen never makes a delta larger', (t) => {
  const { old, fresh } = pair(0x1_8000);
  const { delta, info } = makeDelta(old, fresh, { class: 'M' });
  t.true(info.predictor !== 'none');
  t.true(delta.length < 400);
});

function largestCopy(copies: readonly { length: number }[]): number {
  return Math.max(...copies.map(({ length }) => length));
}
