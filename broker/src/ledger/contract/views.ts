/** What the contract's queries answer: plain JSON, byte strings as lower-case hex, times in seconds since the epoch. */
import type { PredictorName } from '@countersign/device-sdk/delta/model';
import type { MemoryClass } from '@countersign/device-sdk/format';
import type { ComponentSlotSize, OneSlotFlashSizes, PersonRole, RequireTrial } from './args.ts';
import type { GrantKind } from './grant-args.ts';
import type { SubjectKind } from './passport-args.ts';
import type { TrialFaults } from './trial-args.ts';

export interface ProductView {
  classId: string;
  vendorId: string;
  vendorDomain: string;
  name: string;
  memoryClass: MemoryClass;
  frameBytes: number;
  slotBytes: number;
  /** 0 where the encoder finds it. */
  imageBase: number;
  /** Absent where the encoder finds it. */
  cpu?: PredictorName | undefined;
  /** Absent where devices have two slots. */
  oneSlot?: OneSlotFlashSizes | undefined;
  /** Absent where a release needs no trial record. */
  requireTrial?: RequireTrial | undefined;
  /** Absent where the application is the only component. */
  components?: ComponentSlotSize[] | undefined;
  /** Approvals by distinct people that a release needs; absent where one is enough. */
  approvals?: number | undefined;
  /** Leaf hash of the latest confirmed release; 64 zeros for none. */
  head: string;
  /** Sequence of the latest confirmed release; 0 for none. */
  sequence: number;
  /** Leaf hash of the entry that last changed this object. */
  previous: string;
}

export type ReleaseState = 'uploaded' | 'approved' | 'confirmed' | 'rejected';

export interface BranchView {
  baseDigest: string | null;
  baseBytes: number | null;
  payloadBytes: number;
  chainHead: string;
}

export interface ComponentView {
  id: string;
  imageDigest: string;
  imageBytes: number;
  contentId: string;
  branches: BranchView[];
}

export interface ReleaseView {
  /** Leaf hash of block 1: names the release everywhere. */
  releaseLeaf: string;
  classId: string;
  product: string;
  sequence: number;
  version: string;
  /** mandatory or optional; log or not; reboot or not; downgrade or not. */
  policy: { mandatory: boolean; log: boolean; reboot: boolean; downgrade: boolean };
  manifestDigest: string;
  imageDigest: string;
  imageBytes: number;
  fileName: string;
  contentId: string;
  previousLeaf: string;
  branches: BranchView[];
  /** Further components, in the product's order; absent where there are none. */
  components?: ComponentView[] | undefined;
  state: ReleaseState;
  /** Name of the person who uploaded. */
  deployer: string;
  approvals: string[];
  /** Of these, who approved with another key than his first one, and how many he had had before it; absent for none. */
  approvedWith?: { name: string; before: number }[] | undefined;
  rejectedBy: string | null;
  rejectReason: string | null;
  /** Index of block 1's own leaf once confirmed. */
  leafIndex: number | null;
  uploadedAt: number;
  confirmedAt: number | null;
  previous: string;
}

/** The newest trial record of a release. */
export interface TrialView {
  releaseLeaf: string;
  sequence: number;
  seed: string;
  faults: TrialFaults;
  profiles: {
    hardware: string;
    /** null: an image that no branch is from. */
    baseDigest: string | null;
    devices: number;
    /** Devices by how they ended; OK is on the new release. */
    outcomes: Record<string, number>;
    /** Of a release of several components: how each ended, the application first. */
    components?: { id: string; baseDigest: string | null; outcomes: Record<string, number> }[];
  }[];
  /** SHA-256 of the whole log. */
  logDigest: string;
  /** Who signed it. */
  by: string;
  /** Keys that the signer had had before the one that signed; absent for the first. */
  byBefore?: number;
  /** Records of this release so far, and those of them in which a device failed: trying until it passes shows. */
  records: number;
  recordsWithFailures: number;
  previous: string;
}

/** Which document is the newest about a device, or about the devices of a class. */
export interface PassportView {
  subject: SubjectKind;
  /** Device id or class id. */
  id: string;
  classId: string;
  serial: number;
  /** SHA-256 of the signed document. */
  digest: string;
  /** Who put it on the record. */
  by: string;
  previous: string;
}

