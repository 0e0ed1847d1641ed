/** Our own vectors: every row reads as pinned, its signatures hold in every backend, and the generator gives the files. */
import { readdirSync, readFileSync } from 'node:fs';
import { unhex } from '@countersign/device-sdk/format';
import test from 'ava';
import { codeOfRefusal } from '../support/refused.ts';
import { bytesOfListing } from './annotate.ts';
import { backends, backendsWith } from './backends.ts';
import { READERS } from './format-readers.ts';
import type { FormatVector } from './format-vector.ts';
import { formatVectors, keyVectors, LISTING } from './make-format.ts';
import { listedManifest, manifestListing } from './manifest-notes.ts';

const folder = new URL('../../vectors/format/', import.meta.url);
const generated = await formatVectors();

function committed(name: string): FormatVector[] {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'));
}

for (const name of Object.keys(generated)) {
  test(`vectors of ${name} read as pinned`, (t) => {
    for (const row of committed(name)) {
      const input = unhex(row.input)!;
      const read = READERS[row.reader]!;
      if ('code' in row.expected)
        t.is(
          codeOfRefusal(() => read(input)),
          row.expected.code,
          row.id,
        );
      else t.deepEqual(JSON.parse(JSON.stringify(read(input))), row.expected.value, row.id);
    }
  });

  test(`signatures in the vectors of ${name} hold in every backend`, (t) => {
    const signatures = committed(name).flatMap((row) => row.signatures ?? []);
    for (const { key, publicKey, message, signature } of signatures) {
      const [k, m, s] = [unhex(publicKey)!, unhex(message)!, unhex(signature)!];
      for (const backend of backendsWith(-19)) t.true(backends[backend].verify(-19, k, m, s), `${key} by ${backend}`);
    }
    t.pass(`${signatures.length} signatures`);
  });

  test(`the generator still makes the vectors of ${name}`, (t) => {
    t.deepEqual(JSON.parse(JSON.stringify(generated[name])), committed(name));
  });
}

test('ids are unique, and no vector file is left without a test', (t) => {
  const names = readdirSync(folder).map((file) => file.replace('.json', ''));
  t.deepEqual(names.sort(), [...Object.keys(generated), 'keys'].sort());
  t.deepEqual(JSON.parse(readFileSync(new URL('keys.json', folder), 'utf8')), keyVectors());
  const ids = Object.values(generated).flatMap((rows) => rows.map((row) => row.id));
  t.is(new Set(ids).size, ids.length);
});

test('the manifest in docs/FORMAT.md is the vector, byte for byte', (t) => {
  const doc = readFileSync(new URL('../../../docs/FORMAT.md', import.meta.url), 'utf8');
  const listing = LISTING.exec(doc)?.[2];
  t.is(listing, manifestListing());
  t.deepEqual(bytesOfListing(listing!), listedManifest());
  const vector = committed('manifest').find((row) => row.id === 'manifest-two-bases');
  t.deepEqual(unhex(vector!.input), listedManifest());
});
