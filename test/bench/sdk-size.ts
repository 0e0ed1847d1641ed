/**
 * Bytes of the SDK that a device carries, by what it can do. Run after a build:
 *   node test/dist/bench/sdk-size.js
 */
import { gzipSync } from 'node:zlib';
import { bench } from '../support/bench.ts';
import { bundle, PLAIN, SDK_BUILDS, SLIM } from '../support/sdk-builds.ts';

const row = bench('build', 'bytes', 'gzip_bytes', 'slim_bytes', 'slim_gzip_bytes', 'goal_bytes');
for (const { name, entries, goalBytes } of SDK_BUILDS) {
  const sizes: number[] = [];
  for (const options of [PLAIN, SLIM]) {
    const { text } = await bundle(entries, options);
    sizes.push(Buffer.byteLength(text), gzipSync(text, { level: 9 }).length);
  }
  row(name, ...sizes, goalBytes ?? '');
}
