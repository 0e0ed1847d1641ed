import {
  FlashMisuse,
  GEOMETRIES,
  PagePool,
  PowerCut,
  PowerCutter,
  Prng,
  partition,
  VirtualFlash,
  WearMeter,
} from '@countersign/device-sdk/rig';
import test from 'ava';

const NRF = { ...GEOMETRIES.nrf52, bytes: 4 * 4096 };
const fill = (length: number, value: number) => new Uint8Array(length).fill(value);
const readAll = (flash: VirtualFlash, at: number, length: number) => {
  const bytes = new Uint8Array(length);
  flash.read(at, bytes);
  return bytes;
};

test('fresh flash reads 0xff and gives back what was written', (t) => {
  for (const geometry of Object.values(GEOMETRIES)) {
    const flash = new VirtualFlash({ ...geometry, bytes: 2 * geometry.eraseBytes });
    t.deepEqual(readAll(flash, 0, flash.bytes), fill(flash.bytes, 0xff));
    const bytes = Uint8Array.from({ length: 3 * geometry.writeBytes }, (_, i) => i);
    const at = geometry.eraseBytes - geometry.writeBytes; // across an erase block
    flash.write(at, bytes);
    t.deepEqual(readAll(flash, at, bytes.length), bytes);
    t.is(flash.dump(at - 1, 1)[0], 0xff);
  }
});

const twice = (first: [number, Uint8Array], second: [number, Uint8Array]) => (flash: VirtualFlash) => {
  flash.write(...first);
  flash.write(...second);
};
const misuses: [string, (flash: VirtualFlash) => void][] = [
  ['a write to programmed cells', twice([0, fill(8, 1)], [4, fill(4, 1)])],
  ['a write of 0xff to cells programmed with 0xff', twice([0, fill(4, 0xff)], [0, fill(4, 0xff)])],
  ['a write that overlaps programmed cells at its end', twice([8, fill(4, 0)], [0, fill(12, 0)])],
  ['a misaligned start of a write', (flash) => flash.write(2, fill(4, 0))],
  ['a misaligned end of a write', (flash) => flash.write(0, fill(5, 0))],
  ['a write beyond the end', (flash) => flash.write(flash.bytes - 4, fill(8, 0))],
  ['a negative offset', (flash) => flash.read(-1, fill(1, 0))],
  ['a read beyond the end', (flash) => flash.read(flash.bytes, fill(1, 0))],
  ['an offset that is not a number', (flash) => flash.read(Number.NaN, fill(1, 0))],
  ['a misaligned erase', (flash) => flash.erase(4, 4096)],
  ['an erase of half a block', (flash) => flash.erase(0, 2048)],
  ['an erase beyond the end', (flash) => flash.erase(flash.bytes, 4096)],
  ['a geometry that does not divide', () => new VirtualFlash({ bytes: 5000, writeBytes: 4, eraseBytes: 4096 })],
];

for (const [what, misuse] of misuses) {
  test(`stops at once on ${what}`, (t) => {
    const flash = new VirtualFlash(NRF);
    t.throws(() => misuse(flash), { instanceOf: FlashMisuse });
  });
}

test('erasing makes cells writable again and counts the wear of each block', (t) => {
  const flash = new VirtualFlash(NRF);
  flash.write(4096, fill(4096, 7));
  flash.erase(4096, 8192);
  flash.erase(4096, 4096);
  flash.write(4096, fill(4, 9));
  t.deepEqual(readAll(flash, 4096, 8), Uint8Array.of(9, 9, 9, 9, 255, 255, 255, 255));
  t.deepEqual(flash.wear, [0, 2, 1, 0]);
});

test('what is written is counted by block, and a meter counts from the moment it is made', (t) => {
  const flash = new VirtualFlash(NRF);
  flash.write(4092, fill(8, 7));
  t.deepEqual(flash.written, [4, 4, 0, 0]);
  const meter = new WearMeter(flash.region(4096, 8192));
  t.deepEqual(meter.read(), { erases: 0, worst: 0, written: 0 });
  flash.erase(0, 8192);
  flash.erase(4096, 8192);
  flash.write(8188, fill(12, 9));
  t.deepEqual(meter.read(), { erases: 3, worst: 2, written: 12 });
});

test('flashes with equal pages share them, and a change in one does not reach the other', (t) => {
  const pool = new PagePool();
  const image = new Prng('image').bytes(16384);
  const fleet = Array.from({ length: 300 }, () => new VirtualFlash({ ...NRF, pool }));
  const [loaded, written] = [fleet.slice(0, 150), fleet.slice(150)];
  for (const flash of loaded) flash.load(0, image);
  for (const flash of written)
    for (let at = 0; at < image.length; at += 512) flash.write(at, image.subarray(at, at + 512));
  t.is(pool.pages, 4);
  t.is(
    fleet.reduce((sum, flash) => sum + flash.ownBytes, 0),
    0,
  );
  fleet[0]!.erase(0, 4096);
  fleet[0]!.write(0, fill(4, 1));
  fleet[1]!.corrupt(5000, 0xff);
  t.deepEqual(fleet[2]!.dump(), image);
  t.deepEqual(fleet[299]!.dump(), image);
  t.is(fleet[1]!.dump(5000, 1)[0], image[5000]! ^ 0xff);
});

