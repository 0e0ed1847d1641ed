/**
 * Makes ed25519-edge.json: signatures on which honest Ed25519 verifiers are known to differ. Run after a build:
 *   node test/dist/vectors/make-ed25519-edge.js > test/vectors/ed25519-edge.json
 * It is deterministic. `verifies` follows from how a case is built, not from asking a verifier.
 */
import { pathToFileURL } from 'node:url';
import { ED25519_TORSION_SUBGROUP, ed25519 } from '@noble/curves/ed25519.js';
import { sha512 } from '@noble/hashes/sha2.js';

export interface EdgeVector {
  readonly id: string;
  readonly why: string;
  /** hex, as all below */
  readonly key: string;
  readonly message: string;
  readonly signature: string;
  /** What `verify` must say, in every backend. */
  readonly verifies: boolean;
  /** True where `checkKey` must accept the key. */
  readonly enrols: boolean;
  /** True where the equation multiplied by the cofactor holds: there, and where it differs, verifiers split. */
  readonly cofactored: boolean;
}

export function edgeVectors(): EdgeVector[] {
  return [
    ...honest(),
    ...scalarNotReduced(),
    ...smallOrderKeys(),
    ...keysThatAreNoKeys(),
    ...smallOrderR(),
    ...torsionedR(),
    ...mixedOrderKeys(),
  ];
}

const { Point } = ed25519;
type EdPoint = typeof Point.BASE;
const P = 2n ** 255n - 19n;
const L = Point.Fn.ORDER;

/** An honest signer whose scalar is known, so that any signature can be solved for s. */
const secret = Point.Fn.create(integer(sha512(text('countersign edge vectors, the scalar'))));
const A = Point.BASE.multiply(secret);
const nonce = Point.Fn.create(integer(sha512(text('countersign edge vectors, the nonce'))));
/** Points of order 1, 2, 4 and 8, the neutral one first. */
const torsion = ED25519_TORSION_SUBGROUP.map((hex) => Point.fromHex(hex)).sort((a, b) => orderOf(a) - orderOf(b));
const torsionProper = torsion.filter((point) => !point.is0());
const ACCEPTED = { verifies: true, enrols: true, cofactored: true };
const SPLIT = { verifies: false, enrols: true, cofactored: true };
const NEVER = { verifies: false, enrols: true, cofactored: false };
const BAD_KEY = { verifies: false, enrols: false, cofactored: false };

function honest(): EdgeVector[] {
  return [0, 1, 111, 112, 239, 240, 1000].map((length) => {
    const message = new Uint8Array(length).map((_, i) => i);
    const why = `an honest signature over ${length} bytes; SHA-512 pads at 111 and 239`;
    return { id: `honest-${length}`, why, ...signed(A, message, nonce), ...ACCEPTED };
  });
}

function scalarNotReduced(): EdgeVector[] {
  const message = text('s is not reduced');
  const base = signed(A, message, nonce);
  const [r, s] = [unhex(base.signature).subarray(0, 32), integer(unhex(base.signature).subarray(32))];
  const added = [1n, 2n, 7n, 14n].map((times) => ({
    id: `s-plus-${times}L`,
    why: 'the same s modulo L in other bytes: a second signature that nobody made (RFC 8032 section 5.1.7)',
    s: s + times * L,
  }));
  const exact = [
    { id: 's-is-L', why: 's = L, the first value that is too large', s: L },
    { id: 's-is-0', why: 's = 0 is in range and does not verify here', s: 0n },
    { id: 's-is-L-minus-1', why: 's = L - 1 is in range and does not verify here', s: L - 1n },
    { id: 's-all-ones', why: 'the largest s that fits 32 bytes', s: 2n ** 256n - 1n },
  ];
  return [...added, ...exact].map(({ id, why, s }) => {
    return { id, why, ...base, signature: hex(r) + hex(bytes32(s)), ...NEVER };
  });
}

