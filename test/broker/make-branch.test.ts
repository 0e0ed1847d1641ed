/** What the collection stores for a base: a delta only where it is smaller than the compressed full image. */
import { createHash } from 'node:crypto';
import { makeBranch } from '@countersign/broker/collection/make';
import { CLASSES, readWholeHeader } from '@countersign/device-sdk/delta';
import test from 'ava';
import { text } from '../support/delta.ts';

const noise = (name: string, outputLength: number): Uint8Array =>
  new Uint8Array(createHash('shake256', { outputLength }).update(name).digest());

const pairs = [
  { name: 'noise', base: noise('old', 9000), image: noise('new', 8000) },
  { name: 'text over noise', base: noise('old', 9000), image: text(8000, 3) },
  { name: 'one byte', base: noise('old', 9000), image: Uint8Array.of(7) },
];

for (const memoryClass of CLASSES) {
  test(`class ${memoryClass}: a branch from a base that has nothing in common is the full image`, (t) => {
    for (const { name, base, image } of pairs) {
      const job = { kind: 'make' as const, image, memoryClass, imageBase: 0x0800_0000 };
      const full = makeBranch(job);
      const branch = makeBranch({ ...job, base });
      t.is(readWholeHeader(full.container).kind, 'full');
      t.true(branch.container.length <= full.container.length, name);
      t.is(branch.path, 'full', name);
      t.is(readWholeHeader(branch.container).kind, 'full', name);
    }
  });
}
