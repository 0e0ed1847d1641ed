import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Code } from '@countersign/device-sdk';
import { REFUSALS_HELP } from './distribution-figures.ts';
import { by, counter, type FigureSource, gauge, remembered } from './figures.ts';

/** Refusals of one API, by their codes: a closed list. */
export type RefusalCounts = Partial<Record<Code, number>>;

export function countRefusal(counts: RefusalCounts, code: Code): void {
  counts[code] = (counts[code] ?? 0) + 1;
}

export function refusalFigures(where: 'api' | 'devices', counts: RefusalCounts): FigureSource {
  return { part: where, figures: () => [counter('refusals', REFUSALS_HELP, by('code', counts, { where }))] };
}

/** A walk over a store of 10,000 files takes a tenth of a second: once a minute is enough. */
const CONTENT_MS = 60_000;

/** @param folder of a file store (file-blobs.ts), or of what will become one */
export function contentFigures(folder: string): FigureSource {
  const walk = remembered(CONTENT_MS, async () => ({
    blobs: await bytesIn(join(folder, 'blobs')),
    payloads: await bytesIn(join(folder, 'payloads')),
  }));
  return {
    part: 'content',
    figures: async () => [gauge('content_bytes', 'Bytes of stored content', by('kind', await walk()))],
  };
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await filesIn(folder)) {
    // A temporary file may be renamed between the list and the look.
    const found = await stat(name).catch(() => undefined);
    if (found?.isFile()) bytes += found.size;
  }
  return bytes;
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive: true })).map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
