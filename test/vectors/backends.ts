import { nobleVerifier } from '@countersign/device-sdk/crypto/noble';
import { tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';

export const ED25519 = -19;
export const ESP256 = -9;

type Verifier = ReturnType<typeof nobleVerifier>;
export type Name = 'noble' | 'tweetnacl' | 'node';

/** Every backend of the Verifier port. What is true of one must be true of all. */
export const backends: Record<Name, Verifier> = {
  noble: nobleVerifier(),
  tweetnacl: tweetnaclVerifier(),
  node: nodeVerifier(),
};

/** The backends that offer an algorithm. */
export function backendsWith(alg: number): Name[] {
  return (Object.keys(backends) as Name[]).filter((name) => backends[name].algorithms.includes(alg));
}

export function unhex(digits: string): Uint8Array {
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** The code with which `checkKey` refuses a key, or undefined where it accepts. */
export function keyRefusal(name: Name, alg: number, key: Uint8Array): string | undefined {
  try {
    backends[name].checkKey(alg, key);
    return undefined;
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error);
  }
}
