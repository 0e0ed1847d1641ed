import { createHash } from 'node:crypto';
import { type Hash, Refusal } from '@countersign/device-sdk';
import { demandSlotDigest, digestSlot, SlotWriter, slotHolds } from '@countersign/device-sdk/install';
import { GEOMETRIES, Prng, VirtualFlash } from '@countersign/device-sdk/rig';
import test from 'ava';

function sha256(): Hash {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
}
const digestOf = (bytes: Uint8Array) => new Uint8Array(createHash('sha256').update(bytes).digest());
const image = new Prng('image').bytes(40_001);
const codeOf = (error: unknown) => (error instanceof Refusal ? error.code : error);

for (const [name, geometry] of [
  ...Object.entries(GEOMETRIES),
  ['odd', { writeBytes: 24, eraseBytes: 4104 }] as const,
]) {
  test(`an image in pieces of any size lies in the slot of ${name} flash and reads back`, (t) => {
    const slot = new VirtualFlash({
      ...geometry,
      bytes: Math.ceil(60_000 / geometry.eraseBytes) * geometry.eraseBytes,
    });
    slot.load(0, new Prng('older').bytes(slot.bytes)); // an older, longer image
    const writer = new SlotWriter(slot, image.length);
    const random = new Prng('pieces', name);
    while (writer.offset < image.length) {
      t.true(writer.durable <= writer.offset && writer.durable % slot.eraseBytes === 0);
      t.is(Buffer.compare(slot.dump(0, writer.durable), image.slice(0, writer.durable)), 0);
      writer.write(image.subarray(writer.offset, writer.offset + random.below(9000)));
    }
    writer.finish();
    t.is(Buffer.compare(slot.dump(0, image.length), image), 0);
    t.true(slot.dump(image.length).every((byte) => byte === 0xff));
    t.deepEqual(digestSlot(slot, image.length, sha256()), digestOf(image));
    demandSlotDigest(slot, image.length, sha256(), digestOf(image));
  });
}

test('one byte exchanged in the slot after writing is found', (t) => {
  const slot = new VirtualFlash({ ...GEOMETRIES.nrf52, bytes: 45_056 });
  slot.load(0, image);
  t.true(slotHolds(slot, image.length, sha256(), digestOf(image)));
  slot.corrupt(image.length - 1, 1);
  t.false(slotHolds(slot, image.length, sha256(), digestOf(image)));
  const refused = t.throws(() => demandSlotDigest(slot, image.length, sha256(), digestOf(image)));
  t.is(codeOf(refused), 'RESULT_MISMATCH');
});

test('an image larger than the slot is refused before anything is erased', (t) => {
  const slot = new VirtualFlash({ ...GEOMETRIES.nrf52, bytes: 8192 });
  t.is(codeOf(t.throws(() => new SlotWriter(slot, 8193))), 'NO_SPACE');
  t.is(codeOf(t.throws(() => digestSlot(slot, 8193, sha256()))), 'NO_SPACE');
  t.is(slot.power.operations, 0);
});

test('output beyond the signed size is refused before it is written, and output short of it at the end', (t) => {
  const slot = new VirtualFlash({ ...GEOMETRIES.nrf52, bytes: 8192 });
  const writer = new SlotWriter(slot, 5000);
  writer.write(image.subarray(0, 4999));
  t.is(codeOf(t.throws(() => writer.finish())), 'RESULT_MISMATCH');
  const operations = slot.power.operations;
  t.is(codeOf(t.throws(() => writer.write(image.subarray(0, 2)))), 'RESULT_MISMATCH');
  t.is(slot.power.operations, operations);
});

test('a writer resumes at erase blocks only', (t) => {
  const slot = new VirtualFlash({ ...GEOMETRIES.nrf52, bytes: 8192 });
  for (const from of [1, 256, -4096, 8192]) {
    t.throws(() => new SlotWriter(slot, 5000, from), { instanceOf: RangeError });
  }
  t.is(new SlotWriter(slot, 5000, 4096).offset, 4096);
});
