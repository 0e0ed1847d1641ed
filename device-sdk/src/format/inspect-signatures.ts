/** Authentication blocks of any envelope: digests, signatures, MACs, several signers; older algorithm numbers too. */
import { demand, Refusal } from '../errors.ts';
import { equal, hex } from './bytes.ts';
import { type CborMap, decode, Tagged, type Value } from './cbor.ts';
import { ALG_ED25519, ALG_ESP256, HEADER_ALG, HEADER_KID, KID_BYTES, kidOf, toBeSigned } from './cose.ts';
import { HEADER_CONFIRMED, HEADER_PREVIOUS } from './envelope.ts';
import {
  attempt,
  digestHolds,
  type Inspection,
  type InspectOptions,
  type Outer,
  type Refuse,
  readDigest,
  type SignatureRow,
} from './inspect-report.ts';
import { asArray, asBytes, asMap } from './shape.ts';
import { LENIENT } from './suit-commands.ts';

const BLOCKS_MAX = 16;
const TAG_SIGN1 = 18;
const TAG_SIGN = 98;
const TAG_MAC0 = 17;
const TAG_MAC = 97;
const HEADER_CRIT = 2;
/** Headers a critical list may name: those that {@link inspectEnvelope} shows or that carry no rule of their own. */
const UNDERSTOOD = new Set<Value>([HEADER_ALG, HEADER_CRIT, 3, HEADER_KID, 15, 16, HEADER_CONFIRMED, HEADER_PREVIOUS]);
/** The deprecated numbers of the same two signature schemes (RFC 9864 section 4.2), for files made before it. */
const SAME_SCHEME: ReadonlyMap<Value, number> = new Map([
  [ALG_ED25519, ALG_ED25519],
  [-8, ALG_ED25519],
  [ALG_ESP256, ALG_ESP256],
  [-7, ALG_ESP256],
]);

export function inspectAuthentication(report: Inspection, outer: Outer, options: InspectOptions, refuse: Refuse): void {
  const [digest, ...blocks] = asArray(decode(outer.authentication, LENIENT), 'authentication');
  const payload = asBytes(digest, 'SUIT_Digest');
  const suitDigest = readDigest(decode(payload, LENIENT), 'SUIT_Digest');
  report.digest = { alg: suitDigest.alg, digest: hex(suitDigest.digest) };
  report.digestOk = digestHolds(options.sha256, suitDigest, outer.manifest, refuse);
  if (!report.digestOk) refuse(new Refusal('MALFORMED', 'the manifest does not have the digest that is signed'));
  demand(blocks.length <= BLOCKS_MAX, 'TOO_LARGE', `${blocks.length} authentication blocks`);
  for (const block of blocks) {
    attempt(refuse, () => void report.signatures.push(...inspectBlock(block, payload, options, refuse)));
  }
}

function inspectBlock(block: Value, payload: Uint8Array, options: InspectOptions, refuse: Refuse): SignatureRow[] {
  const value = decode(asBytes(block, 'authentication block'), LENIENT);
  demand(value instanceof Tagged, 'MALFORMED', 'an authentication block has no tag');
  const { tag } = value;
  const sizes = new Map([
    [TAG_SIGN1, 4],
    [TAG_SIGN, 4],
    [TAG_MAC0, 4],
    [TAG_MAC, 5],
  ]);
  demand(sizes.has(tag), 'UNSUPPORTED', `tag ${tag} is no COSE signature or MAC`);
  const items = asArray(value.value, 'authentication block', sizes.get(tag));
  const headers = readHeaders(items, refuse);
  demand(items[2] === null, 'MALFORMED', 'the payload of an authentication block is not detached');
  if (tag === TAG_SIGN) {
    const signers = asArray(items[3], 'signers');
    return signers.map((signer) => row(tag, readHeaders(asArray(signer, 'signer', 3), refuse), null));
  }
  const proof = asBytes(items[3], 'signature');
  return [row(tag, headers, tag === TAG_SIGN1 ? isValid(headers, proof, payload, options) : null)];
}

interface Headers {
  protectedBytes: Uint8Array;
  protected: CborMap;
  kid: Uint8Array | null;
  understood: boolean;
}

function readHeaders(items: Value[], refuse: Refuse): Headers {
  const protectedBytes = asBytes(items[0], 'protected header');
  const map = protectedBytes.length === 0 ? new Map() : asMap(decode(protectedBytes, LENIENT), 'protected header');
  const unprotected = asMap(items[1], 'unprotected header');
  const kid = map.get(HEADER_KID) ?? unprotected.get(HEADER_KID);
  const critical = map.has(HEADER_CRIT) ? asArray(map.get(HEADER_CRIT), 'critical headers') : [];
  const understood = critical.every((label) => UNDERSTOOD.has(label));
  if (!understood) refuse(new Refusal('UNSUPPORTED', 'a critical header is unknown'));
  return { protectedBytes, protected: map, kid: kid === undefined ? null : asBytes(kid, 'kid'), understood };
}

function row(tag: number, headers: Headers, valid: boolean | null): SignatureRow {
  const alg = headers.protected.get(HEADER_ALG);
  const claims = (label: number) => headers.protected.has(label);
  return {
    tag,
    alg: typeof alg === 'number' || typeof alg === 'string' ? alg : null,
    kid: headers.kid && hex(headers.kid),
    role: claims(HEADER_PREVIOUS) ? 'collection' : claims(HEADER_CONFIRMED) ? 'distribution' : null,
    valid,
  };
}

function isValid(h: Headers, signature: Uint8Array, payload: Uint8Array, options: InspectOptions): boolean | null {
  const { verifier, key, sha256 } = options;
  if (!verifier || !key) return null;
  const scheme = SAME_SCHEME.get(h.protected.get(HEADER_ALG) ?? null);
  const message = toBeSigned(h.protectedBytes, new Uint8Array(), payload);
  const holds = h.understood && scheme === key.alg && verifier.verify(key.alg, key.bytes, message, signature);
  const ofAnother = h.kid?.length === KID_BYTES && !equal(h.kid, kidOf(sha256, key));
  return holds || (ofAnother ? null : false);
}
