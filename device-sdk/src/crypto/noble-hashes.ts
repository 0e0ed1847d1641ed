import { sha256 } from '@noble/hashes/sha2.js';
import type { Hash } from '../ports.ts';

/** SHA-256 by @noble/hashes, for every portable backend. */
export const nobleHashes = {
  sha256: (bytes: Uint8Array): Uint8Array => sha256(bytes),
  hash(): Hash {
    const state = sha256.create();
    return { update: (bytes) => void state.update(bytes), digest: () => state.digest() };
  },
};
