/** What verification takes and gives. The brands keep the order: each step takes only what the one before it made. */
import type { Announcement } from '../format/announcement.ts';
import type { Envelope } from '../format/envelope.ts';
import type { Head, Receipt } from '../format/head.ts';
import type { Membership, Rollout } from '../format/rollout.ts';
import type { TrustRoot } from '../format/root.ts';
import type { Statement } from '../format/statement.ts';
import type { Branch, ImageId, Manifest, MemoryClass, ReleaseImage } from '../format/suit.ts';

declare const shaped: unique symbol;
declare const proven: unique symbol;
declare const verified: unique symbol;

/** An announcement whose every part has the right shape. Nothing in it is trusted. */
export interface Shaped {
  [shaped]: true;
  announcement: Announcement;
  envelope: Envelope;
  receipt: Receipt;
  rolloutStatement: Statement;
}

/** Signed by both, logged, current in the head it came with. */
export interface Proven {
  [proven]: true;
  envelope: Envelope;
  manifest: Manifest;
  releaseLeaf: Uint8Array;
  head: Head;
  headDigest: Uint8Array;
  rollout: Rollout;
  indexFloor: number;
}

/** How one component of a release comes to its slot. */
export interface Step {
  /** Of a further component; the application has none. */
  id?: string;
  image: ImageId;
  /** What runs of it. */
  running: ImageId | undefined;
  /** None where the image is the one that runs: it is copied. */
  branch: Branch | undefined;
}

/** A release that this device may install now, and the branches it will take. */
export interface Release {
  manifest: Manifest;
  manifestDigest: Uint8Array;
  releaseLeaf: Uint8Array;
  rollout: Rollout;
  /** Every component, the application first. */
  steps: readonly Step[];
}

/** Only {@link verifyRelease} makes one; install accepts nothing else. */
export type Verified<T> = T & { readonly [verified]: true };

/** What the device stores and believes before this announcement. */
export interface Trust {
  root: TrustRoot;
  head: Head;
  device: DeviceFacts;
  /** Highest rollout sequence seen for the class. */
  rolloutSequence: number;
}

/** What a device must fetch before the last step. */
export interface Needs {
  consistency?: { from: number; to: number };
  entries?: { leafHash: Uint8Array; count: number };
  freshness: boolean;
}

/** What it fetched. */
export interface Proofs {
  consistency?: readonly Uint8Array[];
  entries?: readonly Uint8Array[];
  fresh?: FreshAnswer;
  membership?: Membership;
}

/** The confirmed release a device runs. */
export interface Running {
  sequence: number;
  manifestDigest: Uint8Array;
  releaseLeaf: Uint8Array;
  image: ReleaseImage;
}

export interface DeviceFacts {
  deviceId: Uint8Array;
  vendorId: Uint8Array;
  classId: Uint8Array;
  running: Running;
  /** The device's own floor. */
  floor: number;
  /** Seconds since the epoch, undefined without a clock. */
  now?: number;
  /** Without a clock and an answer, a head that is not older than the stored one will do. */
  offline?: boolean;
}

export interface Resources {
  slotBytes: number;
  /** Further components, in the product's order. */
  components?: readonly { id: string; slotBytes: number }[];
  /** Of a device with one slot: a payload lies there whole, with its hashes, before it is applied. */
  stagingBytes?: number | undefined;
  workspaceBytes: number;
  memoryClass: MemoryClass;
  /** Branches that failed twice, by chain head: their base check counts as false. An image whose copy did, by its digest. */
  failedBranches: readonly Uint8Array[];
}

export interface FreshAnswer {
  /** The nonce this device sent. */
  nonce: Uint8Array;
  statement: Uint8Array;
}
