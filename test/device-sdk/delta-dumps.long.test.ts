/** The dumped state of every kind of decoder: moved to another workspace at every byte, and damaged in every number. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { DeltaDecoder, type DeltaPorts, readWholeHeader } from '@countersign/device-sdk/delta';
import test from 'ava';
import { programs } from '../support/code.ts';
import { bench, decode, edited, image, joined } from '../support/delta.ts';
import { Chance } from '../support/mutate.ts';
import { codeOfRefusal } from '../support/refused.ts';

const plain = { old: image(9000, 31), fresh: edited(image(9000, 31), 6) };
const thumb = programs('thumb', 220, 3);
const riscv = programs('riscv', 160, 4);
const xtensa = programs('xtensa', 160, 4);
const arm64 = programs('aarch64', 160, 7);
/** With a piece of noise: blocks long enough that the decoder works before it has them whole. */
const noisy = {
  old: riscv.old,
  fresh: joined([riscv.fresh.subarray(0, 5000), image(900, 8), riscv.fresh.subarray(5000)]),
};
const CHECKPOINTS = { checkpointBytes: 4096 };

const subjects = [
  { name: 'heatshrink with a predictor', ...thumb, delta: delta(thumb, 'S') },
  { name: 'heatshrink alone', ...plain, delta: delta(plain, 'S') },
  { name: 'lite, class M', ...riscv, delta: delta(riscv, 'M') },
  { name: 'lite, long blocks', ...noisy, delta: delta(noisy, 'L') },
  { name: 'lite, class L', ...xtensa, delta: delta(xtensa, 'L') },
  { name: 'mixing, class XL', ...arm64, delta: delta(arm64, 'XL') },
  { name: 'mixing, class G', ...thumb, delta: delta(thumb, 'G') },
  { name: 'heatshrink in place', old: thumb.fresh, fresh: thumb.old, delta: inPlace(thumb.fresh, thumb.old, 'S') },
  { name: 'lite in place', ...riscv, delta: inPlace(riscv.old, riscv.fresh, 'L') },
  { name: 'a full image', ...plain, delta: makeFull(plain.fresh, { class: 'M', ...CHECKPOINTS }).delta },
];

function delta(pair: { old: Uint8Array; fresh: Uint8Array }, name: 'S' | 'M' | 'L' | 'XL' | 'G'): Uint8Array {
  return makeDelta(pair.old, pair.fresh, { class: name, ...CHECKPOINTS }).delta;
}

function inPlace(old: Uint8Array, fresh: Uint8Array, name: 'S' | 'L'): Uint8Array {
  return makeDelta(old, fresh, { class: name, inPlace: true, ...CHECKPOINTS }).delta;
}

for (const { name, old, fresh, delta } of subjects) {
  test(`${name}: at every byte the state moves to a fresh workspace, and the image is the same`, (t) => {
    const output = new Uint8Array(fresh.length);
    let decoder = new DeltaDecoder(collecting(delta, old, output));
    for (const byte of delta) {
      const stored = decoder.dump().slice();
      t.is(stored.length <= readWholeHeader(delta).workspaceBytes, true);
      const ports = collecting(delta, old, output);
      ports.workspace.fill(0xee).set(stored);
      decoder = DeltaDecoder.load(ports);
      decoder.push(Uint8Array.of(byte));
    }
    decoder.finalize();
    t.deepEqual(output, fresh);
    t.true(decoder.checkpoint() !== undefined, 'the container has checkpoints');
    t.log(`${delta.length} bytes, predictor ${readWholeHeader(delta).predictor}`);
  });
}

test('what the coders need is in the state: dropped with the power between model section and checkpoint, too', (t) => {
  for (const { name, old, fresh, delta } of subjects) {
    const first = new DeltaDecoder(bench(delta, old).ports);
    let at = 0;
    while (first.checkpoint() === undefined) first.push(delta.subarray(at, ++at));
    const checkpoint = first.checkpoint()!;
    const output = fresh.slice();
    const { outputOffset } = checkpoint;
    // What the checkpoint says is done stays; the rest must come again.
    if (readWholeHeader(delta).inPlace === 'backward') output.fill(0, 0, outputOffset);
    else output.fill(0, outputOffset);
    let decoder = DeltaDecoder.restore(collecting(delta, old, output), checkpoint);
    for (let fed = decoder.wants; fed < delta.length; fed = decoder.wants) {
      const stored = decoder.dump().slice();
      const ports = collecting(delta, old, output);
      ports.workspace.set(stored);
      decoder = DeltaDecoder.load(ports);
      t.is(decoder.wants, fed, name);
      decoder.push(delta.subarray(fed, fed + 1));
    }
    decoder.finalize();
    t.deepEqual(output, fresh, name);
  }
});

