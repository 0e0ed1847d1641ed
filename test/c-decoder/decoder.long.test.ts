/** The decoder in C on every firmware pair there is, in every class, and on many damaged containers. */
import { readdirSync } from 'node:fs';
import { readSample, samples } from '@countersign/firmware-samples';
import test from 'ava';
import { CLASSES, caseOf, compareDamaged } from '../support/c-agreement.ts';
import { compiled, decodeInC } from '../support/c-decoder.ts';
import { firmwarePair, type Pair } from '../support/firmware.ts';
import { shared } from '../support/repository.ts';

const built = compiled();
if ('reason' in built) console.log(`skipped: ${built.reason}`);

function samplePairs(): Pair[] {
  return samples.flatMap((sample, i) => {
    const before = samples[i - 1];
    if (before?.product !== sample.product) return [];
    const read = (version: string) => readSample(sample.product, version);
    return [{ name: `${sample.product} ${sample.version}`, old: read(before.version), fresh: read(sample.version) }];
  });
}

function publishedPairs(): Pair[] {
  const folder = shared('firmware');
  if (folder === undefined) console.log('skipped: the folder of published images is not beside this checkout');
  return (folder === undefined ? [] : readdirSync(folder)).flatMap((name) => firmwarePair(name) ?? []);
}

if ('program' in built) {
  const { program } = built;
  for (const { name, old, fresh } of [...samplePairs(), ...publishedPairs()]) {
    test(`${name}: the same image from C in every class, forward, backward and in place`, (t) => {
      const cases = CLASSES.flatMap((memory) => [
        caseOf(old, fresh, memory, 'delta'),
        { ...caseOf(old, fresh, memory, 'in place'), piece: 1000, restarts: true },
        // The other way round is mostly the other order of blocks.
        { ...caseOf(fresh, old, memory, 'in place'), piece: 256 },
        caseOf(old, fresh, memory, 'full'),
      ]);
      decodeInC(program, cases).forEach(({ code, image }, i) => {
        t.is(code, 'accepted');
        t.true(Buffer.compare(image, i % 4 === 2 ? old : fresh) === 0, `case ${i}`);
      });
    });
  }

  test('20,000 damaged containers end in C as they end in TypeScript', (t) => {
    const seed = Date.now() >>> 0;
    t.log(`seed ${seed}`);
    const { endings, differing } = compareDamaged(program, seed, 20_000);
    t.log(endings);
    t.deepEqual(differing, []);
  });
} else {
  test('the decoder in C is not compiled here', (t) => t.truthy(built.reason));
}
