import { createHash } from 'node:crypto';
import { link, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { writing } from '@countersign/broker/delta/files';
import {
  bsdiff40Make,
  type ContainerInfo,
  deltaApply,
  deltaInfo,
  deltaMake,
  explainDelta,
  makeDelta,
  makeFull,
} from '@countersign/broker/delta/index';
import { Refusal } from '@countersign/device-sdk';
import test from 'ava';
import { programs } from '../support/code.ts';
import { byHand, edited, fill, image, insert } from '../support/delta.ts';

const old = image(20_000, 6);
const fresh = edited(old, 3);
/** Where a test needs a delta, and not the making of it. */
const ready = makeDelta(old, fresh, { class: 'M' }).delta;

async function room(): Promise<{ at(name: string): string; names(): Promise<string[]>; done(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'delta-verbs-'));
  await writeFile(join(folder, 'old'), old);
  await writeFile(join(folder, 'new'), fresh);
  return {
    at: (name) => join(folder, name),
    names: async () => (await readdir(folder)).sort(),
    done: () => rm(folder, { recursive: true }),
  };
}

async function containerOf(path: string, images = {}): Promise<ContainerInfo> {
  const info = await deltaInfo(path, images);
  if (info.kind === 'bsdiff40') throw new TypeError('a container is expected');
  return info;
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (caught) => caught,
  );
  if (error === undefined) return 'accepted';
  if (error instanceof Refusal) return error.code;
  throw error;
}

test('make, info and apply from file to file', async (t) => {
  const { at, names, done } = await room();
  const made = await deltaMake({ oldPath: at('old'), newPath: at('new'), outPath: at('delta'), class: 'M' });
  t.like(made, { kind: 'delta', oldBytes: old.length, newBytes: fresh.length, class: 'M', predictor: 'none' });
  t.is((await readFile(at('delta'))).length, made.deltaBytes);
  const applied = await deltaApply({ oldPath: at('old'), deltaPath: at('delta'), newPath: at('out') });
  t.deepEqual(new Uint8Array(await readFile(at('out'))), fresh);
  t.is(applied.newBytes, fresh.length);
  t.is(applied.workspaceBytes, made.workspaceBytes);
  t.regex(applied.sha256, /^[0-9a-f]{64}$/);
  const info = await containerOf(at('delta'));
  t.is(info.newTag, applied.sha256.slice(0, 16));
  t.is(info.deltaBytes, made.deltaBytes);
  t.is(
    Object.values(info.spent).reduce((sum, bytes) => sum + bytes, 0),
    made.deltaBytes,
  );
  t.deepEqual(await names(), ['delta', 'new', 'old', 'out']);
  await done();
});

test('a refusal leaves nothing behind and what was there before', async (t) => {
  const { at, names, done } = await room();
  const container = byHand(old, fresh, { full: true }, insert(...fresh));
  const wrong = byHand(old, fresh, { full: true }, insert(...image(fresh.length, 99)));
  const huge = byHand(old, fresh, { full: true, newBytes: 2 ** 30 - 1 }, [3, 0, 0]);
  await writeFile(at('whole'), container);
  await writeFile(at('cut'), container.subarray(0, -1));
  await writeFile(at('wrong'), wrong);
  await writeFile(at('huge'), huge);
  await writeFile(at('text'), 'not a delta');
  await writeFile(at('out'), 'precious');
  await writeFile(at('delta'), ready);
  const before = await names();
  const apply = (delta: string, base = 'old') =>
    codeOf(deltaApply({ oldPath: at(base), deltaPath: at(delta), newPath: at('out') }));
  t.is(await apply('cut'), 'BAD_DELTA');
  t.is(await apply('text'), 'BAD_DELTA');
  t.is(await apply('huge'), 'BAD_DELTA');
  t.is(await apply('wrong'), 'RESULT_MISMATCH');
  t.is(await apply('delta', 'new'), 'WRONG_BASE');
  t.is(await apply('delta', 'missing'), 'NOT_FOUND');
  t.is(await apply('missing'), 'NOT_FOUND');
  t.is(await apply('.'), 'BAD_REQUEST');
  const nowhere = { oldPath: at('old'), deltaPath: at('whole'), newPath: at('missing/out') };
  t.is(await codeOf(deltaApply(nowhere)), 'BAD_REQUEST');
  t.is(await codeOf(deltaInfo(at('cut'))), 'BAD_DELTA');
  const make = (oldName: string, name: string) =>
    codeOf(deltaMake({ oldPath: at(oldName), newPath: at('new'), outPath: at('out'), class: name }));
  t.is(await make('old', 'XXL'), 'UNSUPPORTED');
  t.is(await make('missing', 'S'), 'NOT_FOUND');
  t.is((await readFile(at('out'))).toString(), 'precious');
  t.deepEqual(await names(), before);
  await done();
});

