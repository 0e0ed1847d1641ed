/** A release that was prepared and signed once, before an engineer has put his name to it. */
import { demand } from '@countersign/device-sdk';
import { hex, unhex } from '@countersign/device-sdk/format';

/** One branch of the manifest and how it stood its trial. */
export interface BranchSummary {
  /** Absent for the application. */
  component?: string;
  /** Version of the base; null for the full image. */
  base: string | null;
  /** Container bytes, without the hashes between frames. */
  bytes: number;
  /** Of the image's size. */
  percent: number;
  workspaceBytes: number;
  /** A delta of the two images, one whose alignment went through the release between, or the whole image. */
  path: 'direct' | 'composed' | 'full';
  predictor: string;
  coder: string;
  /** Making it. */
  seconds: number;
  trial: TrialSummary;
}

/** What the rig did with one branch. */
export interface TrialSummary {
  /** Flash and boot operations of one undisturbed installation. */
  operations: number;
  /** Power cuts survived. */
  cuts: number;
  /** Hardware revisions on which the self-test passed. */
  hardware: string[];
  seconds: number;
}

export interface Prepared {
  /** Leaf hash of block 1: the release's name everywhere. */
  releaseLeaf: Uint8Array;
  block1: Uint8Array;
  manifest: Uint8Array;
  /** CIDv1 of the image. */
  contentId: string;
  fileName: string;
  sequence: number;
  branches: BranchSummary[];
  /** Bases that got no branch, and why. */
  dropped: { component?: string; base: string; reason: string }[];
}

export interface PreparedJson extends Omit<Prepared, 'releaseLeaf' | 'block1' | 'manifest'> {
  releaseLeaf: string;
  block1: string;
  manifest: string;
}

/** For the API: byte strings as lower-case hex. */
export function preparedJson(p: Prepared): PreparedJson {
  return { ...p, releaseLeaf: hex(p.releaseLeaf), block1: hex(p.block1), manifest: hex(p.manifest) };
}

/** The client's side of it. Only the three byte strings matter, and `checkPrepared` checks them. @throws Refusal MALFORMED */
export function readPreparedJson(json: unknown): Prepared {
  const object = Object(json) as PreparedJson;
  const bytes = (name: 'releaseLeaf' | 'block1' | 'manifest'): Uint8Array => {
    const value = typeof object[name] === 'string' ? unhex(object[name]) : undefined;
    demand(value, 'MALFORMED', `the server's answer has no ${name}`);
    return value;
  };
  const lists = Array.isArray(object.branches) && Array.isArray(object.dropped);
  const texts = typeof object.contentId === 'string' && typeof object.fileName === 'string';
  demand(lists && texts, 'MALFORMED', "the server's answer is not a prepared release");
  return { ...object, releaseLeaf: bytes('releaseLeaf'), block1: bytes('block1'), manifest: bytes('manifest') };
}
