/** What can be said of a bundle by itself: everything but who is asked to believe its first trust root. */
import { demand } from '../../src/errors.ts';
import { equal, hex } from '../../src/format/bytes.ts';
import { readBlock1 } from '../../src/format/envelope.ts';
import { openFrame } from '../../src/format/frames.ts';
import { leafHash } from '../../src/format/merkle.ts';
import type { SignedRoot } from '../../src/format/root.ts';
import { allComponents, type Branch, type Payload } from '../../src/format/suit.ts';
import type { Verifier } from '../../src/ports.ts';
import { proveRelease, shapeAnnouncement } from '../../src/verify/release.ts';
import { nextRoot, openRoot } from '../../src/verify/root.ts';
import type { Proven } from '../../src/verify/types.ts';
import type { BundleFile } from './file.ts';
import type { BundleHead } from './format.ts';
import { sameRoot } from './growth.ts';
import { checkIssued } from './issued.ts';

export interface Checked {
  proven: Proven;
  root: SignedRoot;
  /** The first trust root is the one that was given from outside. */
  anchored: boolean;
  /** Branches of the manifest that are here, and how many there are. */
  branches: { here: number; of: number };
  cosignatures: number;
}

/**
 * Trust roots, release, log, issued keys, releases between, frames: in the order in which a device would meet them.
 * @param trust a trust root from outside: the one that the devices hold, or an earlier one
 * @throws Refusal with the code of the first thing that does not hold
 */
export function checkBundle(verifier: Verifier, file: BundleFile, trust?: Uint8Array): Checked {
  const { head } = file;
  const root = checkRoots(verifier, head);
  const anchored = trust !== undefined && head.roots.some((bytes) => equal(bytes, trust));
  const proven = proveRelease(verifier, shapeAnnouncement(verifier, head.announcement), root);
  checkSaid(head, proven);
  checkLog(verifier, head, proven, root);
  checkIssued(verifier, root.root, proven, head);
  checkEntries(verifier, head, proven);
  for (const payload of head.payloads) checkFrames(verifier, file, payload, proven);
  const branches = branchesOf(proven);
  const { cosignatures } = shapeAnnouncement(verifier, head.announcement).announcement;
  return {
    ...{ proven, root, anchored, cosignatures: cosignatures.length },
    branches: { here: head.payloads.length, of: branches.length },
  };
}

function checkRoots(verifier: Verifier, { roots, origin }: BundleHead): SignedRoot {
  const [first, ...more] = roots;
  demand(first, 'BAD_ROOT', 'the bundle has no trust root');
  let root = openRoot(verifier, first);
  demand(root.root.origin === origin, 'BAD_ROOT', `trust roots of ${root.root.origin}, not of ${origin}`);
  for (const bytes of more) root = nextRoot(verifier, root.root, bytes);
  return root;
}

function checkSaid(head: BundleHead, { manifest }: Proven): void {
  demand(equal(manifest.classId, head.classId), 'WRONG_CLASS', 'the release is of another class');
  const same = manifest.sequence === head.sequence && manifest.version === head.version;
  demand(same, 'BAD_CHAIN', `the release is ${manifest.version}, the bundle says ${head.version}`);
}

function checkLog(verifier: Verifier, { growth }: BundleHead, { head }: Proven, { root }: SignedRoot): void {
  if (growth === null) {
    demand(root.roles.peer.threshold > 0, 'SPLIT_VIEW', 'no peers, and nothing that shows how the log has grown');
    return;
  }
  const holds = sameRoot(verifier.sha256, growth, head.size, head.root);
  demand(holds, 'SPLIT_VIEW', 'peaks and leaves are not of the log that the head signs');
}

/** Each is the one before the next, from the release itself on. */
function checkEntries({ sha256 }: Verifier, { entries }: BundleHead, { envelope }: Proven): void {
  let wanted = envelope.block1.previousLeaf;
  for (const entry of entries) {
    demand(equal(leafHash(sha256, entry), wanted), 'BAD_CHAIN', `the entry before it is ${hex(wanted)}, not this one`);
    wanted = readBlock1(entry).previousLeaf;
  }
}

/** Of every component. */
function branchesOf({ manifest }: Proven): Branch[] {
  return allComponents(manifest).flatMap((component) => component.branches);
}

function checkFrames({ sha256 }: Verifier, file: BundleFile, payload: Payload, proven: Proven): void {
  const named = branchesOf(proven).find((branch) => equal(branch.payload.chainHead, payload.chainHead))?.payload;
  const { bytes, frameBytes, frameCount } = payload;
  const same = named?.bytes === bytes && named.frameBytes === frameBytes && named.frameCount === frameCount;
  demand(same, 'NOT_FOUND', `no branch of the release has payload ${hex(payload.chainHead)}`);
  let expected: Uint8Array = payload.chainHead;
  for (let i = 0; i < frameCount; i++) {
    const [frame] = file.frames(payload.chainHead, i, 1)!;
    expected = openFrame(sha256, payload, i, expected, frame!).next ?? expected;
  }
}