test('a result never replaces what it is made from, and never a folder', async (t) => {
  const { at, names, done } = await room();
  const paths = { oldPath: at('old'), newPath: at('new') };
  await deltaMake({ ...paths, outPath: at('delta'), class: 'S' });
  await link(at('old'), at('linked'));
  const before = await names();
  for (const outPath of [at('old'), at('new'), at('linked'), at('.')]) {
    t.is(await codeOf(deltaMake({ ...paths, outPath, class: 'S' })), 'BAD_REQUEST');
    t.is(await codeOf(bsdiff40Make({ ...paths, outPath })), 'BAD_REQUEST');
  }
  for (const newPath of [at('old'), at('delta'), at('linked'), at('.')])
    t.is(await codeOf(deltaApply({ oldPath: at('old'), deltaPath: at('delta'), newPath })), 'BAD_REQUEST');
  t.deepEqual(new Uint8Array(await readFile(at('old'))), old);
  t.deepEqual(new Uint8Array(await readFile(at('new'))), fresh);
  t.deepEqual(await names(), before);
  await done();
});

test('what the system refuses while a result is written is said in its words', async (t) => {
  const full = () => Promise.reject(Object.assign(new Error('write'), { errno: -constants.errno.ENOSPC }));
  await t.throwsAsync(writing('out', full), {
    instanceOf: Refusal,
    message: 'cannot write out: no space left on device',
  });
  const fault = new TypeError('a fault of ours');
  const thrown = await t.throwsAsync(
    writing('out', () => {
      throw fault;
    }),
  );
  t.is(thrown, fault);
  const refusal = new Refusal('BAD_DELTA', 'no');
  t.is(await t.throwsAsync(writing('out', () => Promise.reject(refusal))), refusal);
});

test('a digest may be given in capitals', async (t) => {
  const { at, done } = await room();
  const paths = { oldPath: at('old'), newPath: at('new') };
  await bsdiff40Make({ ...paths, outPath: at('delta') });
  const sha256 = createHash('sha256').update(fresh).digest('hex').toUpperCase();
  const applied = await deltaApply({ oldPath: at('old'), deltaPath: at('delta'), newPath: at('out'), sha256 });
  t.is(applied.sha256, sha256.toLowerCase());
  await done();
});

test('a base of the right size and other bytes is named before the result is', async (t) => {
  const { at, done } = await room();
  await writeFile(at('delta'), ready);
  await writeFile(at('other'), old.with(100, old[100]! ^ 1));
  t.is(await codeOf(deltaApply({ oldPath: at('other'), deltaPath: at('delta'), newPath: at('out') })), 'WRONG_BASE');
  await done();
});

test('a container of a few bytes may claim megabytes, and memory does not follow', async (t) => {
  const { at, done } = await room();
  const bytes = 64 << 20;
  const container = byHand(old, new Uint8Array(bytes), { full: true }, fill(bytes, 0));
  await writeFile(at('bomb'), container);
  const before = process.memoryUsage().arrayBuffers;
  const applied = await deltaApply({ oldPath: at('old'), deltaPath: at('bomb'), newPath: at('out') });
  t.is(applied.newBytes, bytes);
  t.true(process.memoryUsage().arrayBuffers - before < 16 << 20);
  await done();
});

const sum = (parts: object): number => Object.values(parts).reduce((all: number, bytes: number) => all + bytes, 0);

