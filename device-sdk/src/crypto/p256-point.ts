/**
 * Just enough of P-256 to derive a public key from an implicit one: no backend offers sums of points at a price that
 * every start of a process may pay. It sees public values only and need not be constant time.
 */
import { Refusal } from '../errors.ts';
import { bigEndian, primeField } from './arithmetic.ts';

/** Jacobian coordinates: x = X/Z², y = Y/Z³; infinity has Z = 0. */
export interface Point {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
}

export const INFINITY: Point = { X: 1n, Y: 1n, Z: 0n };
/** Bytes of a compressed point: SEC 1 section 2.3.3. */
export const COMPRESSED_BYTES = 33;

/** The order of the group. */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const { mod, power } = /* @__PURE__ */ primeField(P);
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

/** scalar * point, by doubling and adding. */
export function multiply(point: Point, scalar: bigint): Point {
  let sum = INFINITY;
  for (const bit of scalar.toString(2)) {
    sum = double(sum);
    if (bit === '1') sum = add(sum, point);
  }
  return sum;
}

/** Complete: equal, opposite and infinite points are taken apart. */
export function add(p: Point, q: Point): Point {
  if (p.Z === 0n) return q;
  if (q.Z === 0n) return p;
  const [zz1, zz2] = [mod(p.Z * p.Z), mod(q.Z * q.Z)];
  const [u1, u2] = [mod(p.X * zz2), mod(q.X * zz1)];
  const [s1, s2] = [mod(p.Y * zz2 * q.Z), mod(q.Y * zz1 * p.Z)];
  if (u1 === u2) return s1 === s2 ? double(p) : INFINITY;
  const h = mod(u2 - u1);
  const r = mod(s2 - s1);
  const hh = mod(h * h);
  const hhh = mod(h * hh);
  const v = mod(u1 * hh);
  const X = mod(r * r - hhh - 2n * v);
  return { X, Y: mod(r * (v - X) - s1 * hhh), Z: mod(h * p.Z * q.Z) };
}

/** Needs a = -3, as P-256 has it. No point of a group of odd order has y = 0. */
function double({ X, Y, Z }: Point): Point {
  const zz = mod(Z * Z);
  const yy = mod(Y * Y);
  const s = mod(4n * X * yy);
  const m = mod(3n * (X - zz) * (X + zz));
  const x = mod(m * m - 2n * s);
  return { X: x, Y: mod(m * (s - x) - 8n * yy * yy), Z: mod(2n * Y * Z) };
}

/**
 * Reads a point of 33 bytes (02 or 03 || x) or 65 bytes (04 || x || y); infinity has no such form.
 * @throws Refusal BAD_KEY where a coordinate is not below the prime or the point is not on the curve
 */
export function readPoint(bytes: Uint8Array): Point {
  const x = bigEndian(bytes.subarray(1, 33));
  const square = mod(x * x * x - 3n * x + B);
  if (x < P && bytes.length === COMPRESSED_BYTES && (bytes[0] === 2 || bytes[0] === 3)) {
    const root = power(square, (P + 1n) / 4n);
    if (mod(root * root) === square) return { X: x, Y: (root & 1n) === BigInt(bytes[0] & 1) ? root : P - root, Z: 1n };
  }
  if (x < P && bytes.length === 65 && bytes[0] === 4) {
    const y = bigEndian(bytes.subarray(33));
    if (y < P && mod(y * y) === square) return { X: x, Y: y, Z: 1n };
  }
  throw new Refusal('BAD_KEY', 'these bytes are no point of P-256');
}

/** @returns 65 bytes, 04 || x || y. @throws Refusal BAD_KEY for infinity */
export function writePoint({ X, Y, Z }: Point): Uint8Array {
  if (Z === 0n) throw new Refusal('BAD_KEY', 'the point is infinity');
  const inverse = power(Z, P - 2n);
  const bytes = new Uint8Array(65);
  bytes[0] = 4;
  bytes.set(bytes32(mod(X * inverse * inverse)), 1);
  bytes.set(bytes32(mod(Y * inverse * inverse * inverse)), 33);
  return bytes;
}

/** 65 bytes to 33. */
export function compressed(point: Uint8Array): Uint8Array {
  const bytes = point.slice(0, COMPRESSED_BYTES);
  bytes[0] = 2 + (point[64]! & 1);
  return bytes;
}

export function bytes32(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 31, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