test('a fork has the same cells and wear, and its own future', (t) => {
  const flash = new VirtualFlash(NRF);
  flash.erase(0, 4096);
  flash.write(0, fill(100, 3));
  const fork = flash.fork(new PowerCutter(1));
  t.deepEqual(fork.dump(), flash.dump());
  t.deepEqual(fork.wear, flash.wear);
  t.throws(() => fork.write(96, fill(4, 1)), { instanceOf: FlashMisuse });
  fork.write(100, fill(4, 4));
  t.is(flash.dump(100, 1)[0], 0xff);
});

test('regions start at zero, end where they end, and share one power', (t) => {
  const power = new PowerCutter(1);
  const flash = new VirtualFlash({ ...NRF, power });
  const [slot, store] = partition(flash, 3 * 4096, 4096);
  store.write(0, fill(4, 5));
  t.is(flash.dump(3 * 4096, 1)[0], 5);
  t.throws(() => slot.write(3 * 4096, fill(4, 0)), { instanceOf: FlashMisuse });
  t.throws(() => slot.read(3 * 4096 - 1, fill(2, 0)), { instanceOf: FlashMisuse });
  t.throws(() => flash.region(1, 4096), { instanceOf: FlashMisuse });
  power.cutNow();
  t.throws(() => slot.read(0, fill(1, 0)), { instanceOf: PowerCut });
  t.throws(() => store.erase(0, 4096), { instanceOf: PowerCut });
  power.restorePower();
  store.erase(0, 4096);
  t.deepEqual(store.wear, [1]);
});

test('a cut before an operation leaves nothing of it, a cut after leaves all of it, and both throw', (t) => {
  for (const phase of ['before', 'after'] as const) {
    const power = new PowerCutter(1);
    const flash = new VirtualFlash({ ...NRF, power });
    flash.write(0, fill(8, 1));
    power.cutAt(power.operations, phase);
    t.throws(() => flash.erase(0, 4096), { instanceOf: PowerCut });
    t.true(power.off);
    t.is(flash.dump(0, 1)[0], phase === 'before' ? 1 : 0xff);
    t.throws(() => flash.read(0, fill(1, 0)), { instanceOf: PowerCut });
    power.restorePower();
    t.is(power.operations, 2);
    t.is(power.cuts, 1);
    flash.read(0, fill(1, 0));
  }
});

/** One cut during a write or an erase, on a flash of its own. */
function torn(seed: number, kind: 'write' | 'erase') {
  const power = new PowerCutter(seed);
  const flash = new VirtualFlash({ ...NRF, power });
  if (kind === 'erase') flash.write(0, fill(4096, 0x5a));
  power.cutAt(power.operations, 'during');
  try {
    if (kind === 'erase') flash.erase(0, 4096);
    else flash.write(0, fill(64, 0x5a));
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  power.restorePower();
  return flash;
}

test('a torn write leaves a prefix and at most one broken unit, and the same seed tears the same way', (t) => {
  const shapes = new Set<string>();
  for (let seed = 0; seed < 200; seed++) {
    const bytes = torn(seed, 'write').dump(0, 64);
    t.deepEqual(bytes, torn(seed, 'write').dump(0, 64));
    const done = [...bytes].findIndex((byte) => byte !== 0x5a);
    const units = done < 0 ? 16 : done >> 2;
    t.deepEqual(bytes.subarray(4 * units + 4), fill(Math.max(0, 60 - 4 * units), 0xff));
    shapes.add(bytes.join());
  }
  t.true(shapes.size > 50);
});

test('a torn unit that reads 0xff is not erased: writing it stops at once', (t) => {
  let traps = 0;
  for (let seed = 0; seed < 400; seed++) {
    const flash = torn(seed, 'write');
    const blankFrom = 4 * Math.ceil((64 - [...flash.dump(0, 64)].reverse().findIndex((byte) => byte !== 0xff)) / 4);
    if (flash.dump(0, 64).every((byte) => byte === 0xff) || blankFrom >= 64) continue;
    try {
      flash.write(blankFrom, fill(4, 0));
    } catch (error) {
      if (!(error instanceof FlashMisuse)) throw error;
      traps++;
    }
  }
  t.true(traps > 20, `${traps} of 400 tears looked erased`);
});

test('a torn erase leaves no usable unit in its block, however it reads', (t) => {
  let looksErased = 0;
  for (let seed = 0; seed < 60; seed++) {
    const flash = torn(seed, 'erase');
    if (flash.dump(0, 4096).every((byte) => byte === 0xff)) looksErased++;
    for (const at of [0, 2048, 4092]) t.throws(() => flash.write(at, fill(4, 0)), { instanceOf: FlashMisuse });
    flash.erase(0, 4096);
    flash.write(0, fill(4096, 0));
  }
  t.true(looksErased > 5);
});

test('a cut in the past cannot be armed, and a cut disarmed does not happen', (t) => {
  const power = new PowerCutter('seed');
  const flash = new VirtualFlash({ ...NRF, power });
  flash.erase(0, 4096);
  t.throws(() => power.cutAt(0, 'before'), { instanceOf: RangeError });
  power.cutAt(1, 'before');
  t.true(power.armed);
  power.disarm();
  flash.erase(0, 4096);
  t.false(power.off);
});
