/** What a device must not forget. How it lies in the journal is records.ts; who changes it, store.ts. */
import { equal } from '../format/bytes.ts';
import type { Head } from '../format/head.ts';
import type { Stage, StageCode } from '../format/report.ts';
import type { SignedRoot } from '../format/root.ts';
import type { SlotNumber } from '../ports.ts';
import type { Running } from '../verify/types.ts';
import type { Pending } from './pending.ts';

/** Reports that wait for an acknowledgement. The oldest are kept: they are the ones the chain needs first. */
export const OUTBOX_MAX = 8;
/** Failed releases and branches that are remembered; a class has at most a few open releases. */
export const FAILED_MAX = 16;

/** Refusals of releases that are remembered as reported: an attacker who alternates a few must not fill the ledger. */
export const TOLD_MAX = 16;

export interface Identity {
  deviceId: Uint8Array;
  vendorId: Uint8Array;
  classId: Uint8Array;
  brokerId: string;
}

export interface RunningRelease extends Running {
  version: string;
  slot: SlotNumber;
}

/** A release (by manifest digest) or a branch (by chain head) that failed so often. */
export interface Failure {
  digest: Uint8Array;
  count: number;
}

/** A refusal or failure of a release, in a rollout, that has been reported. */
export interface Told {
  manifestDigest: Uint8Array;
  rolloutId: Uint8Array;
  code: string;
}

export const FINDINGS = ['trial', 'updated', 'reverted', 'refused'] as const;

/** The newest finding that met a full outbox. */
export interface Missed {
  kind: (typeof FINDINGS)[number];
  code: StageCode;
  rolloutId?: Uint8Array;
  attempt: number;
  manifestDigest: Uint8Array;
  stages: [Stage, StageCode][];
}

/** Left by a confirmation until the next trial: what to go back to, should the boot loader never keep the new image. */
export interface Handover {
  /** Times that the loader has been told again to boot the confirmed slot. */
  repeats: number;
  /** The release that ran before. */
  former?: RunningRelease;
  rolloutId?: Uint8Array;
  attempt: number;
}

/** What a device with one slot knows of the container that it holds, beside the pending release. */
export interface InPlace {
  bytes: number;
  frameBytes: number;
  frameCount: number;
  /** Pages written, whether the next one is being copied, and where the decoder goes on: InPlaceProgress. */
  done: number;
  copying: boolean;
  checkpoint: Uint8Array;
  /** The image lies in the slot whole, and was read back. */
  written: boolean;
  /** Times that it has been started on trial. */
  boots: number;
}

/** Bytes of frames that a rollout's release has cost, as far as the journal knows. */
export interface Spent {
  rolloutId: Uint8Array;
  bytes: number;
  /** What it may cost, by the largest of the branches that have been fetched from. */
  max: number;
}

export interface Counters {
  /** Logins up to this number may have been used. */
  login: number;
  command: number;
}

/** Where the chain of reports stands. */
export interface ReportChain {
  epoch: number;
  counter: number;
  previous: Uint8Array;
}

export interface QueuedReport {
  counter: number;
  bytes: Uint8Array;
}

export interface State {
  root: SignedRoot;
  head: Head;
  identity: Identity;
  running: RunningRelease;
  rolloutSequence: number;
  floor: number;
  failed: Failure[];
  counters: Counters;
  reports: ReportChain;
  pending: Pending | undefined;
  spent: Spent | undefined;
  handover: Handover | undefined;
  inPlace: InPlace | undefined;
  /** What was reported lately, so that it is reported once. */
  told: Told[];
  missed: Missed | undefined;
  outbox: QueuedReport[];
  /** The journal has once fallen back to older values: what was counted since may be counted again. */
  damaged: boolean;
}

/** Counts a failure of a release or branch. */
export function addFailure(failed: readonly Failure[], digest: Uint8Array, count = 1): Failure[] {
  const before = failed.find((item) => equal(item.digest, digest));
  const rest = failed.filter((item) => item !== before);
  return [...rest, { digest, count: (before?.count ?? 0) + count }].slice(-FAILED_MAX);
}

/** Releases and branches with two counted failures: they count as absent. */
export function failedDigests(failed: readonly Failure[]): Uint8Array[] {
  return failed.filter(({ count }) => count >= 2).map(({ digest }) => digest);
}

export function addTold(told: readonly Told[], { manifestDigest, rolloutId, code }: Told): Told[] {
  return [...told, { manifestDigest, rolloutId, code }].slice(-TOLD_MAX);
}
