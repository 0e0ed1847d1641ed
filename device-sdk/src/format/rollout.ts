/**
 * The rollout statement by the command key: which devices may install a release, from when to when. It is logged, and
 * its digest stands in the class index: a thief of the key cannot target one victim off the record, and an old "open"
 * cannot be replayed after a pause.
 */
import { demand, Refusal } from '../errors.ts';
import { concat, equal } from './bytes.ts';
import { decode, type Value } from './cbor.ts';
import { CLASS_BYTES, checkState } from './index-entry.ts';
import { HASH_BYTES, leafHash, rootFromInclusion, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asUint, optional, shown } from './shape.ts';

export const ID_BYTES = 16;
/** A rollout with 8 cohorts and a window. */
export const ROLLOUT_BYTES_MAX = 1024;
/** A threshold of 2^32 lets every device in. */
export const EVERYONE = 2 ** 32;
/** Alternatives in one cohort: a share of the fleet and a few named groups. */
export const COHORTS_MAX = 8;
/** A day: jitter longer than that is a wrong plan. */
export const JITTER_SECONDS_MAX = 86_400;

/** A share of the fleet, or a group whose salted device ids form a Merkle tree. */
export type Cohort = { threshold: number } | { root: Uint8Array };

export interface Rollout {
  rolloutId: Uint8Array;
  rolloutSequence: number;
  releaseLeaf: Uint8Array;
  classId: Uint8Array;
  state: number;
  /** SHA-256 of block 2 as it stands in the envelope. */
  block2Digest: Uint8Array;
  /** A device is in when any of these lets it in. */
  cohorts: Cohort[];
  /** Seconds since the epoch; end null for none. */
  window?: { start: number; end: number | null };
  /** Devices spread their start over this many seconds. */
  jitterSeconds: number;
  /** Attempts per device and release. */
  attemptsMax: number;
}

/** A group member's proof, given in the answer to an announcement request. */
export interface Membership {
  salt: Uint8Array;
  index: number;
  size: number;
  path: Uint8Array[];
}

export function rolloutValue(r: Rollout): Value {
  const cohorts = r.cohorts.map((cohort): Value => ('root' in cohort ? [1, cohort.root] : [0, cohort.threshold]));
  const window = r.window ? [r.window.start, r.window.end] : null;
  const policy = [r.jitterSeconds, r.attemptsMax];
  return [r.rolloutId, r.rolloutSequence, r.releaseLeaf, r.classId, r.state, r.block2Digest, cohorts, window, policy];
}

/** @param payload of a rollout statement. @throws Refusal MALFORMED */
export function readRollout(payload: Uint8Array): Rollout {
  const items = asArray(decode(payload), 'rollout', 9);
  const [rolloutId, rolloutSequence, releaseLeaf, classId, state, block2Digest, cohorts, window, policy] = items;
  const [jitter, attempts] = asArray(policy, 'rollout policy', 2);
  checkState(asUint(state, 'rollout state'));
  return {
    rolloutId: asBytes(rolloutId, 'rollout id', ID_BYTES),
    rolloutSequence: asUint(rolloutSequence, 'rollout sequence'),
    releaseLeaf: asBytes(releaseLeaf, 'release leaf', HASH_BYTES),
    classId: asBytes(classId, 'class id', CLASS_BYTES),
    state: asUint(state, 'rollout state'),
    block2Digest: asBytes(block2Digest, 'block 2 digest', HASH_BYTES),
    cohorts: readCohorts(cohorts),
    window: optional(window, readWindow),
    jitterSeconds: asUint(jitter, 'jitter', JITTER_SECONDS_MAX),
    attemptsMax: asUint(attempts, 'attempts', 255),
  };
}

function readCohorts(value: Value | undefined): Cohort[] {
  const cohorts = asArray(value, 'cohorts');
  demand(cohorts.length <= COHORTS_MAX, 'MALFORMED', `${cohorts.length} cohorts`);
  return cohorts.map((cohort) => {
    const [kind, argument] = asArray(cohort, 'cohort', 2);
    if (kind === 0) return { threshold: asUint(argument, 'threshold', EVERYONE) };
    demand(kind === 1, 'UNSUPPORTED', `cohort kind ${shown(kind)}`);
    return { root: asBytes(argument, 'cohort root', HASH_BYTES) };
  });
}

function readWindow(value: Value): { start: number; end: number | null } {
  const [start, end] = asArray(value, 'window', 2);
  return { start: asUint(start, 'window start'), end: end === null ? null : asUint(end, 'window end') };
}

/** A device's place in the order of a rollout: the first 4 bytes, big-endian, of SHA-256(rollout id, device id). */
export function placeOf(sha256: Sha256, rolloutId: Uint8Array, deviceId: Uint8Array): number {
  const digest = sha256(concat(rolloutId, deviceId));
  return ((digest[0]! << 24) | (digest[1]! << 16) | (digest[2]! << 8) | digest[3]!) >>> 0;
}

/** Leaf of a group tree. The salt keeps outsiders from testing which device is in the group. */
export function memberLeaf(sha256: Sha256, salt: Uint8Array, deviceId: Uint8Array): Uint8Array {
  return leafHash(sha256, concat(salt, deviceId));
}

/** True when the rollout lets this device in. A broken membership proof lets nobody in. */
export function isInCohort(sha256: Sha256, r: Rollout, deviceId: Uint8Array, membership?: Membership): boolean {
  return r.cohorts.some((cohort) => {
    if ('threshold' in cohort) return placeOf(sha256, r.rolloutId, deviceId) < cohort.threshold;
    return membership !== undefined && isMember(sha256, cohort.root, deviceId, membership);
  });
}

/** A membership comes unsigned from the network: a broken one must not hide that another cohort lets the device in. */
function isMember(sha256: Sha256, root: Uint8Array, deviceId: Uint8Array, m: Membership): boolean {
  try {
    return equal(rootFromInclusion(sha256, m.index, m.size, memberLeaf(sha256, m.salt, deviceId), m.path), root);
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}