/** All fourteen encodings that decode to a point of order 1, 2, 4 or 8, with a signature on which the equation holds. */
function smallOrderKeys(): EdgeVector[] {
  const encodings = torsion.flatMap((point) => [point.toBytes(), ...otherEncodings(point)]);
  return encodings.map((key) => {
    const r = Point.BASE.multiply(nonce).toBytes();
    const point = Point.fromBytes(key, true);
    const message = search((m) => times(point, challenge(r, key, m)).is0());
    return {
      id: `key-small-order-${hex(key).slice(0, 4)}-${hex(key).slice(-2)}`,
      why: `a key of order ${orderOf(point)}: the same R and s verify for many messages`,
      ...vector(key, message, r, nonce),
      ...BAD_KEY,
      cofactored: true,
    };
  });
}

function keysThatAreNoKeys(): EdgeVector[] {
  const y = (value: bigint): Uint8Array => bytes32(value);
  const rows = [
    { id: 'key-y-is-p-plus-3', why: 'y = 3 written as p + 3: a second name for one key', key: y(P + 3n) },
    { id: 'key-y-is-p-plus-18', why: 'the largest y of 255 bits, 18 written as p + 18', key: y(P + 18n) },
    { id: 'key-y-is-2', why: 'no point has y = 2', key: y(2n) },
    { id: 'key-zero-sign', why: 'y = 0 with the sign set: a point of order 4', key: y(2n ** 255n) },
    { id: 'key-all-ones', why: 'y is 2^255 - 1 and the sign is set', key: y(2n ** 256n - 1n) },
    { id: 'key-short', why: '31 bytes', key: A.toBytes().subarray(1) },
    { id: 'key-long', why: '33 bytes', key: Uint8Array.of(...A.toBytes(), 0) },
    { id: 'key-empty', why: 'no bytes', key: new Uint8Array() },
  ];
  const { message, signature } = signed(A, text('no key'), nonce);
  const flipped = A.toBytes().map((byte, i) => (i === 31 ? byte ^ 0x80 : byte));
  const lengths = [0, 32, 63, 65].map((length) => ({
    id: `signature-${length}-bytes`,
    why: 'a signature has 64 bytes',
    key: hex(A.toBytes()),
    message,
    signature: `${signature}00`.slice(0, 2 * length),
    ...NEVER,
  }));
  return [
    ...rows.map(({ id, why, key }) => ({ id, why, key: hex(key), message, signature, ...BAD_KEY })),
    { id: 'key-other-sign', why: 'the negated key', key: hex(flipped), message, signature, ...NEVER },
    ...lengths,
  ];
}

/** R of small order: s = ha makes sB - hA the neutral element, and for R neutral too the equation holds. */
function smallOrderR(): EdgeVector[] {
  return torsion.flatMap((point) => {
    const order = orderOf(point);
    const canonical = point.toBytes();
    return [canonical, ...otherEncodings(point)].map((r) => {
      const message = text('R of small order');
      const s = Point.Fn.create(challenge(r, A.toBytes(), message) * secret);
      const holds = order === 1 && r === canonical;
      return {
        id: `r-small-order-${hex(r).slice(0, 4)}-${hex(r).slice(-2)}`,
        why: holds ? 'R is neutral and the equation holds: Node 20 and 24 differ here' : `R has order ${order}`,
        ...vector(A.toBytes(), message, r, s),
        ...SPLIT,
      };
    });
  });
}

function torsionedR(): EdgeVector[] {
  return torsionProper.map((part, i) => {
    const r = Point.BASE.multiply(nonce).add(part).toBytes();
    const message = text('R with a torsion part');
    const s = Point.Fn.create(nonce + challenge(r, A.toBytes(), message) * secret);
    return {
      id: `r-torsioned-${i + 1}`,
      why: `R = rB + T with T of order ${orderOf(part)}: cofactored verifiers accept, the others do not`,
      ...vector(A.toBytes(), message, r, s),
      ...SPLIT,
    };
  });
}

