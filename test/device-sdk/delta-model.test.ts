/** Predictors and range coders, in every class that has them. */
import { makeDelta } from '@countersign/broker/delta/index';
import {
  DeltaDecoder,
  decodeCheckpoint,
  encodeCheckpoint,
  type MemoryClass,
  readWholeHeader,
} from '@countersign/device-sdk/delta';
import test from 'ava';
import { type Isa, programs } from '../support/code.ts';
import { bench, checkpointsOf, joined } from '../support/delta.ts';
import { checkPredicted } from '../support/predicted.ts';

const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'];
const pairs = Object.fromEntries(isas.map((isa) => [isa, programs(isa, 120, 5)])) as Record<
  Isa,
  { old: Uint8Array; fresh: Uint8Array }
>;

/** Each CPU in two classes, each class with three or four CPUs; the long suite has every class for every CPU. */
for (const [i, isa] of isas.entries()) {
  test(`${isa}: the encoder finds the predictor, and moved targets cost almost nothing`, (t) => {
    checkPredicted(t, isa, pairs[isa], i % 2 === 0 ? ['S', 'L'] : ['M', 'XL']);
  });
}

const made = new Map<string, Uint8Array>();

/** With checkpoints; the same delta is made once. */
function cut(isa: Isa, name: MemoryClass): { old: Uint8Array; fresh: Uint8Array; delta: Uint8Array } {
  const { old, fresh } = pairs[isa];
  const key = `${isa} ${name}`;
  const delta = made.get(key) ?? makeDelta(old, fresh, { class: name, checkpointBytes: 4096 }).delta;
  made.set(key, delta);
  return { old, fresh, delta };
}

for (const [isa, name] of [
  ['thumb', 'S'],
  ['riscv', 'M'],
  ['xtensa', 'L'],
  ['thumb', 'XL'],
] as const) {
  test(`${isa}, class ${name}: goes on from every checkpoint with the model section and the rest`, (t) => {
    const { old, fresh, delta } = cut(isa, name);
    const header = readWholeHeader(delta);
    const checkpoints = checkpointsOf(delta, old);
    t.is(checkpoints.length, Math.ceil(fresh.length / 4096) - 1);
    for (const checkpoint of checkpoints) {
      for (const whole of [true, false]) {
        const { ports, output } = bench(delta, old);
        const decoder = DeltaDecoder.restore(ports, decodeCheckpoint(encodeCheckpoint(checkpoint)));
        t.is(decoder.wants, header.headerBytes);
        if (!whole) decoder.push(delta.subarray(decoder.wants, header.headerBytes + header.modelBytes));
        if (!whole) t.is(decoder.wants, checkpoint.streamOffset);
        decoder.push(delta.subarray(decoder.wants));
        decoder.finalize();
        t.is(Buffer.compare(joined(output), fresh.slice(checkpoint.outputOffset)), 0);
      }
    }
  });

  test(`${isa}, class ${name}: state stored, dropped and restored at every byte gives the same image`, (t) => {
    const { old, fresh, delta } = cut(isa, name);
    const { ports, output } = bench(delta, old);
    let decoder = new DeltaDecoder(ports);
    for (const byte of delta) {
      const stored = decoder.dump().slice();
      ports.workspace.fill(0xee);
      ports.workspace.set(stored);
      decoder = DeltaDecoder.load(ports);
      decoder.push(Uint8Array.of(byte));
    }
    decoder.finalize();
    t.is(Buffer.compare(joined(output), fresh), 0);
  });
}

for (const [isa, seed] of [
  ['thumb', 5],
  ['xtensa', 5],
  ['aarch64', 6],
] as const) {
  test(`${isa}, class G: a block that begins with a fill or ends in a single byte does not know the block before it`, (t) => {
    const { old, fresh } = programs(isa, 240, seed);
    for (let i = 4000; i < 4096; i++) fresh[i] = i * 77;
    fresh.fill(0xff, 4096, 4400);
    fresh.fill(0xff, 8192, 8700);
    for (let i = 12_288; i < 12_352; i += 3) fresh[i]! ^= 0x55;
    const { delta } = makeDelta(old, fresh, { class: 'G', checkpointBytes: 4096 });
    const checkpoints = checkpointsOf(delta, old);
    t.true(checkpoints.length > 3);
    for (const checkpoint of checkpoints) {
      const { ports, output } = bench(delta, old);
      const decoder = DeltaDecoder.restore(ports, checkpoint);
      decoder.push(delta.subarray(decoder.wants));
      decoder.finalize();
      t.is(Buffer.compare(joined(output), fresh.slice(checkpoint.outputOffset)), 0);
    }
  });
}

test('a restored state goes on in the middle of the model section too', (t) => {
  const { old, fresh, delta } = cut('riscv', 'M');
  const [checkpoint] = checkpointsOf(delta, old);
  const { ports, output } = bench(delta, old);
  let decoder = DeltaDecoder.restore(ports, checkpoint!);
  while (!decoder.done) {
    decoder.dump();
    decoder = DeltaDecoder.load(ports);
    decoder.push(delta.subarray(decoder.wants, decoder.wants + 1));
  }
  t.is(Buffer.compare(joined(output), fresh.slice(checkpoint!.outputOffset)), 0);
});

test('a workspace that does not begin at a multiple of four is a mistake of the caller', (t) => {
  const { old, delta } = cut('thumb', 'M');
  const { ports } = bench(delta, old);
  t.throws(() => new DeltaDecoder({ ...ports, workspace: new Uint8Array(8193).subarray(1) }), {
    instanceOf: RangeError,
  });
});
