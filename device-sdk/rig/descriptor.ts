import type { Flash } from '../src/ports.ts';

/**
 * What the rig knows of an image. Nothing executes an image: the virtual boot reads this from inside it instead, and
 * the self-test fails exactly on the hardware revisions that it names.
 */
export interface Descriptor {
  readonly product: string;
  readonly version: string;
  readonly failsOn: readonly string[];
}

/** The sixteen ASCII bytes before a descriptor. */
export const DESCRIPTOR_MAGIC = 'CSGN-DESCRIPTOR1';

/**
 * Finds the descriptor of an image: the first place where the magic is followed by a well-formed descriptor. Bytes that
 * only look like one are passed over; an image without one passes its self-test everywhere.
 *
 * Layout: magic (16) | uint16 little-endian length of the rest | product | version | uint8 count | count revisions;
 * each text is a uint8 length and so many bytes of printable ASCII. The length must be exact.
 */
export function findDescriptor(image: Uint8Array | Flash): Descriptor | undefined {
  if (image instanceof Uint8Array) return findIn(image);
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < image.bytes; at += CHUNK_BYTES - DESCRIPTOR_BYTES_MAX) {
    const part = chunk.subarray(0, Math.min(CHUNK_BYTES, image.bytes - at));
    image.read(at, part);
    const found = findIn(part);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The bytes of a descriptor, magic included. Wrong use (text too long, not printable ASCII) is a RangeError. */
export function encodeDescriptor({ product, version, failsOn }: Descriptor): Uint8Array {
  if (failsOn.length > REVISIONS_MAX) throw new RangeError(`${failsOn.length} revisions, at most ${REVISIONS_MAX}`);
  const body = [...text(product), ...text(version), failsOn.length, ...failsOn.flatMap(text)];
  const magic = [...DESCRIPTOR_MAGIC].map((char) => char.charCodeAt(0));
  return Uint8Array.of(...magic, body.length & 0xff, body.length >>> 8, ...body);
}

/** Whether the self-test of what was booted passes: that of every component. */
export function bootPasses(
  booted: { descriptor: Descriptor | undefined; components?: readonly (Descriptor | undefined)[] } | undefined,
  hardware: string,
): boolean {
  return [booted?.descriptor, ...(booted?.components ?? [])].every((found) => passesSelfTest(found, hardware));
}

/** Whether this image's self-test passes on this hardware revision. */
export function passesSelfTest(descriptor: Descriptor | undefined, hardware: string): boolean {
  return descriptor === undefined || !descriptor.failsOn.includes(hardware);
}

/** More revisions of one board than any product has; it bounds the search of hostile images. */
const REVISIONS_MAX = 16;
const TEXT_BYTES_MAX = 64;
const MAGIC_BYTES = 16;
const DESCRIPTOR_BYTES_MAX = MAGIC_BYTES + 2 + (2 + REVISIONS_MAX) * (1 + TEXT_BYTES_MAX) + 1;
/** Chunks overlap by the longest descriptor, so that none is missed across a border. */
const CHUNK_BYTES = 8192;

function findIn(bytes: Uint8Array): Descriptor | undefined {
  const first = DESCRIPTOR_MAGIC.charCodeAt(0);
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (!hasMagic(bytes, at)) continue;
    const found = parse(bytes, at + MAGIC_BYTES);
    if (found !== undefined) return found;
  }
  return undefined;
}

function hasMagic(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < MAGIC_BYTES; i++) if (bytes[at + i] !== DESCRIPTOR_MAGIC.charCodeAt(i)) return false;
  return true;
}

function parse(bytes: Uint8Array, at: number): Descriptor | undefined {
  const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
  const end = at + 2 + length;
  if (end > bytes.length) return undefined;
  const reader = { bytes: bytes.subarray(0, end), at: at + 2 };
  const product = readText(reader);
  const version = readText(reader);
  const count = reader.bytes[reader.at++];
  if (product === undefined || version === undefined || count === undefined || count > REVISIONS_MAX) return undefined;
  const failsOn: string[] = [];
  for (let i = 0; i < count; i++) {
    const revision = readText(reader);
    if (revision === undefined) return undefined;
    failsOn.push(revision);
  }
  return reader.at === end ? { product, version, failsOn } : undefined;
}

function readText(reader: { readonly bytes: Uint8Array; at: number }): string | undefined {
  const length = reader.bytes[reader.at] ?? TEXT_BYTES_MAX + 1;
  const raw = reader.bytes.subarray(reader.at + 1, reader.at + 1 + length);
  // A version is printed on terminals: control characters would let an image write there.
  if (length > TEXT_BYTES_MAX || raw.length !== length || !raw.every(isPrintable)) return undefined;
  reader.at += 1 + length;
  return String.fromCharCode(...raw);
}

function text(value: string): number[] {
  const raw = [...value].map((char) => char.charCodeAt(0));
  if (raw.length > TEXT_BYTES_MAX || !raw.every(isPrintable)) throw new RangeError(`not a descriptor text: ${value}`);
  return [raw.length, ...raw];
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte <= 0x7e;
}
