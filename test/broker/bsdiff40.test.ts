import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { align } from '@countersign/broker/delta/align';
import { bsdiffCopies, bsdiffPatch } from '@countersign/broker/delta/bsdiff-child';
import { applyBsdiff40, copiesOfBsdiff40, isBsdiff40, writeBsdiff40 } from '@countersign/broker/delta/bsdiff40/index';
import { bzip } from '@countersign/broker/delta/bzip2/writer';
import { bsdiff40Make, deltaApply } from '@countersign/broker/delta/index';
import { suffixArray } from '@countersign/broker/delta/suffix-array';
import { Refusal } from '@countersign/device-sdk';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { edited, image } from '../support/delta.ts';
import { Chance, mutate } from '../support/mutate.ts';

const old = image(20_000, 6);
const fresh = edited(old, 3);

function apply(patch: Uint8Array, base: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  applyBsdiff40(patch, {
    oldBytes: base.length,
    read(offset, into) {
      if (offset < 0 || offset + into.length > base.length) throw new RangeError('a read outside the old image');
      into.set(base.subarray(offset, offset + into.length));
    },
    write: (bytes) => pieces.push(bytes.slice()),
  });
  return new Uint8Array(Buffer.concat(pieces));
}

const make = (from: Uint8Array, to: Uint8Array): Uint8Array =>
  writeBsdiff40(from, to, align(from, to, suffixArray(from)));

/** A patch put together by hand, by the description of the format and not by our writer. */
function byHand(triples: [number | bigint, number | bigint, number | bigint][], parts: Partial<Hand> = {}): Uint8Array {
  const control = bzip(parts.rawControl ?? Buffer.concat(triples.flat().map(number)));
  const differences = bzip(parts.differences ?? new Uint8Array());
  const extra = bzip(parts.extra ?? new Uint8Array());
  const sizes = [
    parts.controlBytes ?? control.length,
    parts.differenceBytes ?? differences.length,
    parts.newBytes ?? 0,
  ];
  const header = [Buffer.from(parts.magic ?? 'BSDIFF40'), ...sizes.map(number)];
  return new Uint8Array(Buffer.concat([...header, control, differences, extra, parts.behind ?? new Uint8Array()]));
}

interface Hand {
  magic: string;
  controlBytes: number | bigint;
  differenceBytes: number | bigint;
  newBytes: number | bigint;
  rawControl: Uint8Array;
  differences: Uint8Array;
  extra: Uint8Array;
  behind: Uint8Array;
}

function number(value: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  const big = BigInt(value);
  bytes.writeBigUInt64LE(big < 0n ? -big | (1n << 63n) : big);
  return bytes;
}

test('a patch of ours gives the image, empty and equal ones included', (t) => {
  const nothing = new Uint8Array();
  const pairs: [Uint8Array, Uint8Array][] = [
    [old, fresh],
    [old, old],
    [old, nothing],
    [nothing, fresh],
    [nothing, nothing],
    [old, image(5_000, 77)],
    [old.subarray(5_000), old],
    [readSample('sensor-node', '1.0.0'), readSample('sensor-node', '1.1.0')],
  ];
  for (const [from, to] of pairs) t.is(Buffer.compare(apply(make(from, to), from), to), 0);
  t.true(make(old, old).length < 200);
});

test('a patch gives back the alignment it was made from', (t) => {
  const copies = align(old, fresh, suffixArray(old));
  t.deepEqual(copiesOfBsdiff40(writeBsdiff40(old, fresh, copies), old.length), copies);
});

test('a patch by hand is applied as its description says', (t) => {
  const patch = byHand(
    [
      [3, 2, -2],
      [2, 0, 0],
    ],
    { newBytes: 7, differences: Uint8Array.of(0, 1, 255, 0, 0), extra: Uint8Array.of(9, 8) },
  );
  t.deepEqual(apply(patch, Uint8Array.of(10, 20, 30)), Uint8Array.of(10, 21, 29, 9, 8, 20, 30));
});

const extra = Uint8Array.of(1, 2, 3, 4);
const insertion: [number, number, number][] = [[0, 4, 0]];
const good = { newBytes: 4, extra };
const HUGE = (1n << 63n) - 1n;

