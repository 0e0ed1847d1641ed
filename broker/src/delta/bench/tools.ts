/** What other tools make of a pair on this machine, in the same call as ours. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { bsdiffPatch } from '../bsdiff-child.ts';
import { applyBsdiff40 } from '../bsdiff40/index.ts';
import type { BenchPair } from './pairs.ts';

/** xdelta3 and zstd take seconds for 8 MB; bsdiff crawls on padding. */
const TOOL_MS_MAX = 300_000;

export interface Files {
  oldPath: string;
  newPath: string;
  outPath: string;
}

export interface Tool {
  name: string;
  /** Undefined where it is not installed. */
  version(): Promise<string | undefined>;
  /** Bytes of the patch. @throws Error with a sentence */
  run(pair: BenchPair, files: Files): Promise<number>;
}

export const TOOLS: readonly Tool[] = [
  {
    name: 'bsdiff-node',
    version: async () => bsdiffNodeVersion(),
    async run(pair) {
      const notes: string[] = [];
      const patch = await bsdiffPatch(pair.old, pair.fresh, {
        timeoutMs: TOOL_MS_MAX,
        note: (text) => notes.push(text),
      });
      if (!patch) throw new Error(notes.join());
      return checked(patch, pair);
    },
  },
  {
    name: 'bsdiff',
    version: () => packageVersion('bsdiff', 'bsdiff'),
    async run(pair, { oldPath, newPath, outPath }) {
      await command('bsdiff', [oldPath, newPath, outPath]);
      return checked(await readFile(outPath), pair);
    },
  },
  {
    name: 'xdelta3 -9',
    version: async () => firstVersion(await said('xdelta3', ['-V'])),
    async run(_pair, { oldPath, newPath, outPath }) {
      await command('xdelta3', ['-9', '-f', '-e', '-s', oldPath, newPath, outPath]);
      return (await readFile(outPath)).length;
    },
  },
  {
    name: 'zstd -19 --patch-from --long=27',
    version: async () => firstVersion(await said('zstd', ['--version'])),
    async run(_pair, { oldPath, newPath, outPath }) {
      await command('zstd', ['-q', '-f', '-19', '--long=27', `--patch-from=${oldPath}`, newPath, '-o', outPath]);
      return (await readFile(outPath)).length;
    },
  },
  {
    name: 'xz -9 of the full image',
    version: async () => firstVersion(await said('xz', ['--version'])),
    async run(_pair, { newPath }) {
      return (await command('xz', ['-9', '-k', '-c', newPath])).length;
    },
  },
];

/** A size counts only where the patch gives the image. */
function checked(patch: Uint8Array, { old, fresh }: BenchPair): number {
  const pieces: Uint8Array[] = [];
  applyBsdiff40(patch, {
    oldBytes: old.length,
    read: (offset, into) => into.set(old.subarray(offset, offset + into.length)),
    write: (bytes) => pieces.push(bytes.slice()),
  });
  if (Buffer.compare(Buffer.concat(pieces), fresh) !== 0) throw new Error('its patch gives another image');
  return patch.length;
}

function bsdiffNodeVersion(): string | undefined {
  try {
    return (createRequire(import.meta.url)('bsdiff-node/package.json') as { version: string }).version;
  } catch {
    return undefined;
  }
}

/** bsdiff prints no version. */
async function packageVersion(program: string, name: string): Promise<string | undefined> {
  if ((await said(program, [])) === undefined) return undefined;
  const listed = await said('dpkg-query', ['-W', '-f', `\${Version}`, name]);
  return listed?.trim() || 'version unknown';
}

function firstVersion(text: string | undefined): string | undefined {
  return text === undefined ? undefined : (/\d+(\.\d+)+/.exec(text)?.[0] ?? 'version unknown');
}

/** Both outputs, whatever the exit; undefined where there is no such program. */
function said(program: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) =>
    execFile(program, args, { timeout: 10_000 }, (error, stdout, stderr) =>
      resolve(error?.code === 'ENOENT' ? undefined : stdout + stderr),
    ),
  );
}

function command(program: string, args: readonly string[]): Promise<Buffer> {
  const options = { encoding: 'buffer', timeout: TOOL_MS_MAX, maxBuffer: 2 ** 30 } as const;
  return new Promise((resolve, reject) =>
    execFile(program, args, options, (error, stdout) => {
      if (!error) return resolve(stdout);
      reject(new Error(error.killed ? `longer than ${TOOL_MS_MAX / 1000} s` : `exit ${error.code ?? error.signal}`));
    }),
  );
}
