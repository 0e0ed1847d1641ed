/** Which images a bench runs on. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demand } from '@countersign/device-sdk';
import { readSample, samples } from '@countersign/firmware-samples';

export interface BenchPair {
  name: string;
  old: Uint8Array;
  fresh: Uint8Array;
}

/** A pair is a folder with these two. */
const OLD_NAME = 'old.bin';
const NEW_NAME = 'new.bin';

/**
 * The pairs of the given folders, each of which is a pair or holds pairs.
 * @throws Refusal NOT_FOUND for a folder without any
 */
export function pairsIn(folders: readonly string[]): BenchPair[] {
  return folders.flatMap((folder) => {
    const found = [folder, ...subfolders(folder)].filter((path) => existsSync(join(path, NEW_NAME)));
    demand(found.length > 0, 'NOT_FOUND', `no ${OLD_NAME} and ${NEW_NAME} in ${folder} or in the folders inside it`);
    return found.map(readPair);
  });
}

/** Neighbouring releases of the firmware samples. */
export function samplePairs(): BenchPair[] {
  return samples.flatMap((sample, i) => {
    const before = samples[i - 1];
    if (before?.product !== sample.product) return [];
    const read = (version: string) => readSample(sample.product, version);
    const name = `${sample.product}-${before.version}-${sample.version}`;
    return [{ name, old: read(before.version), fresh: read(sample.version) }];
  });
}

/** The folder of published images that lies beside some checkouts; undefined where it does not. */
export function publishedFolder(): string | undefined {
  const folder = fileURLToPath(new URL('../../../../../shared/firmware', import.meta.url));
  return existsSync(folder) ? folder : undefined;
}

function subfolders(folder: string): string[] {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
    .sort();
}

function readPair(folder: string): BenchPair {
  const read = (name: string) => {
    demand(existsSync(join(folder, name)), 'NOT_FOUND', `${name} is missing in ${folder}`);
    return new Uint8Array(readFileSync(join(folder, name)));
  };
  return { name: basename(folder), old: read(OLD_NAME), fresh: read(NEW_NAME) };
}
