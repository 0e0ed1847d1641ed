/**
 * Images of 16 MB that help the encoder nowhere: random bytes, which nothing makes smaller, and one page again and again,
 * where every place has thousands of equals. Each delta is made in a process of its own, whose most memory is told.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import test from 'ava';
import { FULL } from '../support/effort.ts';
import { type LARGE, LARGE_BYTES, type Large } from '../support/large-images.ts';

type Name = keyof typeof LARGE;

/**
 * A suffix array has 4 bytes for each of the old image, and a few arrays as long as it stand beside it while it is sorted
 * and walked: 30 times both images, and 256 MB for Node, the coders' output and what its collector has not yet taken.
 */
const PEAK_BYTES_MAX = 30 * 2 * LARGE_BYTES + (256 << 20);
const IDENTICAL_BYTES_MAX = 100;
const CHILD_MS_MAX = 600_000;

/** [base, image, classes]; a full run has also the pair that takes longest in the class that tries most. */
const pairs: [base: Name, image: Name, classes: MemoryClass[]][] = [
  ['random', 'other random', FULL ? ['S', 'M'] : ['S']],
  ['page', 'other page', ['S', 'M']],
  ['random', 'random', ['S', 'M']],
  ['page', 'page', ['S', 'M']],
];

const child = join(import.meta.dirname, '../support/encode-child.js');
async function encode(memoryClass: MemoryClass, base: Name, image: Name): Promise<Large> {
  const options = { timeout: CHILD_MS_MAX, killSignal: 'SIGKILL' as const };
  const { stdout } = await promisify(execFile)(process.execPath, [child, memoryClass, base, image], options);
  return JSON.parse(stdout) as Large;
}

/** Two at a time: the encoder itself has one core. */
const PLACES = 2;
let running: Promise<unknown>[] = Array.from({ length: PLACES }, () => Promise.resolve());
function queued<T>(work: () => Promise<T>): Promise<T> {
  const [place, ...others] = running;
  const done = place!.then(work);
  running = [...others, done.catch(() => undefined)];
  return done;
}

for (const [base, image, classes] of pairs) {
  for (const memoryClass of classes) {
    test(`16 MB, ${base} to ${image}, class ${memoryClass}: no larger than the full image, and in bounded memory`, async (t) => {
      const made = await queued(() => encode(memoryClass, base, image));
      t.log(`${made.kind}, ${made.bytes} bytes, ${Math.round(made.peakBytes / 1e6)} MB at most`);
      t.true(made.right, 'it decodes to the image');
      t.true(made.peakBytes < PEAK_BYTES_MAX, `${made.peakBytes}`);
      if (base === image) t.true(made.bytes < IDENTICAL_BYTES_MAX);
      else t.true(made.bytes <= made.fullBytes!);
    });
  }
}
