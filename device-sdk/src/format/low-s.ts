/**
 * Of every ECDSA signature (r, s) anybody can make a second one, (r, n - s), without the key. Statements are chained and
 * acknowledged by the hash of their whole bytes: whoever carries a device's report could exchange its signature, and no
 * later report would continue what was logged. So in a statement only the smaller of the two is valid, and so it is in a
 * ledger's blocks, each of which names the whole bytes of the one before.
 */
import { compare } from './bytes.ts';

/** Order of P-256 (FIPS 186-5), and its half, big endian. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const HALF = bytesOf(N / 2n);

/** True where an ESP256 signature is the one of its two forms that statements carry. */
export function isLowS(signature: Uint8Array): boolean {
  return compare(signature.subarray(32), HALF) <= 0;
}

/** The same signature with its smaller s; signers need not know the rule. */
export function withLowS(signature: Uint8Array): Uint8Array {
  if (signature.length !== 64 || isLowS(signature)) return signature;
  const s = signature.subarray(32).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const low = new Uint8Array(signature);
  // A scalar beyond n is no signature at all; it stays one that verifies nowhere.
  if (s < N) low.set(bytesOf(N - s), 32);
  return low;
}

function bytesOf(scalar: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 31, rest = scalar; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
