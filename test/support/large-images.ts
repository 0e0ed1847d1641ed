/** Images as large as flash that a microcontroller maps: what an encoder must bear, not what a publisher sends. */
import { createHash } from 'node:crypto';

export const LARGE_BYTES = 1 << 24;
const PAGE_BYTES = 4096;

/** What a process that made one delta says of it. */
export interface Large {
  kind: 'delta' | 'full';
  bytes: number;
  /** Of the compressed full image, where the two images differ. */
  fullBytes?: number | undefined;
  /** Whether it decodes to the image. */
  right: boolean;
  /** The most that was resident when the delta was made, both images and Node itself included. */
  peakBytes: number;
}

const noise = (name: string, outputLength: number): Uint8Array =>
  new Uint8Array(createHash('shake256', { outputLength }).update(name).digest());

/** The same page from end to end: every place has as many equals as there are pages. */
function repeated(page: Uint8Array): Uint8Array {
  const image = new Uint8Array(LARGE_BYTES);
  for (let at = 0; at < LARGE_BYTES; at += PAGE_BYTES) image.set(page, at);
  return image;
}

export const LARGE = {
  random: () => noise('one image', LARGE_BYTES),
  'other random': () => noise('another image', LARGE_BYTES),
  page: () => repeated(noise('one page', PAGE_BYTES)),
  'other page': () => repeated(noise('another page', PAGE_BYTES)),
} satisfies Record<string, () => Uint8Array>;