test('info: what the bytes, the memory and the units of a delta are, beside its old image', async (t) => {
  const { at, done } = await room();
  const pair = programs('thumb', 240, 5);
  await writeFile(at('old'), pair.old);
  await writeFile(at('new'), pair.fresh);
  for (const [name, takenBy] of [
    ['S', ['S', 'M', 'L', 'XL', 'G']],
    ['M', ['M', 'L', 'XL', 'G']],
    ['XL', ['XL', 'G']],
  ] as const) {
    await writeFile(at('delta'), makeDelta(pair.old, pair.fresh, { class: name }).delta);
    const blind = await containerOf(at('delta'));
    t.is(sum(blind.spent), blind.deltaBytes);
    t.true(blind.spent.stream > 0);
    t.is(blind.quality, undefined);
    const info = await containerOf(at('delta'), { oldPath: at('old') });
    t.deepEqual(info.takenBy, takenBy);
    t.is(sum(info.workspace), info.workspaceBytes);
    t.is(sum(info.spent), info.deltaBytes);
    t.is(info.spent.stream, 0);
    const { kinds, copiedBytes } = info.quality!;
    t.true(copiedBytes <= pair.fresh.length && copiedBytes > pair.fresh.length / 2);
    for (const { kind, units, right, wrong, moved } of kinds) {
      t.is(units, right + wrong);
      t.true(moved <= units);
      // A wrong unit costs bytes: a class that predicts has few of them where targets moved.
      if (kind === 'call' || kind === 'pointer') t.true(moved > 0 && right > 0.9 * units, `${name} ${kind}`);
    }
    const text = explainDelta(info).join('\n');
    for (const word of ['predicted for thumb', 'corrections of copies', 'pointer', 'taken by', 'together']) {
      t.true(text.includes(word), word);
    }
  }
  await done();
});

test('info: checkpoints cost what is saved by doing without', async (t) => {
  const { at, done } = await room();
  const { delta } = makeDelta(old, fresh, { class: 'M', checkpointBytes: 4096 });
  await writeFile(at('delta'), delta);
  const info = await containerOf(at('delta'), { oldPath: at('old'), newPath: at('new') });
  t.is(info.checkpoints, 4);
  t.is(
    info.withoutCheckpointsBytes,
    makeDelta(old, fresh, { class: 'M', checkpointBytes: 0, cpu: 'none' }).delta.length,
  );
  t.true(explainDelta(info).join('\n').includes('4 in all; made anew without'));
  await done();
});

test('info: images that are not its own are named', async (t) => {
  const { at, done } = await room();
  await writeFile(at('delta'), ready);
  t.is(await codeOf(deltaInfo(at('delta'), { oldPath: at('new') })), 'WRONG_BASE');
  t.is(await codeOf(deltaInfo(at('delta'), { newPath: at('old') })), 'RESULT_MISMATCH');
  t.is(await codeOf(deltaInfo(at('delta'), { oldPath: at('missing') })), 'NOT_FOUND');
  const forged = (await readFile(at('delta'))).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte));
  await writeFile(at('forged'), forged);
  t.not(await codeOf(deltaInfo(at('forged'), { oldPath: at('old') })), 'accepted');
  await done();
});

test('info: a full image in a container', async (t) => {
  const { at, done } = await room();
  await writeFile(at('full'), makeFull(fresh, { class: 'S' }).delta);
  const info = await containerOf(at('full'));
  t.like(info, { kind: 'full', oldBytes: 0, oldTag: '', newBytes: fresh.length, quality: undefined });
  t.is(info.spent.patches, 0);
  t.true(explainDelta(info).join('\n').includes('a full image, compressed'));
  await done();
});

test('info: a patch of bsdiff has its streams opened and checked', async (t) => {
  const { at, done } = await room();
  await bsdiff40Make({ oldPath: at('old'), newPath: at('new'), outPath: at('patch') });
  const info = await deltaInfo(at('patch'), { oldPath: at('old') });
  if (info.kind !== 'bsdiff40') return t.fail('a patch is expected');
  t.is(sum(info.spent), info.deltaBytes);
  t.is(info.copiedBytes + info.insertedBytes, fresh.length);
  t.true(info.differingBytes > 0 && info.differingBytes < info.copiedBytes);
  t.true(info.oldBytesMin <= old.length);
  t.true(explainDelta(info).join('\n').includes('no device'));
  const patch = await readFile(at('patch'));
  const damaged = (place: number) => writeFile(at('damaged'), patch.with(place, patch[place]! ^ 0x10));
  for (const place of [14, 60, patch.length - 20]) {
    await damaged(place);
    t.is(await codeOf(deltaInfo(at('damaged'))), 'BAD_DELTA', `byte ${place}`);
  }
  await writeFile(at('short'), old.subarray(0, info.oldBytesMin - 1));
  t.is(await codeOf(deltaInfo(at('patch'), { oldPath: at('short') })), 'WRONG_BASE');
  await done();
});
