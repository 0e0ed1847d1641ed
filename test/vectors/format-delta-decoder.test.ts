/** A decoder written from docs/FORMAT-DELTA.md alone, its formulas read from the page, against vectors and encoder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import test from 'ava';
import type { Isa } from '../support/code.ts';
import { page } from '../support/format-delta.ts';
import { checkInPlace, checkMade } from '../support/page-checks.ts';
import { decodeByPage } from '../support/page-decoder.ts';
import { traceOf } from '../support/page-trace.ts';
import { repository } from '../support/repository.ts';
import type { DeltaVector } from './make-delta.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const vectors = (file: string): DeltaVector[] =>
  JSON.parse(readFileSync(join(repository, 'test/vectors/delta', file), 'utf8'));

test('the page decodes every accepted vector', (t) => {
  for (const { id, old, container, expected } of ['accepted.json', 'model.json'].flatMap(vectors)) {
    if ('code' in expected) continue;
    t.is(Buffer.compare(decodeByPage(bytes(container), bytes(old)), bytes(expected.image)), 0, id);
  }
});

for (const name of ['lite', 'mixing']) {
  test(`the example of the ${name} coder is the vector "${name}-bits", decision by decision`, (t) => {
    const { container, old } = vectors('accepted.json').find(({ id }) => id === `${name}-bits`)!;
    const listing = new RegExp(`<!-- ${name} example -->\\s+\`\`\`text\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;
    const [, ...lines] = listing.trimEnd().split('\n');
    t.deepEqual(lines, traceOf(bytes(container), bytes(old)));
  });
}

/** Each coder once, and the learning of class G; the long suite has every class for every CPU. */
const MADE: readonly (readonly [isa: Isa, ...classes: MemoryClass[]])[] = [
  ['thumb', 'S'],
  ['riscv', 'M'],
  ['xtensa', 'XL'],
  ['aarch64', 'G'],
];
for (const [isa, ...classes] of MADE) {
  test(`the page decodes what the encoder makes for ${isa}`, (t) => checkMade(t, isa, classes));
}

test('the page decodes what is made in place, both ways', (t) => {
  t.deepEqual([...checkInPlace(t, 'riscv', ['S', 'XL'])].sort(), ['backward', 'forward']);
});
