/** What an inspection says, and what its parts share: one refusal in one part hides nothing of the others. */
import { type Code, demand, Refusal } from '../errors.ts';
import type { Verifier } from '../ports.ts';
import { equal } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import type { PublicKey } from './cose.ts';
import type { Sha256 } from './merkle.ts';
import { asArray, asBytes, asInt } from './shape.ts';
import { SUIT_SHA256 } from './suit.ts';
import type { Command } from './suit-commands.ts';

/** The manifest, the authentication wrapper and each severed member: far above any real one, small to hold decoded. */
export const INSPECT_PART_BYTES_MAX = 65_536;

export interface InspectOptions {
  sha256: Sha256;
  /** Both are needed to check signatures. */
  verifier?: Verifier;
  key?: PublicKey;
}

export interface SignatureRow {
  /** CBOR tag: 18 Sign1, 98 Sign (one row per signer), 17 Mac0, 97 Mac. */
  tag: number;
  /** COSE algorithm of the protected header; null where there is none. */
  alg: number | string | null;
  /** Key id in hex. */
  kid: string | null;
  /** What the protected header claims to be: `collection` (-65538) or `distribution` (-65537). */
  role: 'collection' | 'distribution' | null;
  /** null where no key was given, the block names another key, or it is no Sign1. */
  valid: boolean | null;
}

export interface Inspection {
  /** True when the manifest and every severed member that is present have the digests that are signed. */
  digestOk: boolean;
  sequence: number | null;
  /** Component identifiers, each a list of hex strings. */
  components: string[][];
  /** By section: `shared-sequence`, `payload-fetch`, `install`, `validate`, `load`, `invoke` … */
  commands: Record<string, Command[]>;
  signatures: SignatureRow[];
  /** Code of the first reason why a recipient of the base specification refuses it; null where there is none. */
  refusal: Code | null;
  /** The same in words. */
  refusalText: string | null;
  /** Code with which a Countersign device refuses its shape, before any signature; null where it reads it. */
  profileRefusal: Code | null;
  /** SUIT_Digest of the manifest: algorithm and hex. */
  digest: { alg: number; digest: string } | null;
  /** Names of members that are severed and absent. */
  severed: string[];
  payloads: { name: string; bytes: number }[];
  text: unknown;
  referenceUri: string | null;
}

export interface Outer {
  authentication: Uint8Array;
  manifest: Uint8Array;
  members: Map<number, Value>;
  payloads: { name: string; bytes: number }[];
}

export function bounded(bytes: Uint8Array, what: string): Uint8Array {
  demand(bytes.length <= INSPECT_PART_BYTES_MAX, 'TOO_LARGE', `${what} has ${bytes.length} bytes`);
  return bytes;
}

export type Refuse = (refusal: Refusal) => void;

/** One damaged part must not hide the others. */
export function attempt(refuse: Refuse, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    refuse(error);
  }
}

export interface Digest {
  alg: number;
  digest: Uint8Array;
}

export function readDigest(value: Value | undefined, what: string): Digest {
  const [alg, digest] = asArray(value, what, 2);
  return { alg: asInt(alg, 'digest algorithm'), digest: asBytes(digest, what) };
}

/** A digest covers a member together with the head of the byte string that carries it. */
export function digestHolds(sha256: Sha256, expected: Digest, member: Uint8Array, refuse: Refuse): boolean {
  if (expected.alg !== SUIT_SHA256) {
    refuse(new Refusal('UNSUPPORTED', `digest algorithm ${expected.alg} is not SHA-256`));
    return false;
  }
  return equal(sha256(encode(member)), expected.digest);
}
