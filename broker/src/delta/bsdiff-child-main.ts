/** The body of the process that bsdiff-child.ts starts: OLD NEW PATCH. */
import { createRequire } from 'node:module';

/** ABSENT_EXIT of bsdiff-child.ts, which is not imported: this process loads as little as it can. */
const ABSENT = 3;

interface Bsdiff {
  diffSync(oldPath: string, newPath: string, patchPath: string): void;
}

const [oldPath, newPath, patchPath] = process.argv.slice(2);
if (!oldPath || !newPath || !patchPath) throw new TypeError('expected OLD NEW PATCH');
load().diffSync(oldPath, newPath, patchPath);

function load(): Bsdiff {
  try {
    return createRequire(import.meta.url)('bsdiff-node') as Bsdiff;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(ABSENT);
  }
}
