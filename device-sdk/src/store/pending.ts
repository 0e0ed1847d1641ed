/** An install under way, as the journal holds it: enough to go on after a power cut, never enough to skip a check. */

import type { Value } from '../format/cbor.ts';
import type { StageCode } from '../format/report.ts';
import { asArray } from '../format/shape.ts';
import type { ComponentImage, ImageId, ReleaseImage } from '../format/suit.ts';
import type { SlotNumber } from '../ports.ts';
import { bytes, type Codec, digest, id, list, maybe, oneOf, record, text, uint } from './codec.ts';

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
  image: ReleaseImage;
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

const alone: Codec<ImageId> = record({ digest, bytes: uint });
const further = list<ComponentImage>(record({ id: text(), digest, bytes: uint }));

/** With further components a third element: a store from before there were any is read as it stands. */
export const image: Codec<ReleaseImage> = {
  write: (part) => [
    ...(alone.write(part) as Value[]),
    ...(part.components ? [further.write([...part.components])] : []),
  ],
  read: (value) => {
    const [first, second, components] = asArray(value, 'images');
    const application = alone.read([first!, second!]);
    return components === undefined ? application : { ...application, components: further.read(components) };
  },
};
export const slot = oneOf<SlotNumber>([0, 1]);

export const pending: Codec<Pending> = record({
  phase: oneOf(PHASES),
  sequence: uint,
  manifestDigest: digest,
  releaseLeaf: digest,
  image,
  version: text(),
  policy: uint,
  rolloutId: id,
  slot,
  chainHead: digest,
  attempt: uint,
  attemptsMax: uint,
  sessions: uint,
  progress: maybe(record({ frameIndex: uint, expected: digest, skip: uint, written: uint, checkpoint: bytes() })),
  failure: maybe(text<StageCode>()),
});
