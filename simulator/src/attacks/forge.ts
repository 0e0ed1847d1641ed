/** Small forgeries: bits that are turned, headers that are exchanged, signatures that are taken away. */
import {
  type Announcement,
  type CborMap,
  decode,
  decodeSign1,
  encode,
  encodeAnnouncement,
  encodeSign1,
  hex,
  type Sign1,
  type Signer,
  Tagged,
  toBeSigned,
  type Value,
} from '@countersign/device-sdk/format';
import type { Scene } from './scene.ts';

/** The announcement of the newest release with one part exchanged. */
export async function altered(
  { server }: Scene,
  change: (parts: Announcement) => Partial<Announcement> | Promise<Partial<Announcement>>,
): Promise<Uint8Array> {
  const parts = await server.parts();
  return encodeAnnouncement({ ...parts, ...(await change(parts)) });
}

/** Turns a bit inside the place where `needle` stands. */
export function flippedIn(haystack: Uint8Array, needle: Uint8Array): Uint8Array {
  const at = Buffer.from(haystack).indexOf(Buffer.from(needle));
  if (at < 0) throw new RangeError('these bytes are not in there');
  return flipped(haystack, at);
}

/** @param at from the start, or below zero from the end */
export function flipped(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const out = bytes.slice();
  out[at < 0 ? out.length + at : at]! ^= mask;
  return out;
}

/** The envelope's list: the digest, then the blocks. */
export function withWrapper(envelope: Uint8Array, change: (items: Value[]) => Value[]): Uint8Array {
  return withEnvelopeMap(envelope, (map) => {
    map.set(2, encode(change(decode(map.get(2) as Uint8Array) as Value[])));
  });
}

export function withEnvelopeMap(envelope: Uint8Array, change: (map: CborMap) => void): Uint8Array {
  const tagged = decode(envelope) as Tagged;
  const map = new Map(tagged.value as CborMap);
  change(map);
  return encode(new Tagged(tagged.tag, map));
}

/** Other headers or payload over an old signature. */
export function relabelled(bytes: Uint8Array, change: Partial<Sign1> | ((sign1: Sign1) => Partial<Sign1>)): Uint8Array {
  const sign1 = decodeSign1(bytes);
  return encodeSign1({ ...sign1, ...(typeof change === 'function' ? change(sign1) : change) });
}

/** The protected header changed under the old signature. */
export function reheaded(bytes: Uint8Array, change: (map: CborMap) => void): Uint8Array {
  return relabelled(bytes, (sign1) => {
    const map = new Map(sign1.protected);
    change(map);
    return { protectedBytes: encode(map) };
  });
}

/** The protected header changed, and signed again by `signer` over `payload` with this context. */
export async function resigned(
  bytes: Uint8Array,
  signer: Signer,
  payload: Uint8Array,
  change: (map: CborMap) => void,
  aad: Uint8Array = new Uint8Array(),
): Promise<Uint8Array> {
  const changed = decodeSign1(reheaded(bytes, change));
  const signature = await signer.sign(toBeSigned(changed.protectedBytes, aad, payload));
  return encodeSign1({ ...changed, signature });
}

/** n - s is as good as s for the curve: anybody on the way can make this from a signature. */
export function otherSignature(statement: Uint8Array): Uint8Array {
  const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const sign1 = decodeSign1(statement);
  const [r, s] = [sign1.signature.slice(0, 32), BigInt(`0x${hex(sign1.signature.slice(32))}`)];
  const other = Buffer.from((N - s).toString(16).padStart(64, '0'), 'hex');
  return encodeSign1({ ...sign1, signature: Uint8Array.from([...r, ...other]) });
}
