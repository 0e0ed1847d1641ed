// Builds after `npm ci`. Where TypeScript is absent (an install without development dependencies) there is nothing to build with.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const root = new URL('..', import.meta.url);
const compiler = new URL('node_modules/typescript/bin/tsc', root);
if (!existsSync(compiler)) {
  console.error('countersign: TypeScript is not installed, the build is skipped');
  process.exit(0);
}
try {
  createRequire(new URL('package.json', root)).resolve('bsdiff-node');
} catch {
  console.error('countersign: bsdiff-node is left out (no C++ compiler?); our own aligner is used alone');
}
const { status } = spawnSync(process.execPath, [compiler.pathname, '-b'], { stdio: 'inherit', cwd: root });
process.exit(status ?? 1);