/** An identity of a server and the points that were issued for it: one, or two that convict the centre. */
export interface IssuedKeyView {
  role: string;
  name: string;
  epoch: number;
  points: {
    /** Compressed point, 33 bytes. */
    point: string;
    /** Thumbprint of the key of the centre that issued it. */
    centre: string;
    /** SHA-256 of the certificate: what the trust root lists. */
    thumbprint: string;
    by: string;
    /** Leaf hash of the entry. */
    entry: string;
    time: number;
  }[];
  convicted: boolean;
  previous: string;
}

export interface PersonView {
  name: string;
  roles: PersonRole[];
  /** Class ids for which the person has these roles; absent for all products, and for what is about none. */
  products?: readonly string[];
  /** Thumbprint of the key (RFC 9679). */
  thumbprint: string;
  publicKey: string;
  state: 'proposed' | 'active' | 'revoked';
  proposedBy: string | null;
  /** A revocation that another person has still to approve. */
  revocation: { by: string; reason: string } | null;
  /** A next key that another person has still to approve. */
  newKey?: (FormerKey & { kid: string; by: string }) | undefined;
  /** Keys that were this person's, the oldest first: what they signed stays signed. */
  formerKeys?: FormerKey[];
  previous: string;
}

export interface FormerKey {
  alg: number;
  publicKey: string;
  thumbprint: string;
}

/** Whoever signs with this key enrols new devices of the class. */
export interface GrantView {
  grantId: string;
  classId: string;
  kind: GrantKind;
  /** Merkle root of the list, or thumbprint of the authority's key; null for a code. */
  content: string | null;
  publicKey: string;
  alg: number;
  devices: number;
  /** Devices enrolled so far. */
  used: number;
  expires: number;
  state: 'open' | 'revoked';
  /** Name of the operator who granted. */
  by: string;
  previous: string;
}

export interface DeviceView {
  deviceId: string;
  classId: string;
  publicKey: string;
  alg: number;
  state: 'enrolled' | 'revoked';
  epoch: number;
  /** Of the last report; 0 for none. */
  counter: number;
  /** SHA-256 of the whole last report: what the next one must name. */
  lastReport: string | null;
  /** From the last report. */
  outcome: 'trial' | 'updated' | 'reverted' | 'refused' | null;
  code: string | null;
  manifestDigest: string | null;
  slotDigest: string | null;
  /** What runs of further components, from the last report; absent where there are none. */
  components?: { id: string; digest: string; code: string }[] | undefined;
  rolloutId: string | null;
  reportedAt: number | null;
  previous: string;
}

export interface RolloutView {
  rolloutId: string;
  classId: string;
  releaseLeaf: string;
  sequence: number;
  rolloutSequence: number;
  state: 'planned' | 'open' | 'paused' | 'aborted';
  /** What a person has asked for and no rollout statement has carried out yet. */
  pending: 'open' | 'pause' | 'resume' | 'abort' | 'advance' | null;
  wave: number;
  waves: {
    cohorts: ({ threshold: number } | { root: string })[];
    failurePercentMax: number;
    reportedPercentMin: number;
    devices: number;
  }[];
  window: { start: number; end: number | null } | null;
  jitterSeconds: number;
  attemptsMax: number;
  block2Digest: string | null;
  /** SHA-256 of the current rollout statement. */
  rolloutDigest: string | null;
  statementLeaf: string | null;
  openedBy: string;
  /** What a person gave as reason for the last change; `superseded by ID` where another rollout took its place. */
  reason: string | null;
  previous: string;
}

export interface HistoryItem {
  leafHash: string;
  leafIndex: number;
  time: number;
  action: string;
  /** Person name, `service`, `command`, or a device id. */
  signer: string;
  value: unknown;
}

/** Where the order of a ledger comes from. */
export interface OrderView {
  /** null where it is decided here. */
  outside: {
    /** The last block of the outside engine that was read. */
    block: number | null;
    /** Why nothing more is read: tried again where `since` says since when, in seconds since the epoch; ended otherwise. */
    trouble: { code: string; text: string; since?: number } | null;
    /** Class ids under the brake of the engine itself; absent where it has none. */
    braked?: string[];
  } | null;
}

export interface TotalsView {
  rolloutId: string;
  /** Devices by the outcome of their newest report on this rollout. */
  trial: number;
  updated: number;
  reverted: number;
  refused: number;
  codes: Record<string, number>;
}

export const EMPTY_TOTALS = { trial: 0, updated: 0, reverted: 0, refused: 0 };