/** A = aB + T. Such a key never enrols; if it were used, the plain equation alone would decide. */
function mixedOrderKeys(): EdgeVector[] {
  return torsionProper.flatMap((part, i) => {
    const point = A.add(part);
    const key = point.toBytes();
    const r = Point.BASE.multiply(nonce).toBytes();
    const order = orderOf(part);
    const rTorsioned = Point.BASE.multiply(nonce).add(part).toBytes();
    const rows = [
      { id: 'lucky', why: 'hT is neutral, so the equation holds', r, holds: (ht: EdPoint) => ht.is0() },
      { id: 'unlucky', why: 'hT is not neutral', r, holds: (ht: EdPoint) => !ht.is0() },
      { id: 'both', why: 'R = rB + T and -hT = T', r: rTorsioned, holds: (ht: EdPoint) => ht.negate().equals(part) },
    ];
    const made = rows.map((row) => {
      const message = search((m) => row.holds(times(part, challenge(row.r, key, m))));
      const s = Point.Fn.create(nonce + challenge(row.r, key, message) * secret);
      return { ...row, ...vector(key, message, row.r, s), verifies: row.id !== 'unlucky' };
    });
    return [...made, mixedWithSmallR(key, part)].map(({ id, why, message, signature, verifies }) => ({
      id: `key-mixed-order-${i + 1}-${id}`,
      why: `the key is aB + T with T of order ${order}; ${why}`,
      key: hex(key),
      message,
      signature,
      verifies,
      enrols: false,
      cofactored: true,
    }));
  });
}

/** Key and R both off the prime-order subgroup, R of small order: the plain equation holds, and we refuse it. */
function mixedWithSmallR(key: Uint8Array, part: EdPoint) {
  const r = part.toBytes();
  const message = search((m) =>
    times(part, challenge(r, key, m))
      .negate()
      .equals(part),
  );
  const s = Point.Fn.create(challenge(r, key, message) * secret);
  const why = 'R = T, s = ha and -hT = T: the equation holds with R of small order';
  return { id: 'small-r', why, ...vector(key, message, r, s), verifies: false };
}

function signed(key: EdPoint, message: Uint8Array, r: bigint): Pick<EdgeVector, 'key' | 'message' | 'signature'> {
  const encoded = Point.BASE.multiply(r).toBytes();
  const s = Point.Fn.create(r + challenge(encoded, key.toBytes(), message) * secret);
  return vector(key.toBytes(), message, encoded, s);
}

function vector(key: Uint8Array, message: Uint8Array, r: Uint8Array, s: bigint) {
  return { key: hex(key), message: hex(message), signature: hex(r) + hex(bytes32(s)) };
}

/** h = SHA-512(R || A || M) modulo L, over the bytes as given. */
function challenge(r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  return Point.Fn.create(integer(sha512(Uint8Array.of(...r, ...key, ...message))));
}

/** The encodings of a point besides the canonical one: y + p where it fits 255 bits, and "minus zero". */
function otherEncodings(point: EdPoint): Uint8Array[] {
  const { x, y } = point.toAffine();
  const signs = x === 0n ? [0n, 1n] : [x & 1n];
  const ys = y + P < 2n ** 255n ? [y, y + P] : [y];
  const all = signs.flatMap((sign) => ys.map((value) => bytes32(value + (sign << 255n))));
  return all.filter((bytes) => hex(bytes) !== point.toHex());
}

function search(fits: (message: Uint8Array) => boolean): Uint8Array {
  for (let i = 0; i < 10_000; i++) {
    const message = text(`try ${i}`);
    if (fits(message)) return message;
  }
  throw new Error('no message fits');
}

/** The order of a point whose order divides 8. */
function orderOf(point: EdPoint): number {
  return [1, 2, 4].find((order) => times(point, BigInt(order)).is0()) ?? 8;
}

/** scalar times a point whose order divides 8. */
function times(point: EdPoint, scalar: bigint): EdPoint {
  let sum = Point.ZERO;
  for (let i = 0n; i < scalar % 8n; i++) sum = sum.add(point);
  return sum;
}

function integer(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function bytes32(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function unhex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

function text(words: string): Uint8Array {
  return new Uint8Array(Buffer.from(words));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.stdout.write(`${JSON.stringify(edgeVectors(), undefined, 2)}\n`);
}
