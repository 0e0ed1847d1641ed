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

// biome-ignore lint/suspicious/noExplicitAny: the shape is the vector file's own
export function outsideJson(path: string): any {
  const text = outsideText(path);
  return text && JSON.parse(text);
}

export const SKIPPED = 'skipped: the outside vectors are not beside this checkout';
