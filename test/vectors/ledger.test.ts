import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { unhex } from '@countersign/device-sdk/format';
import test from 'ava';
import { type LedgerVector, makeLedgerVector } from './ledger-file.ts';

const vector = JSON.parse(
  await readFile(new URL('../../vectors/ledger.json', import.meta.url), 'utf8'),
) as LedgerVector;

test('the ledger of fixed keys and a fixed clock has the bytes it always had', async (t) => {
  t.deepEqual(await makeLedgerVector(), vector);
});

test('the audit reads the ledger of the vector, anchored in its own trust root and head', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-vector-'));
  t.teardown(() => rm(dir, { recursive: true }));
  await writeFile(join(dir, '0000000000.blocks'), unhex(vector.blocks)!);
  await writeFile(join(dir, 'head'), unhex(vector.head)!);
  const audit = await auditFolder(dir, { trust: unhex(vector.trust)!, head: unhex(vector.head)! });
  t.deepEqual(audit.problems, []);
  t.true(audit.anchored);
  t.is(audit.entries, vector.entries);
  t.is(audit.root, vector.root);
});
