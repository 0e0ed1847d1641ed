import { nodeVerifier } from '@countersign/device-sdk/host/crypto';

/** One for the whole pocket: it remembers keys that it has imported. */
export const verifier = nodeVerifier();
export const { sha256 } = verifier;