/** What crafted patches did to other readers: aborted them, corrupted their heap, or came out wrong without a word. */
const HOSTILE: Record<string, [patch: Uint8Array, code: string]> = {
  'an empty file': [new Uint8Array(), 'BAD_DELTA'],
  'a header cut short': [byHand(insertion, good).subarray(0, 20), 'BAD_DELTA'],
  'a header and nothing else': [byHand(insertion, good).subarray(0, 32), 'BAD_DELTA'],
  'another magic': [byHand(insertion, { ...good, magic: 'BSDIFF41' }), 'BAD_DELTA'],
  'a new size of -1': [byHand(insertion, { ...good, newBytes: -1 }), 'BAD_DELTA'],
  'a new size of 2^63 - 1': [byHand(insertion, { ...good, newBytes: HUGE }), 'BAD_DELTA'],
  'a new size of 2^40': [byHand(insertion, { ...good, newBytes: 2 ** 40 }), 'TOO_LARGE'],
  'a new size of one byte more': [byHand(insertion, { ...good, newBytes: 5 }), 'BAD_DELTA'],
  'a new size of one byte less': [byHand(insertion, { ...good, newBytes: 3 }), 'BAD_DELTA'],
  'a negative control length': [byHand(insertion, { ...good, controlBytes: -1 }), 'BAD_DELTA'],
  'a huge control length': [byHand(insertion, { ...good, controlBytes: HUGE }), 'BAD_DELTA'],
  'a control length beyond the file': [byHand(insertion, { ...good, controlBytes: 100_000 }), 'BAD_DELTA'],
  'a control length of 0': [byHand(insertion, { ...good, controlBytes: 0 }), 'BAD_DELTA'],
  'a negative difference length': [byHand(insertion, { ...good, differenceBytes: -1 }), 'BAD_DELTA'],
  'a huge difference length': [byHand(insertion, { ...good, differenceBytes: HUGE }), 'BAD_DELTA'],
  'a difference length beyond the file': [byHand(insertion, { ...good, differenceBytes: 100_000 }), 'BAD_DELTA'],
  'a negative copy': [byHand([[-4, 4, 0], ...insertion], good), 'BAD_DELTA'],
  'a negative insert': [byHand([[0, -1, 0], ...insertion], good), 'BAD_DELTA'],
  'a copy longer than the image': [byHand([[5, 0, 0]], { newBytes: 4, differences: new Uint8Array(5) }), 'BAD_DELTA'],
  'a copy of 2^63 - 1 bytes': [byHand([[HUGE, 0, 0]], good), 'BAD_DELTA'],
  'an insert longer than the image': [byHand([[0, 5, 0]], { newBytes: 4, extra: new Uint8Array(5) }), 'BAD_DELTA'],
  'a copy from before the old image': [
    byHand(
      [
        [0, 2, -1],
        [2, 0, 0],
      ],
      { newBytes: 4, extra: new Uint8Array(2), differences: new Uint8Array(2) },
    ),
    'BAD_DELTA',
  ],
  'a copy from behind the old image': [
    byHand(
      [
        [0, 2, 19_999],
        [2, 0, 0],
      ],
      { newBytes: 4, extra: new Uint8Array(2), differences: new Uint8Array(2) },
    ),
    'WRONG_BASE',
  ],
  'moves beyond all numbers': [
    byHand(
      [
        [0, 2, Number.MAX_SAFE_INTEGER],
        [0, 1, Number.MAX_SAFE_INTEGER],
        [0, 1, 0],
      ],
      good,
    ),
    'BAD_DELTA',
  ],
  'a control stream of half a triple': [byHand([], { ...good, rawControl: new Uint8Array(12) }), 'BAD_DELTA'],
  'no control at all': [byHand([], good), 'BAD_DELTA'],
  'triples that do nothing, without end': [byHand([], { ...good, rawControl: new Uint8Array(24e6) }), 'BAD_DELTA'],
  'a triple behind the end': [byHand([...insertion, [0, 0, 0]], good), 'BAD_DELTA'],
  'differences that end early': [byHand([[4, 0, 0]], { newBytes: 4, differences: new Uint8Array(3) }), 'BAD_DELTA'],
  'differences left over': [byHand(insertion, { ...good, differences: new Uint8Array(1) }), 'BAD_DELTA'],
  'extra bytes that end early': [byHand(insertion, { newBytes: 4, extra: extra.subarray(1) }), 'BAD_DELTA'],
  'extra bytes left over': [byHand(insertion, { newBytes: 4, extra: new Uint8Array(5) }), 'BAD_DELTA'],
  'a byte behind the patch': [byHand(insertion, { ...good, behind: Uint8Array.of(0) }), 'BAD_DELTA'],
  'the last byte cut off': [byHand(insertion, good).subarray(0, -1), 'BAD_DELTA'],
};

for (const [name, [patch, code]] of Object.entries(HOSTILE)) {
  test(`a patch with ${name} is refused as ${code}`, (t) => {
    t.deepEqual(apply(byHand(insertion, good), old), extra);
    t.throws(() => apply(patch, old), { instanceOf: Refusal, code });
  });
}

