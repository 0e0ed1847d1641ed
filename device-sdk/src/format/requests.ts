/** What a device asks (topic `req`) and what it is answered (topic `frm`): [id, kind, …] both ways. */
import { CODES, type Code, demand, Refusal } from '../errors.ts';
import { decode, encode, type Value } from './cbor.ts';
import { readPath } from './head.ts';
import { HASH_BYTES } from './merkle.ts';
import { NONCE_BYTES } from './messages.ts';
import type { Membership } from './rollout.ts';
import { asArray, asBytes, asText, asUint } from './shape.ts';

export const REFUSED = 0;
export const FRAMES = 1;
export const CONSISTENCY = 2;
export const ENTRIES = 3;
export const ROOTS = 4;
export const FRESHNESS = 5;
export const ANNOUNCE = 6;
export const ISSUED = 8;

/** Frames a device may ask for at once; the window waits in its RAM. */
export const WINDOW_MAX = 32;
/** Skipped releases a device follows one by one; beyond that the index entry alone must do. */
export const ENTRIES_MAX = 16;
/** Trust roots in one answer; a device that is further behind asks again. */
export const ROOTS_MAX = 4;
export const REQUEST_BYTES_MAX = 128;
export const ANSWER_BYTES_MAX = 24_576;
const SALT_BYTES = 16;
/** A broker that nobody trusts writes this number; beyond 24.8 days a 32-bit millisecond timer would fire at once. */
export const RETRY_SECONDS_MAX = 86_400;

export type Request =
  | { id: number; kind: typeof FRAMES; chainHead: Uint8Array; first: number; count: number }
  | { id: number; kind: typeof CONSISTENCY; from: number; to: number }
  /** The entry with this leaf hash and up to `count - 1` before it in its release chain: one round trip, not sixteen. */
  | { id: number; kind: typeof ENTRIES; leafHash: Uint8Array; count: number }
  | { id: number; kind: typeof ROOTS; from: number }
  | { id: number; kind: typeof FRESHNESS; nonce: Uint8Array }
  | { id: number; kind: typeof ANNOUNCE }
  /** The entry by which an implicit key is on the record, by its thumbprint. */
  | { id: number; kind: typeof ISSUED; thumbprint: Uint8Array };

export type Answer =
  /** The server refuses; ask again after so many seconds, or not at all where 0. */
  | { id: number; kind: typeof REFUSED; code: Code; retrySeconds: number }
  | { id: number; kind: typeof FRAMES; index: number; frame: Uint8Array }
  | { id: number; kind: typeof CONSISTENCY; path: Uint8Array[] }
  | { id: number; kind: typeof ENTRIES; entries: Uint8Array[] }
  | { id: number; kind: typeof ROOTS; roots: Uint8Array[] }
  | { id: number; kind: typeof FRESHNESS; statement: Uint8Array }
  | { id: number; kind: typeof ANNOUNCE; announcement: Uint8Array | null; membership: Membership | null }
  | { id: number; kind: typeof ISSUED; entry: Uint8Array; receipt: Uint8Array };

export function encodeRequest(r: Request): Uint8Array {
  return encode([r.id, r.kind, ...requestArguments(r)]);
}

