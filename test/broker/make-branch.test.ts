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

/** Two slots, and one slot that is written so many bytes at once. */
const PLACES = [undefined, 4096];

for (const [memoryClass, pageBytes] of CLASSES.flatMap((name) => PLACES.map((bytes) => [name, bytes] as const))) {
  const place = pageBytes === undefined ? 'two slots' : `one slot, pages of ${pageBytes}`;
  test(`class ${memoryClass}, ${place}: a branch from a base that has nothing in common is the full image`, (t) => {
    for (const { name, base, image } of pairs) {
      const job = { kind: 'make' as const, image, memoryClass, imageBase: 0x0800_0000, pageBytes };
      const full = makeBranch(job);
      const branch = makeBranch({ ...job, base });
      t.is(readWholeHeader(full.container).kind, 'full');
      t.true(branch.container.length <= full.container.length, name);
      t.is(branch.path, 'full', name);
      t.is(readWholeHeader(branch.container).kind, 'full', name);
    }
  });
}

for (const memoryClass of CLASSES) {
  test(`class ${memoryClass}, one slot: a delta is smaller than the full image; of the same image it is a few bytes`, (t) => {
    const image = text(8000, 3);
    const job = { kind: 'make' as const, image, memoryClass, imageBase: 0x0800_0000, pageBytes: 4096 };
    const full = makeBranch(job).container;
    for (const [base, most] of [
      [image, 100],
      [image.with(4321, 0), 200],
      [new Uint8Array([...image.subarray(0, 4000), ...noise('a page', 300), ...image.subarray(4000)]), full.length],
    ] as const) {
      const { container } = makeBranch({ ...job, base });
      t.is(readWholeHeader(container).kind, 'delta');
      t.truthy(readWholeHeader(container).inPlace);
      t.true(container.length < most, `${container.length}`);
    }
  });
}