test('every single flipped bit is refused or harmless, and none comes out wrong', (t) => {
  const patch = make(old.subarray(0, 2_000), fresh.subarray(0, 2_000));
  const expected = fresh.subarray(0, 2_000);
  const harmless: number[] = [];
  for (let bit = 0; bit < 8 * patch.length; bit++) {
    const flipped = patch.with(bit >> 3, patch[bit >> 3]! ^ (1 << (bit & 7)));
    try {
      t.is(Buffer.compare(apply(flipped, old.subarray(0, 2_000)), expected), 0, `bit ${bit}`);
      harmless.push(bit);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  // Padding bits, choices of a code that decides nothing, and levels above what the blocks need.
  t.true(harmless.length < 0.05 * 8 * patch.length, `${harmless.length} of ${8 * patch.length}`);
});

test('mutated patches are refused or harmless', (t) => {
  const base = old.subarray(0, 2_000);
  const expected = fresh.subarray(0, 2_000);
  const patch = make(base, expected);
  const chance = new Chance(41);
  for (let i = 0; i < 1_500; i++) {
    try {
      t.is(Buffer.compare(apply(mutate(patch, chance), base), expected), 0);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
});

test('the tools of Debian apply our patches, and we apply theirs', (t) => {
  if (spawnSync('bsdiff', []).error) {
    t.log('bsdiff is not installed: our reader and writer were compared with each other only');
    t.pass();
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'bsdiff-'));
  const at = (name: string) => join(folder, name);
  try {
    for (const [from, to] of [
      [old, fresh],
      [old, old],
      [readSample('valve-controller', '2.0.0'), readSample('valve-controller', '2.0.1')],
    ] as const) {
      writeFileSync(at('old'), from);
      writeFileSync(at('new'), to);
      t.is(spawnSync('bsdiff', [at('old'), at('new'), at('theirs')]).status, 0);
      t.is(Buffer.compare(apply(readFileSync(at('theirs')), from), to), 0);
      writeFileSync(at('ours'), make(from, to));
      t.is(spawnSync('bspatch', [at('old'), at('out'), at('ours')]).status, 0);
      t.is(Buffer.compare(readFileSync(at('out')), to), 0);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.serial('bsdiff-node runs in a process of its own: its patch is applied and its alignment is read', async (t) => {
  const notes: string[] = [];
  const patch = await bsdiffPatch(old, fresh, { note: (text) => notes.push(text) });
  if (!patch) {
    t.log(`left out: ${notes.join()}`);
    t.is(notes.length, 1);
    return;
  }
  t.is(Buffer.compare(apply(patch, old), fresh), 0);
  t.deepEqual(await bsdiffCopies(old, fresh), copiesOfBsdiff40(patch, old.length));
});

test.serial('bsdiff-node is stopped when its time is over, and nothing is left behind', async (t) => {
  // A folder for temporary files of its own: other processes leave and remove theirs at any time.
  const own = mkdtempSync(join(tmpdir(), 'bsdiff-stopped-'));
  const { TMPDIR } = process.env;
  process.env.TMPDIR = own;
  try {
    const notes: string[] = [];
    const padded = new Uint8Array(4 << 20);
    const note = (text: string): void => {
      notes.push(text);
      t.is(readdirSync(own).length, 1, 'the files are where this test looks for them');
    };
    t.is(await bsdiffCopies(padded, padded.with(2 << 20, 1), { timeoutMs: 700, note }), undefined);
    t.regex(notes.join(), /took longer than 0.7 s|not installed/);
    t.deepEqual(readdirSync(own), []);
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    rmSync(own, { recursive: true });
  }
});

test('make and apply from file to file, with the digest that the format lacks', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'bsdiff-verbs-'));
  const at = (name: string) => join(folder, name);
  try {
    writeFileSync(at('old'), old);
    writeFileSync(at('new'), fresh);
    const made = await bsdiff40Make({ oldPath: at('old'), newPath: at('new'), outPath: at('patch') });
    t.like(made, { kind: 'bsdiff40', oldBytes: old.length, newBytes: fresh.length, coder: 'bzip2', class: null });
    t.true(isBsdiff40(readFileSync(at('patch'))));
    t.is(readFileSync(at('patch')).length, made.deltaBytes);
    const files = { oldPath: at('old'), deltaPath: at('patch'), newPath: at('out') };
    const applied = await deltaApply(files);
    t.like(applied, { kind: 'bsdiff40', newBytes: fresh.length, workspaceBytes: made.workspaceBytes });
    t.is(Buffer.compare(readFileSync(at('out')), fresh), 0);
    await deltaApply({ ...files, sha256: applied.sha256 });
    writeFileSync(at('other'), old.with(100, old[100]! ^ 1));
    const refused = (more: object) => t.throwsAsync(deltaApply({ ...files, ...more }), { instanceOf: Refusal });
    t.is((await refused({ oldPath: at('other'), sha256: applied.sha256 }))?.code, 'RESULT_MISMATCH');
    t.is((await refused({ sha256: 'abc' }))?.code, 'BAD_REQUEST');
    writeFileSync(at('short'), old.subarray(0, 10_000));
    t.is((await refused({ oldPath: at('short') }))?.code, 'WRONG_BASE');
    t.is(Buffer.compare(readFileSync(at('out')), fresh), 0);
    t.deepEqual(readdirSync(folder).sort(), ['new', 'old', 'other', 'out', 'patch', 'short']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.serial('Ctrl-C while bsdiff-node works leaves no image behind', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'interrupted-'));
  const script = `
    import { bsdiffPatch } from '@countersign/broker/delta/bsdiff-child';
    const padded = new Uint8Array(4 << 20);
    setInterval(() => {}, 1000);
    await bsdiffPatch(padded, padded.with(2 << 20, 1));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, TMPDIR: folder, TEMP: folder },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)));
  while (readdirSync(folder, { recursive: true }).length < 2 && child.exitCode === null) await setTimeout(20);
  child.kill('SIGINT');
  t.is(await ended, 'SIGINT');
  t.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});
