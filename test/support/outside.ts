import { existsSync, readFileSync } from 'node:fs';

/** Outside vectors stand beside a checkout, not in it: tests that need them say so and pass where they are absent. */
const folder = new URL('../../../../shared/vectors/', import.meta.url);

/** The file's bytes, or undefined, told on the console, where the vectors are not beside this checkout. */
export function outside(path: string): Uint8Array | undefined {
  const url = new URL(path, folder);
  if (existsSync(url)) return new Uint8Array(readFileSync(url));
  console.log(`skipped: the outside vector ${path} is not beside this checkout`);
  return undefined;
}

function outsideText(path: string): string | undefined {
  const bytes = outside(path);
  return bytes && new TextDecoder().decode(bytes);
}

/** A vector file of the shape that the test names. */
export function outsideJson<T>(path: string): T | undefined {
  const text = outsideText(path);
  return text === undefined ? undefined : (JSON.parse(text) as T);
}

export const SKIPPED = 'skipped: the outside vectors are not beside this checkout';
