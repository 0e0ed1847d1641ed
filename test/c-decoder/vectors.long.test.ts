/** A decoder in C, written from docs/FORMAT-DELTA.md alone, against the vectors and against the decoder of the SDK. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { CLASSES, caseOf, compareDamaged, decodeInTypeScript } from '../support/c-agreement.ts';
import { type CCase, compiled, decodeInC } from '../support/c-decoder.ts';
import { repository } from '../support/repository.ts';
import type { DeltaVector } from '../vectors/make-delta.ts';

const built = compiled();
if ('reason' in built) console.log(`skipped: ${built.reason}`);

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const vectors = (file: string): DeltaVector[] =>
  JSON.parse(readFileSync(join(repository, 'test/vectors/delta', file), 'utf8'));

const all = ['accepted.json', 'refused.json', 'model.json', 'forms.json'].flatMap(vectors);

/** How the containers are fed: the end must not depend on it. */
const FEEDS: readonly (readonly [name: string, feed: Partial<CCase>])[] = [
  ['at once', {}],
  ['byte by byte', { piece: 1 }],
  ['in pieces, starting again at each checkpoint', { piece: 7, restarts: true }],
  ['in larger pieces, starting again', { piece: 1000, restarts: true }],
];

if ('program' in built) {
  const { program } = built;
  for (const [name, feed] of FEEDS) {
    test(`the decoder in C agrees with every vector, fed ${name}`, (t) => {
      const cases = all.map(({ old, container, newBytes }) => ({
        ...{ old: bytes(old), container: bytes(container), newBytes },
        ...feed,
      }));
      decodeInC(program, cases).forEach(({ code, image }, i) => {
        const { id, expected } = all[i]!;
        t.is(code, 'code' in expected ? expected.code : 'accepted', id);
        t.deepEqual(image, 'code' in expected ? bytes('') : bytes(expected.image), id);
      });
      t.true(all.length > 50);
    });
  }

  for (const how of ['delta', 'in place', 'full'] as const) {
    test(`firmware in every class, ${how}: the same bytes from C`, (t) => {
      const [old, fresh] = [readSample('pump-monitor', '3.0.1'), readSample('pump-monitor', '3.1.0')];
      const made = CLASSES.map((name) => caseOf(old, fresh, name, how));
      const cases = FEEDS.flatMap(([, feed]) => made.map((c) => ({ ...c, ...feed })));
      for (const { code, image } of decodeInC(program, cases)) {
        t.is(code, 'accepted');
        t.true(Buffer.compare(image, fresh) === 0);
      }
    });
  }

  test('damaged containers end in C as they end in TypeScript', (t) => {
    const seed = Date.now() >>> 0;
    t.log(`seed ${seed}`);
    const { endings, differing } = compareDamaged(program, seed, 2000);
    t.log(endings);
    t.deepEqual(differing, []);
    t.true(endings.accepted! > 10 && endings.BAD_DELTA! > 100);
  });

  test('limits of the device: the code of the first that is broken', (t) => {
    const { container, old, newBytes } = caseOf(new Uint8Array(600), new Uint8Array(500).fill(7), 'S', 'full');
    const given: readonly Partial<CCase>[] = [
      { slotBytes: newBytes - 1, newBytes: newBytes + 1 },
      { newBytes: newBytes + 1, workspace: 300 },
      { workspace: 300 },
      { workspace: 100 },
    ];
    const cases = given.map((limits) => ({ container, old, newBytes, ...limits }));
    const codes = decodeInC(program, cases).map(({ code }) => code);
    t.deepEqual(codes, ['NO_SPACE', 'BAD_DELTA', 'NO_MEMORY', 'NO_MEMORY']);
    t.deepEqual(
      codes.slice(0, 3),
      cases
        .slice(0, 3)
        .map(decodeInTypeScript)
        .map(({ code }) => code),
    );
  });
} else {
  test('the decoder in C is not compiled here', (t) => t.truthy(built.reason));
}
