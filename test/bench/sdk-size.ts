/**
 * Bytes of the SDK that a device carries, bundled and minified for no platform in particular. Run after a build:
 *   node test/dist/bench/sdk-size.js
 */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { bench } from '../support/bench.ts';
import { repository } from '../support/repository.ts';

const builds: [name: string, entries: string[], goal: number][] = [
  ['core without crypto', ['index'], 40_000],
  ['with Ed25519 and SHA-256 of noble', ['index', 'crypto/noble-ed25519'], 80_000],
  ['with P-256 besides', ['index', 'crypto/noble'], 100_000],
];

const row = bench('build', 'bytes', 'gzip_bytes', 'goal_bytes');
for (const [name, entries, goal] of builds) {
  const text = bundle(entries);
  row(name, Buffer.byteLength(text), gzipSync(text, { level: 9 }).length, goal);
}

function bundle(entries: string[]): string {
  const contents = entries.map((path) => `export * from './dist/src/${path}.js';`).join('\n');
  const { outputFiles } = buildSync({
    stdin: { contents, resolveDir: join(repository, 'device-sdk') },
    ...{ bundle: true, minify: true, format: 'esm', platform: 'neutral', target: 'es2023', write: false },
  });
  return outputFiles[0]!.text;
}