/** Where the numbers of a dump lie, and how many there are at most. */
const NUMBERS_AT = 64;
const NUMBERS = 48;
const HOSTILE = [0, 1, 9, 0x100, 0x7fff_ffff, 0xffff_ffff];
const ENDINGS = ['accepted', 'BAD_STATE', 'BAD_DELTA', 'UNSUPPORTED', 'NO_MEMORY', 'NO_SPACE'];

for (const { name, old, delta } of subjects) {
  test(`${name}: a dump with any number damaged ends, inside its workspace and its slot`, (t) => {
    const chance = new Chance(name.length);
    const stops = [readWholeHeader(delta).headerBytes + 7, Math.floor(0.6 * delta.length)];
    const endings: Record<string, number> = {};
    for (const stop of stops) {
      const decoder = new DeltaDecoder(bench(delta, old).ports);
      decoder.push(delta.subarray(0, stop));
      const dump = decoder.dump().slice();
      for (let number = 0; number < NUMBERS; number++) {
        for (const value of [...HOSTILE, chance.below(0xffff_ffff)]) {
          const damaged = dump.slice();
          new DataView(damaged.buffer).setUint32(NUMBERS_AT + 4 * number, value, true);
          const code = goOn(damaged, delta, old, stop);
          endings[code] = (endings[code] ?? 0) + 1;
        }
      }
    }
    t.log(endings);
    t.deepEqual(
      Object.keys(endings).filter((code) => !ENDINGS.includes(code)),
      [],
    );
    t.true(endings.BAD_STATE! > 50);
  });
}

test('tables of a dump may hold anything', (t) => {
  const chance = new Chance(77);
  for (const { name, old, delta } of subjects) {
    const decoder = new DeltaDecoder(bench(delta, old).ports);
    const stop = Math.floor(delta.length / 2);
    decoder.push(delta.subarray(0, stop));
    const dump = decoder.dump().slice();
    const { headerBytes } = readWholeHeader(delta);
    for (let i = 0; i < 40; i++) {
      const damaged = dump.slice();
      for (let faults = 1 + chance.below(3000); faults > 0; faults--) {
        const at = headerBytes + chance.below(dump.length - headerBytes);
        if (at < NUMBERS_AT || at >= NUMBERS_AT + 4 * NUMBERS) damaged[at] = chance.below(256);
      }
      t.true(ENDINGS.includes(goOn(damaged, delta, old, stop)), name);
    }
  }
});

function collecting(container: Uint8Array, old: Uint8Array, output: Uint8Array): DeltaPorts {
  return { ...bench(container, old).ports, sink: (offset, page) => output.set(page, offset) };
}

/** Loads a dump and feeds the rest. The old image is read, and the slot written, no more often than a sound one needs. */
function goOn(dump: Uint8Array, container: Uint8Array, old: Uint8Array, from: number): string {
  const { ports, fenced } = bench(container, old);
  const { newBytes } = readWholeHeader(container);
  ports.workspace.set(dump);
  let reads = 0;
  let written = 0;
  const read = (offset: number, into: Uint8Array): void => {
    if (++reads > 8 * newBytes + old.length) throw new RangeError('reads without end');
    ports.old.read(offset, into);
  };
  const sink = (offset: number, page: Uint8Array): void => {
    written += page.length;
    if (offset < 0 || offset + page.length > newBytes || written > newBytes + page.length)
      throw new RangeError(`a page of ${page.length} at ${offset}`);
  };
  const code = codeOfRefusal(() => {
    const decoder = DeltaDecoder.load({ ...ports, old: { read }, sink });
    decoder.push(container.subarray(from));
    decoder.finalize();
  });
  if (!fenced()) throw new Error('bytes outside the workspace were written');
  return code;
}

test('the subjects are what their names say', (t) => {
  const coders = subjects.map(({ delta }) => readWholeHeader(delta).coder);
  t.deepEqual(coders.slice(0, 9), [1, 1, 2, 2, 2, 3, 3, 1, 2]);
  const predictors = subjects.map(({ delta }) => readWholeHeader(delta).predictor);
  t.deepEqual(predictors, [1, 0, 2, 2, 3, 5, 1, 1, 2, 0]);
  const ways = new Set(subjects.map(({ delta }) => readWholeHeader(delta).inPlace));
  t.deepEqual([...ways].sort(), ['backward', 'forward', undefined]);
  for (const { old, fresh, delta } of subjects)
    if (readWholeHeader(delta).inPlace === undefined) t.deepEqual(decode(delta, old), fresh);
});
