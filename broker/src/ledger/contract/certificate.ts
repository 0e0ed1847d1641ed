/**
 * As much of an X.509 certificate (RFC 5280 section 4.1) as says whose key it is and who signed that: P-256 with SHA-256
 * (RFC 5758 section 3.2) or Ed25519 (RFC 8410). Names, dates and purposes are not read here: they are the business of
 * whoever takes claims. Every peer must come to the same result, so nothing but these bytes decides.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { ALG_ED25519, ALG_ESP256, concat, equal, hex, type PublicKey, unhex } from '@countersign/device-sdk/format';

/** Of a device, with a short name and few extensions; those of P-256 have 400 to 700 bytes. */
export const CERTIFICATE_BYTES_MAX = 1_024;

export interface Certificate {
  /** What the authority signed. */
  tbs: Uint8Array;
  key: PublicKey;
  alg: number;
  /** 64 bytes: R || S, or r || s. */
  signature: Uint8Array;
}

/** AlgorithmIdentifiers whole: their parameters are absent in both. */
const SIGNED_BY = new Map([
  ['300a06082a8648ce3d040302', ALG_ESP256],
  ['300506032b6570', ALG_ED25519],
]);
/** SubjectPublicKeyInfo up to the raw key. */
const KEYS: readonly [prefix: Uint8Array, alg: number, bytes: number][] = [
  [unhex('302a300506032b6570032100')!, ALG_ED25519, 32],
  [unhex('3059301306072a8648ce3d020106082a8648ce3d030107034200')!, ALG_ESP256, 65],
];
const [INTEGER, BIT_STRING, SEQUENCE, VERSION] = [0x02, 0x03, 0x30, 0xa0];

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readCertificate(bytes: Uint8Array): Certificate {
  demand(bytes.length <= CERTIFICATE_BYTES_MAX, 'TOO_LARGE', `a certificate of ${bytes.length} bytes`);
  const [whole] = elements(bytes, [SEQUENCE]);
  const [tbs, algorithm, bits] = elements(whole!.content, [SEQUENCE, SEQUENCE, BIT_STRING]);
  const alg = SIGNED_BY.get(hex(algorithm!.bytes));
  demand(alg, 'UNSUPPORTED', 'a certificate is signed by P-256 with SHA-256, or by Ed25519');
  // version, serial number, signature, issuer, validity, subject, key; then extensions, which are left as they are.
  const inside = elements(tbs!.content, [VERSION, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE], true);
  demand(equal(inside[2]!.bytes, algorithm!.bytes), 'MALFORMED', 'a certificate names two algorithms');
  return { tbs: tbs!.bytes, key: keyOf(inside[6]!.bytes), alg, signature: signatureOf(alg, bits!.content) };
}

/** Whether this key signed the certificate. Either form of an ECDSA signature will do: nothing is named by these bytes. */
export function isIssuedBy(verifier: Verifier, { alg, tbs, signature }: Certificate, authority: PublicKey): boolean {
  return authority.alg === alg && verifier.verify(alg, authority.bytes, tbs, signature);
}

function keyOf(info: Uint8Array): PublicKey {
  for (const [prefix, alg, bytes] of KEYS) {
    const fits = info.length === prefix.length + bytes && equal(info.subarray(0, prefix.length), prefix);
    if (fits) return { alg, bytes: info.slice(prefix.length) };
  }
  throw new Refusal('UNSUPPORTED', 'a certificate is for a key of P-256 or Ed25519');
}

function signatureOf(alg: number, bits: Uint8Array): Uint8Array {
  demand(bits[0] === 0, 'MALFORMED', 'a signature of broken bytes');
  const signature = bits.subarray(1);
  if (alg === ALG_ED25519) {
    demand(signature.length === 64, 'MALFORMED', `an Ed25519 signature of ${signature.length} bytes`);
    return signature.slice();
  }
  const [pair] = elements(signature, [SEQUENCE]);
  const [r, s] = elements(pair!.content, [INTEGER, INTEGER]);
  return concat(scalar(r!.content), scalar(s!.content));
}

/** A positive integer in 32 bytes; DER puts a zero before a high bit and no other. */
function scalar(content: Uint8Array): Uint8Array {
  const bytes = content[0] === 0 ? content.subarray(1) : content;
  const shortest = content.length > 0 && (content[0] === 0 ? (bytes[0] ?? 0) >= 0x80 : content[0]! < 0x80);
  demand(shortest && bytes.length <= 32, 'MALFORMED', 'a signature with a number in another form');
  return concat(new Uint8Array(32 - bytes.length), bytes);
}

interface Element {
  tag: number;
  content: Uint8Array;
  /** Tag and length before it. */
  bytes: Uint8Array;
}

/** Elements of DER (X.690 section 10) with exactly these tags. @param more others may follow */
function elements(bytes: Uint8Array, tags: readonly number[], more = false): Element[] {
  let at = 0;
  const found = tags.map((tag) => {
    const element = elementAt(bytes, at);
    demand(element.tag === tag, 'MALFORMED', `a certificate with tag ${element.tag} where ${tag} belongs`);
    at += element.bytes.length;
    return element;
  });
  demand(more || at === bytes.length, 'MALFORMED', 'a certificate with more inside than belongs there');
  return found;
}

function elementAt(bytes: Uint8Array, at: number): Element {
  const first = bytes[at + 1] ?? 0xff;
  // Under 1 KiB two bytes of length are enough; each length in its shortest form.
  const extra = first < 0x80 ? 0 : first - 0x80;
  demand(extra <= 2, 'MALFORMED', 'a certificate is cut short, or has a length in another form');
  const length =
    extra === 0 ? first : bytes.subarray(at + 2, at + 2 + extra).reduce((sum, byte) => sum * 256 + byte, 0);
  const shortest = extra === 0 || length >= (extra === 1 ? 0x80 : 0x100);
  const start = at + 2 + extra;
  const end = start + length;
  demand(shortest && end <= bytes.length, 'MALFORMED', 'a certificate is cut short, or has a length in another form');
  return { tag: bytes[at]!, content: bytes.subarray(start, end), bytes: bytes.slice(at, end) };
}
