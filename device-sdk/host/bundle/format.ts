/**
 * A bundle: all that a device asks the network for, in one file (FORMAT, "Bundle"). Nothing in it is believed because it
 * is there: the device checks it as it checks the network. The digest of the head part tells a bad copy from a lie, and
 * is no protection.
 */
import { demand } from '../../src/errors.ts';
import { ANNOUNCEMENT_BYTES_MAX } from '../../src/format/announcement.ts';
import { concat, equal } from '../../src/format/bytes.ts';
import { decode, encode, type Value } from '../../src/format/cbor.ts';
import { framesBytes } from '../../src/format/frames.ts';
import { CLASS_BYTES } from '../../src/format/index-entry.ts';
import { HASH_BYTES, type Sha256 } from '../../src/format/merkle.ts';
import { ENTRIES_MAX } from '../../src/format/requests.ts';
import { ROOT_BYTES_MAX } from '../../src/format/root.ts';
import { asArray, asBytes, asText, asUint, shown } from '../../src/format/shape.ts';
import {
  BRANCHES_MAX,
  FRAME_BYTES_MAX,
  FRAME_BYTES_MIN,
  type Payload,
  VERSION_CHARS_MAX,
} from '../../src/format/suit.ts';
import { checkGrowth, type Growth, LEAVES_MAX, PEAKS_MAX } from './growth.ts';
import { type BundledIssue, issuedValue, readIssued } from './issued.ts';

export const BUNDLE_VERSION = 1;
/** `countersign`, a zero byte, `bundle` and a line feed: a transfer in text mode does not leave it whole. */
const MAGIC = Uint8Array.from('countersign\0bundle\r\n', (character) => character.charCodeAt(0));
/** Magic, length of the head part, its digest. */
export const START_BYTES = MAGIC.length + 4 + HASH_BYTES;
/** Trust roots from the first on; a log of a year has a few. */
export const BUNDLE_ROOTS_MAX = 64;
/** A release's leaf: a signature with its headers. */
const BLOCK1_BYTES_MAX = 1_024;
/** The rest is the announcement, releases between, issued keys and descriptions. */
export const BUNDLE_HEAD_BYTES_MAX =
  LEAVES_MAX * HASH_BYTES + BUNDLE_ROOTS_MAX * (ROOT_BYTES_MAX + 4) + ANNOUNCEMENT_BYTES_MAX + 65_536;
/** Eight branches of the largest image. */
export const BUNDLE_BYTES_MAX = 640 * 1024 * 1024;

export interface BundleHead {
  origin: string;
  classId: Uint8Array;
  sequence: number;
  version: string;
  /** Signed trust roots in order, without a gap. */
  roots: Uint8Array[];
  announcement: Uint8Array;
  /** Null where the trust root demands peers: their quorum stands in for it. */
  growth: Growth | null;
  /** Leaves of the releases before this one, the newest first. */
  entries: Uint8Array[];
  /** In the order in which their frames follow. */
  payloads: Payload[];
  /** The `issueKey` entries of the signers' implicit keys, the first signer's first; absent where there are none. */
  issued?: BundledIssue[] | undefined;
}

export function encodeHead(head: BundleHead): Uint8Array {
  const { growth, issued } = head;
  return encode([
    BUNDLE_VERSION,
    head.origin,
    head.classId,
    [head.sequence, head.version],
    [...head.roots],
    head.announcement,
    growth && [growth.from, [...growth.peaks], growth.leaves],
    [...head.entries],
    head.payloads.map(
      ({ chainHead, bytes, frameBytes, frameCount }): Value => [chainHead, bytes, frameBytes, frameCount],
    ),
    ...(issued ? [issuedValue(issued)] : []),
  ]);
}

/** What stands before the frames. */
export function encodeStart(sha256: Sha256, head: BundleHead): Uint8Array {
  const bytes = encodeHead(head);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(MAGIC, length, sha256(bytes), bytes);
}

