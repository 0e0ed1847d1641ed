/**
 * The two messages of a file node: dag-pb (links, then data) and in it UnixFS (kind, size, sizes of the parts).
 * Sources: IPLD dag-pb specification; UnixFS specification. Protocol Buffers, of which only these fields exist.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { concat } from '@countersign/device-sdk/format';
import { CID } from 'multiformats/cid';
import { checkKind } from './blocks.ts';

export interface FileNode {
  /** Bytes that lie in the node itself: files of old profiles keep their leaves so. */
  data: Uint8Array;
  /** Length of the whole file below this node. */
  bytes: number;
  links: { cid: CID; bytes: number }[];
}

/** 8,192 links of 45 bytes make a node of 360 KB; profiles in use have 174 and 1,024. */
const LINKS_MAX = 8_192;
const VARINT = 0;
const BYTES = 2;
const TYPE_RAW = 0;
const TYPE_FILE = 2;

/** A node of links alone, as the profile of 2025 writes it. */
export function encodeFileNode(links: readonly { cid: CID; bytes: number }[]): Uint8Array {
  const whole = links.reduce((sum, { bytes }) => sum + bytes, 0);
  const unixfs = concat(
    number(1, TYPE_FILE),
    number(3, whole),
    ...links.map(({ bytes }) => number(4, bytes)), // not packed
  );
  // The name is written though it is empty: so do all implementations, and the CID depends on it.
  const parts = links.map(({ cid, bytes }) => field(2, concat(field(1, cid.bytes), field(2, EMPTY), number(3, bytes))));
  return concat(...parts, field(1, unixfs));
}

/** @throws Refusal MALFORMED, TOO_LARGE; UNSUPPORTED for a folder and whatever else is no file */
export function readFileNode(node: Uint8Array): FileNode {
  let data: Uint8Array | undefined;
  const links: CID[] = [];
  for (const { id, value } of fields(node)) {
    if (id === 1 && value instanceof Uint8Array) data = value;
    else if (id === 2 && value instanceof Uint8Array) links.push(readLink(value));
    else throw malformed(`field ${id}`);
  }
  demand(links.length <= LINKS_MAX, 'TOO_LARGE', `a file node with ${links.length} links`);
  if (data === undefined) throw new Refusal('UNSUPPORTED', 'a dag-pb node without UnixFS data');
  return withSizes(data, links);
}

function withSizes(unixfs: Uint8Array, links: readonly CID[]): FileNode {
  let [type, bytes] = [-1, 0];
  let inside: Uint8Array = EMPTY;
  const sizes: number[] = [];
  for (const { id, value } of fields(unixfs)) {
    if (id === 1 && typeof value === 'number') type = value;
    else if (id === 2 && value instanceof Uint8Array) inside = value;
    else if (id === 3 && typeof value === 'number') bytes = value;
    else if (id === 4 && typeof value === 'number') sizes.push(value);
    // Mode and time of the file do not concern its bytes.
    else if (id !== 7 && id !== 8) throw malformed(`UnixFS field ${id}`);
  }
  demand(type === TYPE_FILE || type === TYPE_RAW, 'UNSUPPORTED', `a UnixFS node of type ${type}, not a file`);
  demand(sizes.length === links.length, 'MALFORMED', `${links.length} links with ${sizes.length} sizes`);
  const sum = sizes.reduce((a, b) => a + b, inside.length);
  demand(
    sum === bytes || (links.length === 0 && bytes === 0),
    'MALFORMED',
    `parts of ${sum} bytes in a file of ${bytes}`,
  );
  return { data: inside, bytes: sum, links: links.map((cid, i) => ({ cid, bytes: sizes[i]! })) };
}

function readLink(bytes: Uint8Array): CID {
  let cid: CID | undefined;
  for (const { id, value } of fields(bytes)) {
    if (id === 1 && value instanceof Uint8Array) cid = decodeCid(value);
    else if (id !== 2 && id !== 3) throw malformed(`link field ${id}`);
  }
  if (!cid) throw malformed('link without a CID');
  return checkKind(cid);
}

function decodeCid(bytes: Uint8Array): CID {
  try {
    return CID.decode(bytes);
  } catch (cause) {
    throw new Refusal('MALFORMED', 'a link without a readable CID', { cause });
  }
}

const EMPTY = new Uint8Array();

function malformed(what: string): Refusal {
  return new Refusal('MALFORMED', `dag-pb: ${what} is out of place`);
}

function field(id: number, value: Uint8Array): Uint8Array {
  return concat(varint((id << 3) | BYTES), varint(value.length), value);
}

function number(id: number, value: number): Uint8Array {
  return concat(varint((id << 3) | VARINT), varint(value));
}

function varint(value: number): Uint8Array {
  const out: number[] = [];
  let rest = value;
  // Division, not shifts: sizes pass 2^31.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) out.push((rest % 0x80) | 0x80);
  out.push(rest);
  return Uint8Array.from(out);
}

/** @throws Refusal MALFORMED for a length beyond the end or a number of more than 53 bits */
function* fields(bytes: Uint8Array): Generator<{ id: number; value: number | Uint8Array }> {
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = bytes[at++];
      demand(byte !== undefined && scale <= 2 ** 49, 'MALFORMED', 'dag-pb: a number without end');
      value += (byte & 0x7f) * scale;
      demand(Number.isSafeInteger(value), 'MALFORMED', 'dag-pb: a number beyond 53 bits');
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = read();
    const [id, wire] = [Math.floor(key / 8), key % 8];
    if (wire === VARINT) {
      yield { id, value: read() };
      continue;
    }
    demand(wire === BYTES, 'MALFORMED', `dag-pb: wire type ${wire}`);
    const length = read();
    demand(length <= bytes.length - at, 'MALFORMED', 'dag-pb: a field beyond the end');
    yield { id, value: bytes.subarray(at, at + length) };
    at += length;
  }
}
