/** COSE_Sign1 (RFC 9052) with the judge's own eyes: what was signed, by which key id, and whether a key holds it. */
import { type Item, readCbor } from './cbor.ts';
import { hex, type JudgedKey } from './crypto.ts';

export interface Signed {
  header: Map<Item, Item>;
  kid: string;
  /** Null where it is detached. */
  payload: Uint8Array | null;
  holds(key: JudgedKey, detached?: Uint8Array): boolean;
  /** What is signed, and the signature. */
  message(detached?: Uint8Array): Uint8Array;
  signature: Uint8Array;
}

const TYP = 16;
const KINDS = 'application/countersign-';

/** @returns undefined for bytes that are no COSE_Sign1 */
export function readSigned(bytes: Uint8Array): Signed | undefined {
  return signedOf(readCbor(bytes));
}

export function signedOf(item: Item): Signed | undefined {
  const parts = isTagged(item) ? item.item : item;
  if (!Array.isArray(parts) || parts.length !== 4) return undefined;
  const [protectedBytes, , payload, signature] = parts;
  if (!(protectedBytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined;
  if (payload !== null && !(payload instanceof Uint8Array)) return undefined;
  const header = readCbor(protectedBytes);
  if (!(header instanceof Map)) return undefined;
  const kid = header.get(4);
  const message = (detached?: Uint8Array) =>
    sigStructure(protectedBytes, aadOf(header), payload ?? detached ?? new Uint8Array());
  return {
    ...{ header, payload, signature, message },
    kid: kid instanceof Uint8Array ? hex(kid) : '',
    holds: (key, detached) => key.holds(message(detached), signature),
  };
}

/** `report`, `tx`, …; undefined for blocks of an envelope and for heads, whose external_aad is empty. */
export function kindOf(header: Map<Item, Item>): string | undefined {
  const typ = header.get(TYP);
  return typeof typ === 'string' && typ.startsWith(KINDS) ? typ.slice(KINDS.length) : undefined;
}

function aadOf(header: Map<Item, Item>): Uint8Array {
  const kind = kindOf(header);
  return Buffer.from(kind === undefined || kind === 'head' ? '' : `countersign/v1/${kind}`);
}

/** ["Signature1", protected, external_aad, payload] */
function sigStructure(protectedBytes: Uint8Array, aad: Uint8Array, payload: Uint8Array): Uint8Array {
  const context = Buffer.from('Signature1');
  const parts = [bstr(3, context), bstr(2, protectedBytes), bstr(2, aad), bstr(2, payload)];
  return new Uint8Array(Buffer.concat([Buffer.of(0x84), ...parts]));
}

/** A byte string (2) or a text (3) of up to 65,535 bytes. */
export function bstr(major: 2 | 3, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const start = length < 24 ? [length] : length < 256 ? [24, length] : [25, length >> 8, length & 255];
  return Buffer.concat([Buffer.of((major << 5) | start[0]!, ...start.slice(1)), bytes]);
}

function isTagged(item: Item): item is { tag: number; item: Item } {
  return typeof item === 'object' && item !== null && 'tag' in item;
}