/** How long the head part is. @throws Refusal MALFORMED, TOO_LARGE */
export function readStart(start: Uint8Array): { headBytes: number; digest: Uint8Array } {
  const known = start.length === START_BYTES && equal(start.subarray(0, MAGIC.length), MAGIC);
  demand(known, 'MALFORMED', 'this is no bundle');
  const headBytes = new DataView(start.buffer, start.byteOffset + MAGIC.length).getUint32(0);
  demand(headBytes <= BUNDLE_HEAD_BYTES_MAX, 'TOO_LARGE', `a head part of ${headBytes} bytes`);
  return { headBytes, digest: start.slice(MAGIC.length + 4) };
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readHead(sha256: Sha256, digest: Uint8Array, bytes: Uint8Array): BundleHead {
  demand(equal(sha256(bytes), digest), 'MALFORMED', 'the head part is damaged: its digest is another');
  const items = asArray(decode(bytes), 'bundle');
  demand(items[0] === BUNDLE_VERSION, 'UNSUPPORTED', `bundle version ${shown(items[0])}`);
  const optional = items.length === 10;
  const all = asArray(items, 'bundle', optional ? 10 : 9);
  const [, origin, classId, release, roots, told, growth, entries, payloads, issued] = all;
  const [sequence, version] = asArray(release, 'bundle release', 2);
  const announcement = some(told, 'announcement', ANNOUNCEMENT_BYTES_MAX);
  return {
    origin: asText(origin, 'origin'),
    classId: asBytes(classId, 'class id', CLASS_BYTES),
    sequence: asUint(sequence, 'sequence'),
    version: asText(version, 'version', VERSION_CHARS_MAX),
    roots: list(roots, 'trust roots', BUNDLE_ROOTS_MAX).map((root) => some(root, 'trust root', ROOT_BYTES_MAX)),
    announcement,
    growth: growth === null ? null : readGrowth(growth),
    entries: list(entries, 'entries', ENTRIES_MAX).map((entry) => some(entry, 'entry', BLOCK1_BYTES_MAX)),
    payloads: readPayloads(payloads),
    ...(optional && { issued: readIssued(issued, announcement) }),
  };
}

function readGrowth(value: Value | undefined): Growth {
  const [from, peaks, leaves] = asArray(value, 'growth', 3);
  const growth = {
    from: asUint(from, 'base size'),
    peaks: list(peaks, 'peaks', PEAKS_MAX).map((peak) => asBytes(peak, 'peak', HASH_BYTES)),
    leaves: asBytes(leaves, 'leaves'),
  };
  checkGrowth(growth);
  return growth;
}

function readPayloads(value: Value | undefined): Payload[] {
  const payloads = list(value, 'payloads', BRANCHES_MAX).map((item): Payload => {
    const [chainHead, bytes, frameBytes, frameCount] = asArray(item, 'payload', 4);
    const payload = {
      chainHead: asBytes(chainHead, 'chain head', HASH_BYTES),
      bytes: asUint(bytes, 'payload size', 0xffffffff),
      frameBytes: asUint(frameBytes, 'frame size', FRAME_BYTES_MAX),
      frameCount: asUint(frameCount, 'frame count', 0xffffffff),
    };
    const fits = payload.frameBytes >= FRAME_BYTES_MIN && payload.bytes > 0;
    const whole = fits && payload.frameCount === Math.ceil(payload.bytes / payload.frameBytes);
    demand(whole, 'MALFORMED', 'a payload whose sizes contradict each other');
    return payload;
  });
  for (const [i, { chainHead }] of payloads.entries()) {
    const first = payloads.findIndex((other) => equal(other.chainHead, chainHead));
    demand(first === i, 'MALFORMED', 'a payload is there twice');
  }
  return payloads;
}

/** Of the whole file. @throws Refusal TOO_LARGE */
export function bundleBytes(headBytes: number, payloads: readonly Payload[]): number {
  const bytes = payloads.reduce((sum, payload) => sum + framesBytes(payload), START_BYTES + headBytes);
  demand(bytes <= BUNDLE_BYTES_MAX, 'TOO_LARGE', `a bundle of ${bytes} bytes`);
  return bytes;
}

function list(value: Value | undefined, what: string, max: number): Value[] {
  const items = asArray(value, what);
  demand(items.length <= max, 'TOO_LARGE', `${items.length} ${what}`);
  return items;
}

function some(value: Value | undefined, what: string, max: number): Uint8Array {
  const bytes = asBytes(value, what);
  demand(bytes.length <= max, 'TOO_LARGE', `${what} of ${bytes.length} bytes`);
  return bytes;
}
