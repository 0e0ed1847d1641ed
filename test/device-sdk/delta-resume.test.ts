import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import {
  CHECKPOINT_BYTES_MAX,
  type Checkpoint,
  DeltaDecoder,
  decodeCheckpoint,
  encodeCheckpoint,
} from '@countersign/device-sdk/delta';
import test from 'ava';
import { bench, byHand, checkpointsOf, edited, fill, image, joined } from '../support/delta.ts';
import { codeOfRefusal } from '../support/refused.ts';

const old = image(30_000, 11);
const fresh = edited(old, 5);
const { delta } = makeDelta(old, fresh, { class: 'S', checkpointBytes: 4096 });

test('goes on from every checkpoint with the rest of the container alone', (t) => {
  const checkpoints = checkpointsOf(delta, old);
  t.is(checkpoints.length, Math.floor(fresh.length / 4096));
  for (const checkpoint of checkpoints) {
    const record = encodeCheckpoint(checkpoint);
    t.true(record.length <= CHECKPOINT_BYTES_MAX);
    const { ports, output } = bench(delta, old);
    const decoder = DeltaDecoder.restore(ports, decodeCheckpoint(record));
    t.is(decoder.wants, checkpoint.streamOffset);
    t.is(decoder.outputBytes, checkpoint.outputOffset);
    decoder.push(delta.subarray(decoder.wants));
    decoder.finalize();
    t.deepEqual(joined(output), fresh.slice(checkpoint.outputOffset));
  }
});

test('a full image has checkpoints too', (t) => {
  const full = makeFull(fresh, { class: 'M', checkpointBytes: 8192 }).delta;
  const checkpoint = checkpointsOf(full, old)[1]!;
  const { ports, output } = bench(full, old);
  const decoder = DeltaDecoder.restore(ports, checkpoint);
  decoder.push(full.subarray(decoder.wants));
  decoder.finalize();
  t.deepEqual(joined(output), fresh.slice(2 * 8192));
});

test('all pages below a checkpoint have been handed out when it is seen', (t) => {
  const { ports, output } = bench(delta, old);
  const decoder = new DeltaDecoder(ports);
  for (const byte of delta) {
    decoder.push(Uint8Array.of(byte));
    const done = joined(output).length;
    t.true(done >= (decoder.checkpoint()?.outputOffset ?? 0));
  }
});

const good = checkpointsOf(delta, old)[2]!;
const wrong: [string, Partial<Checkpoint>, string][] = [
  ['between two checkpoints', { outputOffset: good.outputOffset + 1 }, 'BAD_STATE'],
  ['at the beginning', { outputOffset: 0 }, 'BAD_STATE'],
  ['behind the image', { outputOffset: 4096 * 1000 }, 'BAD_STATE'],
  ['outside the old image', { oldOffset: old.length + 1 }, 'BAD_STATE'],
  ['inside the header', { streamOffset: 10 }, 'BAD_STATE'],
  ['with a cut header', { header: good.header.slice(0, -1) }, 'BAD_STATE'],
  ['with a long header', { header: joined([good.header, new Uint8Array(40)]) }, 'BAD_STATE'],
  ['with another header', { header: good.header.with(0, 0) }, 'BAD_DELTA'],
];
for (const [why, change, code] of wrong) {
  test(`refuses a checkpoint ${why}`, (t) => {
    const { ports } = bench(delta, old);
    t.is(
      codeOfRefusal(() => DeltaDecoder.restore(ports, { ...good, ...change })),
      code,
    );
  });
}

test('refuses a checkpoint of a container without checkpoints', (t) => {
  const zeros = new Uint8Array(8192);
  const container = byHand(old, zeros, {}, fill(8192, 0));
  const { ports } = bench(container, old);
  const header = container.slice(0, container.length - 4);
  const at = { streamOffset: 60, oldOffset: 0, outputOffset: 4096 };
  t.is(
    codeOfRefusal(() => DeltaDecoder.restore(ports, { ...at, header })),
    'BAD_STATE',
  );
});

test('refuses checkpoint records of a wrong length', (t) => {
  const record = encodeCheckpoint(good);
  for (let end = 0; end < record.length; end++)
    t.is(
      codeOfRefusal(() => decodeCheckpoint(record.subarray(0, end))),
      'BAD_STATE',
    );
  t.is(
    codeOfRefusal(() => decodeCheckpoint(joined([record, Uint8Array.of(0)]))),
    'BAD_STATE',
  );
});

test('state stored, dropped and restored at every byte gives the same image', (t) => {
  for (const container of [delta, makeFull(fresh.slice(0, 6000), { class: 'S', checkpointBytes: 4096 }).delta]) {
    const target = container === delta ? fresh : fresh.slice(0, 6000);
    const { ports, output } = bench(container, old);
    let decoder = new DeltaDecoder(ports);
    for (const byte of container) {
      const stored = decoder.dump().slice();
      ports.workspace.fill(0xee);
      ports.workspace.set(stored);
      decoder = DeltaDecoder.load(ports);
      decoder.push(Uint8Array.of(byte));
    }
    decoder.finalize();
    t.deepEqual(joined(output), target);
    const last = DeltaDecoder.load({ ...ports, workspace: decoder.dump() });
    t.true(last.done);
    t.deepEqual(last.checkpoint(), decoder.checkpoint());
  }
});

test('a workspace without a dumped state is not loaded', (t) => {
  const { ports } = bench(delta, old);
  t.is(
    codeOfRefusal(() => DeltaDecoder.load(ports)),
    'BAD_STATE',
  );
});

test('a damaged dump is refused or goes on to a value or a refusal, inside its workspace', (t) => {
  const middle = Math.floor(delta.length / 2);
  for (let at = 0; at < 160; at++) {
    for (const flip of [1, 0x80]) {
      const { ports, fenced } = bench(delta, old);
      const decoder = new DeltaDecoder(ports);
      decoder.push(delta.subarray(0, middle));
      decoder.dump();
      ports.workspace[at]! ^= flip;
      const again = { ...ports, sink: () => undefined };
      const code = codeOfRefusal(() => DeltaDecoder.load(again).push(delta.subarray(middle)));
      t.true(['accepted', 'BAD_STATE', 'BAD_DELTA', 'UNSUPPORTED', 'NO_MEMORY', 'NO_SPACE'].includes(code), code);
      t.true(fenced());
    }
  }
});
