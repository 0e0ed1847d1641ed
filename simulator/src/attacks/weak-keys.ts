/** Public keys that are none, or that bind their owner to nothing, in the length that a COSE_Key gives them. */
import { littleEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { bytes32, readPoint } from '@countersign/device-sdk/crypto/p256-point';
import { ALG_ED25519, ALG_ESP256, concat, type PublicKey } from '@countersign/device-sdk/format';
import { generateKeyPair } from '@countersign/device-sdk/host/crypto';

const ED25519_PRIME = 2n ** 255n - 19n;
const P256_PRIME = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
/** Of two of the four points of order 8. */
const ORDER_8_Y = 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n;

const ed25519 = (y: bigint, sign = 0n): PublicKey => ({
  alg: ALG_ED25519,
  bytes: bytes32(y + (sign << 255n)).reverse(),
});
const p256 = (x: bigint, y: bigint): PublicKey => ({
  alg: ALG_ESP256,
  bytes: concat(Uint8Array.of(4), bytes32(x), bytes32(y)),
});

/** A sound key and the point of order 2 together: (x, y) + (0, -1) = (-x, -y). */
function withTorsion(): PublicKey {
  const number = littleEndian(generateKeyPair(ALG_ED25519).publicKey);
  const y = number & (2n ** 255n - 1n);
  return ed25519(ED25519_PRIME - y, 1n - (number >> 255n));
}

/** A point whose x leaves room for the prime in 32 bytes, by trying: half of all x have one. */
function smallX(): { x: bigint; y: bigint } {
  for (let x = 1n; ; x++) {
    try {
      return { x, y: readPoint(concat(Uint8Array.of(2), bytes32(x))).Y };
    } catch {
      // No point has this x.
    }
  }
}

export interface WeakKey {
  /** After "a key …". */
  what: string;
  key: PublicKey;
}

const small = smallX();

export const WEAK_KEYS: readonly WeakKey[] = [
  // It lies in every subgroup: to look for a part outside of the right one does not find it.
  { what: 'that is the neutral point', key: ed25519(1n) },
  { what: 'of order 2', key: ed25519(ED25519_PRIME - 1n) },
  { what: 'of order 4', key: ed25519(0n) },
  { what: 'of order 8', key: ed25519(ORDER_8_Y) },
  { what: 'of order 2, written as minus zero', key: ed25519(ED25519_PRIME - 1n, 1n) },
  { what: 'with a part of order 2', key: withTorsion() },
  { what: 'whose y is not below the prime', key: ed25519(ED25519_PRIME + 3n) },
  { what: 'that is on no Edwards curve', key: ed25519(2n) },
  { what: 'of all ones', key: ed25519(2n ** 255n - 1n, 1n) },
  { what: 'that is off P-256', key: p256(small.x, small.y + 1n) },
  { what: 'whose x is not below the prime', key: p256(small.x + P256_PRIME, small.y) },
  { what: 'that writes the infinity of P-256 as zeros', key: p256(0n, 0n) },
];