function requestArguments(r: Request): Value[] {
  switch (r.kind) {
    case FRAMES:
      return [r.chainHead, r.first, r.count];
    case CONSISTENCY:
      return [r.from, r.to];
    case ENTRIES:
      return [r.leafHash, r.count];
    case ROOTS:
      return [r.from];
    case FRESHNESS:
      return [r.nonce];
    case ANNOUNCE:
      return [];
    case ISSUED:
      return [r.thumbprint];
  }
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readRequest(bytes: Uint8Array): Request {
  demand(bytes.length <= REQUEST_BYTES_MAX, 'TOO_LARGE', `the request has ${bytes.length} bytes`);
  const items = asArray(decode(bytes), 'request');
  const id = asUint(items[0], 'request id', 0xffffffff);
  const kind = asUint(items[1], 'request kind');
  const args = items.slice(2);
  const expect = (count: number) =>
    demand(args.length === count, 'MALFORMED', `request ${kind} has ${args.length} arguments`);
  switch (kind) {
    case FRAMES:
      expect(3);
      return {
        id,
        kind,
        chainHead: asBytes(args[0], 'chain head', HASH_BYTES),
        first: asUint(args[1], 'first frame', 0xffffffff),
        count: asUint(args[2], 'frame count', WINDOW_MAX),
      };
    case CONSISTENCY:
      expect(2);
      return { id, kind, from: asUint(args[0], 'from'), to: asUint(args[1], 'to') };
    case ENTRIES:
      expect(2);
      return {
        id,
        kind,
        leafHash: asBytes(args[0], 'leaf hash', HASH_BYTES),
        count: asUint(args[1], 'count', ENTRIES_MAX),
      };
    case ROOTS:
      expect(1);
      return { id, kind, from: asUint(args[0], 'from') };
    case FRESHNESS:
      expect(1);
      return { id, kind, nonce: asBytes(args[0], 'nonce', NONCE_BYTES) };
    case ANNOUNCE:
      expect(0);
      return { id, kind };
    case ISSUED:
      expect(1);
      return { id, kind, thumbprint: asBytes(args[0], 'thumbprint', HASH_BYTES) };
    default:
      throw new Refusal('UNSUPPORTED', `request kind ${kind}`);
  }
}

export function encodeAnswer(a: Answer): Uint8Array {
  return encode([a.id, a.kind, ...answerArguments(a)]);
}

function answerArguments(a: Answer): Value[] {
  switch (a.kind) {
    case REFUSED:
      return [a.code, a.retrySeconds];
    case FRAMES:
      return [a.index, a.frame];
    case CONSISTENCY:
      return [a.path];
    case ENTRIES:
      return [a.entries];
    case ROOTS:
      return [a.roots];
    case FRESHNESS:
      return [a.statement];
    case ANNOUNCE:
      return [a.announcement, a.membership && membershipValue(a.membership)];
    case ISSUED:
      return [a.entry, a.receipt];
  }
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readAnswer(bytes: Uint8Array): Answer {
  demand(bytes.length <= ANSWER_BYTES_MAX, 'TOO_LARGE', `the answer has ${bytes.length} bytes`);
  const items = asArray(decode(bytes), 'answer');
  const id = asUint(items[0], 'answer id', 0xffffffff);
  const kind = asUint(items[1], 'answer kind');
  const args = items.slice(2);
  const expect = (count: number) =>
    demand(args.length === count, 'MALFORMED', `answer ${kind} has ${args.length} arguments`);
  switch (kind) {
    case REFUSED: {
      expect(2);
      const code = asText(args[0], 'code', 32);
      demand((CODES as readonly string[]).includes(code), 'MALFORMED', 'a code is not in the closed list');
      return { id, kind, code: code as Code, retrySeconds: asUint(args[1], 'retry', RETRY_SECONDS_MAX) };
    }
    case FRAMES:
      expect(2);
      return { id, kind, index: asUint(args[0], 'frame index', 0xffffffff), frame: asBytes(args[1], 'frame') };
    case CONSISTENCY:
      expect(1);
      return { id, kind, path: readPath(args[0]) };
    case ENTRIES:
      expect(1);
      return { id, kind, entries: byteStrings(args[0], 'entries', ENTRIES_MAX) };
    case ROOTS:
      expect(1);
      return { id, kind, roots: byteStrings(args[0], 'roots', ROOTS_MAX) };
    case FRESHNESS:
      expect(1);
      return { id, kind, statement: asBytes(args[0], 'freshness') };
    case ANNOUNCE:
      expect(2);
      return {
        id,
        kind,
        announcement: args[0] === null ? null : asBytes(args[0], 'announcement'),
        membership: args[1] === null ? null : readMembership(args[1]),
      };
    case ISSUED:
      expect(2);
      return { id, kind, entry: asBytes(args[0], 'entry'), receipt: asBytes(args[1], 'receipt') };
    default:
      throw new Refusal('UNSUPPORTED', `answer kind ${kind}`);
  }
}

function byteStrings(value: Value | undefined, what: string, max: number): Uint8Array[] {
  const items = asArray(value, what);
  demand(items.length <= max, 'MALFORMED', `${items.length} ${what}`);
  return items.map((item) => asBytes(item, what));
}

function membershipValue(m: Membership): Value {
  return [m.salt, m.index, m.size, m.path];
}

function readMembership(value: Value | undefined): Membership {
  const [salt, index, size, path] = asArray(value, 'membership', 4);
  return {
    salt: asBytes(salt, 'salt', SALT_BYTES),
    index: asUint(index, 'member index'),
    size: asUint(size, 'group size'),
    path: readPath(path),
  };
}
