import { demand } from '../errors.ts';
import { bigEndian } from './arithmetic.ts';

/**
 * Shape of an ESP256 verification: an uncompressed key of 65 bytes, r and s both in [1, n - 1]. A high s is allowed,
 * as COSE asks (RFC 9053 section 2.1 knows no rule of low s); statements, which are known by their bytes, demand a low
 * one themselves.
 */
export function esp256Plausible(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === 65 &&
    publicKey[0] === 4 &&
    signature.length === 64 &&
    isScalar(signature.subarray(0, 32)) &&
    isScalar(signature.subarray(32))
  );
}

/**
 * Checks a P-256 public key once, when it is enrolled. The group has prime order: a point on the curve is in it.
 * @throws Refusal BAD_KEY
 */
export function checkEsp256Key(publicKey: Uint8Array): void {
  const shaped = publicKey.length === 65 && publicKey[0] === 4;
  demand(shaped, 'BAD_KEY', `expected an uncompressed P-256 point of 65 bytes, got ${publicKey.length}`);
  const x = bigEndian(publicKey.subarray(1, 33));
  const y = bigEndian(publicKey.subarray(33));
  demand(x < P && y < P, 'BAD_KEY', 'a coordinate of the P-256 key is not below the field prime');
  demand((y * y - (x * x * x - 3n * x + B)) % P === 0n, 'BAD_KEY', 'the P-256 key is not on the curve');
}

const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

function isScalar(bytes: Uint8Array): boolean {
  const value = bigEndian(bytes);
  return value > 0n && value < N;
}
