/** The decoder in C on every firmware pair there is, in every class, and on many damaged containers. */
import { readdirSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import { readSample, samples } from '@countersign/firmware-samples';
import test from 'ava';
import { CLASSES, caseOf, compareDamaged } from '../support/c-agreement.ts';
import { type CCase, compiled, decodeInC } from '../support/c-decoder.ts';
import { effort, FULL } from '../support/effort.ts';
import { firmwarePair, type Pair } from '../support/firmware.ts';
import { shared } from '../support/repository.ts';

const built = compiled();
const fast = compiled([]);
if ('reason' in built) console.log(`skipped: ${built.reason}`);

/** With the sanitizers where that takes seconds; the mixing coder on a large image would take minutes. */
const SLOW: readonly MemoryClass[] = ['XL', 'G'];

const DAMAGED = effort(4_000, 20_000);
/** Each range coder once; heatshrink and the other sizes of tables are in the classes of the samples. */
const SOME: readonly MemoryClass[] = ['M', 'XL'];

const inAll = (pair: Pair) => ({ pair, classes: CLASSES });
const inSome = (pair: Pair) => ({ pair, classes: SOME });

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
  const entries = folder === undefined ? [] : readdirSync(folder, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? (firmwarePair(entry.name) ?? []) : []));
}

/** Ways to make a container; the second image in place over the first is mostly the other order of blocks. */
function cases({ old, fresh }: Pair, memory: MemoryClass): { c: CCase; image: Uint8Array }[] {
  const inPlace = { ...caseOf(old, fresh, memory, 'in place'), piece: 1000, restarts: true };
  const others = [inPlace, caseOf(old, fresh, memory, 'full')].map((c) => ({ c, image: fresh }));
  const back = SLOW.includes(memory) ? [] : [{ c: caseOf(fresh, old, memory, 'in place'), image: old }];
  return [{ c: caseOf(old, fresh, memory, 'delta'), image: fresh }, ...others, ...back];
}

if ('program' in built && 'program' in fast) {
  const { program } = built;
  const pairs = [...samplePairs().map(inAll), ...publishedPairs().map(FULL ? inAll : inSome)];
  for (const { pair, classes } of pairs) {
    for (const memory of classes) {
      test.serial(`${pair.name}, class ${memory}: the same image from C, forward, in place and whole`, async (t) => {
        await setImmediate();
        const all = cases(pair, memory);
        const answers = decodeInC(
          SLOW.includes(memory) ? fast.program : program,
          all.map(({ c }) => c),
        );
        answers.forEach(({ code, image }, i) => {
          t.is(code, 'accepted');
          t.true(Buffer.compare(image, all[i]!.image) === 0, `case ${i}`);
        });
      });
    }
  }

  test.serial(`${DAMAGED} damaged containers end in C as they end in TypeScript`, async (t) => {
    await setImmediate();
    const seed = Date.now() >>> 0;
    t.log(`seed ${seed}`);
    const { endings, differing } = compareDamaged(program, seed, DAMAGED);
    t.log(endings);
    t.deepEqual(differing, []);
  });
} else {
  test('the decoder in C is not compiled here', (t) => t.true('reason' in built || 'reason' in fast));
}
