/** An install under way, as the journal holds it: enough to go on after a power cut, never enough to skip a check. */

import type { Value } from '../format/cbor.ts';
import type { StageCode } from '../format/report.ts';
import { asArray, asBytes, asText, asUint, optional } from '../format/shape.ts';
import type { ImageId } from '../format/suit.ts';
import type { SlotNumber } from '../ports.ts';

/**
 * fetching: frames are being applied into the slot;
 * staged: the slot holds the verified image, no trial has begun;
 * trial: the loader was or is about to be told to try the slot.
 */
export const PHASES = ['fetching', 'staged', 'trial'] as const;
export type Phase = (typeof PHASES)[number];

/** One record commits the next frame, the hash it must have, and the decoder's checkpoint. */
export interface Progress {
  frameIndex: number;
  expected: Uint8Array;
  /** Bytes of that frame's payload which the decoder has already had. */
  skip: number;
  /** Image bytes that are durable in the slot. */
  written: number;
  checkpoint: Uint8Array;
}

export interface Pending {
  phase: Phase;
  sequence: number;
  manifestDigest: Uint8Array;
  releaseLeaf: Uint8Array;
  image: ImageId;
  version: string;
  policy: number;
  rolloutId: Uint8Array;
  slot: SlotNumber;
  /** Names the branch. */
  chainHead: Uint8Array;
  /** Trials begun. */
  attempt: number;
  attemptsMax: number;
  /** Times that frames have come since the last checkpoint. */
  sessions: number;
  progress: Progress | undefined;
  /** Why the trial failed, written before the restart that reverts it. */
  failure: StageCode | undefined;
}

export function pendingValue(p: Pending): Value {
  const progress = p.progress;
  return [
    PHASES.indexOf(p.phase),
    [p.sequence, p.manifestDigest, p.releaseLeaf, p.image.digest, p.image.bytes, p.version, p.policy],
    p.rolloutId,
    p.slot,
    p.chainHead,
    [p.attempt, p.attemptsMax, p.sessions],
    progress ? [progress.frameIndex, progress.expected, progress.skip, progress.written, progress.checkpoint] : null,
    p.failure ?? null,
  ];
}

export function readPending(value: Value): Pending {
  const [phase, release, rolloutId, slot, chainHead, attempts, progress, failure] = asArray(value, 'pending', 8);
  const [sequence, manifestDigest, leaf, imageDigest, imageBytes, version, policy] = asArray(
    release,
    'pending release',
    7,
  );
  const [attempt, attemptsMax, sessions] = asArray(attempts, 'attempts', 3);
  return {
    phase: PHASES[asUint(phase, 'phase', PHASES.length - 1)]!,
    sequence: asUint(sequence, 'sequence'),
    manifestDigest: asBytes(manifestDigest, 'manifest digest', 32),
    releaseLeaf: asBytes(leaf, 'release leaf', 32),
    image: { digest: asBytes(imageDigest, 'image digest', 32), bytes: asUint(imageBytes, 'image size') },
    version: asText(version, 'version'),
    policy: asUint(policy, 'policy'),
    rolloutId: asBytes(rolloutId, 'rollout id', 16),
    slot: asUint(slot, 'slot', 1) as SlotNumber,
    chainHead: asBytes(chainHead, 'chain head', 32),
    attempt: asUint(attempt, 'attempt'),
    attemptsMax: asUint(attemptsMax, 'attempts'),
    sessions: asUint(sessions, 'sessions'),
    progress: optional(progress, readProgress),
    failure: optional(failure, (item) => asText(item, 'failure') as StageCode),
  };
}

function readProgress(value: Value): Progress {
  const [frameIndex, expected, skip, written, checkpoint] = asArray(value, 'progress', 5);
  return {
    frameIndex: asUint(frameIndex, 'frame'),
    expected: asBytes(expected, 'expected hash', 32),
    skip: asUint(skip, 'skip'),
    written: asUint(written, 'written'),
    checkpoint: asBytes(checkpoint, 'checkpoint'),
  };
}
