/**
 * Just enough of edwards25519 to tell whether a public key lies in the prime-order subgroup. Every backend shares it,
 * as node:crypto and tweetnacl offer no arithmetic of points. It sees public keys only and need not be constant time.
 */
import { littleEndian, primeField } from './arithmetic.ts';

/** Extended coordinates of RFC 8032 section 5.1.4: x = X/Z, y = Y/Z, xy = T/Z. */
export interface Point {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

/** True when [L]point is the neutral element. */
export function isTorsionFree(point: Point): boolean {
  let sum: Point = { X: 0n, Y: 1n, Z: 1n, T: 0n };
  for (const bit of L.toString(2)) {
    sum = add(sum, sum);
    if (bit === '1') sum = add(sum, point);
  }
  return sum.X === 0n && sum.Y === sum.Z;
}

/**
 * The point that 32 bytes encode, by RFC 8032 section 5.1.3.
 * @returns undefined where y is not below p, no x exists, or x is zero with its sign set.
 */
export function decodePoint(bytes: Uint8Array): Point | undefined {
  const number = littleEndian(bytes);
  const y = number & ((1n << 255n) - 1n);
  const sign = number >> 255n;
  if (y >= P) return undefined;
  const root = rootOfRatio(mod(y * y - 1n), mod(D * y * y + 1n));
  if (root === undefined || (root === 0n && sign === 1n)) return undefined;
  const x = (root & 1n) === sign ? root : P - root;
  return { X: x, Y: y, Z: 1n, T: mod(x * y) };
}

const P = 2n ** 255n - 19n;
const { mod, power } = /* @__PURE__ */ primeField(P);
const L = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn;
/** -121665 / 121666 */
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;
/** A square root of -1: 2^((p - 1) / 4). */
const ROOT_OF_MINUS_ONE = 0x2b8324804fc1df0b2b4d00993dfbd7a72f431806ad2fe478c4ee1b274a0ea0b0n;

/** The complete addition of RFC 8032 section 5.1.4: it holds for equal, opposite and small-order points too. */
function add(p: Point, q: Point): Point {
  const a = mod((p.Y - p.X) * (q.Y - q.X));
  const b = mod((p.Y + p.X) * (q.Y + q.X));
  const c = mod(mod(2n * p.T * q.T) * D);
  const d = mod(2n * p.Z * q.Z);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return { X: mod(e * f), Y: mod(g * h), Z: mod(f * g), T: mod(e * h) };
}

/** sqrt(u / v), by one power of (p - 5) / 8. */
function rootOfRatio(u: bigint, v: bigint): bigint | undefined {
  const v3 = mod(v * v * v);
  const candidate = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const check = mod(v * candidate * candidate);
  if (check === u) return candidate;
  return check === mod(-u) ? mod(candidate * ROOT_OF_MINUS_ONE) : undefined;
}
