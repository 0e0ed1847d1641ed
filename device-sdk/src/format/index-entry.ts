/**
 * The class index: for each product class the one release that devices may install now. A log proves that something was
 * included, never that nothing newer exists; this index, whose root is in every head, is what withdraws a release.
 */
import { demand } from '../errors.ts';
import { decode, encode } from './cbor.ts';
import { HASH_BYTES, leafHash, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asUint } from './shape.ts';

export const CLASS_BYTES = 16;

/** Rollout states as they stand in rollout statements and index entries. */
export const OPEN = 0;
export const PAUSED = 1;
export const ABORTED = 2;

export interface IndexEntry {
  classId: Uint8Array;
  /** Leaf hash of the current release's block 1. */
  releaseLeaf: Uint8Array;
  sequence: number;
  /** SHA-256 of the whole rollout statement. */
  rolloutDigest: Uint8Array;
  rolloutSequence: number;
  state: number;
  floor: number;
}

export function encodeIndexEntry(e: IndexEntry): Uint8Array {
  return encode([e.classId, e.releaseLeaf, e.sequence, e.rolloutDigest, e.rolloutSequence, e.state, e.floor]);
}

/** @throws Refusal MALFORMED */
export function readIndexEntry(bytes: Uint8Array): IndexEntry {
  const [classId, leaf, sequence, digest, rolloutSequence, state, floor] = asArray(decode(bytes), 'index entry', 7);
  return {
    classId: asBytes(classId, 'class id', CLASS_BYTES),
    releaseLeaf: asBytes(leaf, 'release leaf', HASH_BYTES),
    sequence: asUint(sequence, 'sequence'),
    rolloutDigest: asBytes(digest, 'rollout digest', HASH_BYTES),
    rolloutSequence: asUint(rolloutSequence, 'rollout sequence'),
    state: asUint(state, 'rollout state', ABORTED),
    floor: asUint(floor, 'floor'),
  };
}

export function indexLeaf(sha256: Sha256, entry: IndexEntry): Uint8Array {
  return leafHash(sha256, encodeIndexEntry(entry));
}

export function checkState(state: number): void {
  demand(state >= OPEN && state <= ABORTED, 'MALFORMED', `${state} is not a rollout state`);
}
