import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deltaApply, deltaInfo, deltaMake, explainDelta } from '@countersign/broker/delta/index';
import { Refusal } from '@countersign/device-sdk';
import test from 'ava';
import { byHand, edited, fill, image, insert } from '../support/delta.ts';

const old = image(20_000, 6);
const fresh = edited(old, 3);

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
  const info = await deltaInfo(at('delta'));
  t.is(info.newTag, applied.sha256.slice(0, 16));
  t.is(info.deltaBytes, made.deltaBytes);
  t.is(
    Object.values(info.spent).reduce((sum, bytes) => sum + bytes, 0),
    made.deltaBytes,
  );
  t.true(explainDelta(info).join('\n').includes(`${made.deltaBytes} bytes`));
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
  await deltaMake({ oldPath: at('old'), newPath: at('new'), outPath: at('delta'), class: 'S' });
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

test('a base of the right size and other bytes is named before the result is', async (t) => {
  const { at, done } = await room();
  await deltaMake({ oldPath: at('old'), newPath: at('new'), outPath: at('delta'), class: 'S' });
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
