/**
 * The order in which a device believes an announcement: cheap before expensive, and no step before the one it rests on.
 * FORMAT, section "Order of checks", has the same numbers. Each function takes only what the one before it made, so that
 * a step cannot be left out:
 *   shapeAnnouncement → proveRelease → verifyRelease (whose first half is verifyCurrent)
 */
import { demand } from '../errors.ts';
import { readAnnouncement } from '../format/announcement.ts';
import { equal } from '../format/bytes.ts';
import { type Envelope, readEnvelope, releaseLeafHash } from '../format/envelope.ts';
import { type Head, headDigest, type Receipt, readReceipt } from '../format/head.ts';
import { type IndexEntry, indexLeaf } from '../format/index-entry.ts';
import { rootFromInclusion } from '../format/merkle.ts';
import { type Rollout, readRollout } from '../format/rollout.ts';
import type { TrustRoot } from '../format/root.ts';
import { readStatement } from '../format/statement.ts';
import { type Manifest, readManifest } from '../format/suit.ts';
import type { Verifier } from '../ports.ts';
import { checkApplicability, checkRollout, isRunning, selectSteps } from './applies.ts';
import { checkReleaseChain, entriesNeeded } from './chain.ts';
import { checkFreshness, hasClock } from './fresh.ts';
import { checkGrowth, checkQuorum, checkSuccession, verifyReceipt } from './head.ts';
import { keyFor } from './root.ts';
import { checkSign1, verifyStatement } from './signed.ts';
import type { Needs, Proofs, Proven, Release, Resources, Shaped, Trust, Verified } from './types.ts';

/** Steps 1 and 2: sizes and shapes, before any cryptography. @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE, UNSUPPORTED */
export function shapeAnnouncement(verifier: Verifier, bytes: Uint8Array): Shaped {
  const announcement = readAnnouncement(bytes); // 1 sizes and outer shape
  const parts = {
    announcement,
    envelope: readEnvelope(verifier.sha256, announcement.envelope), // 2 exactly two blocks, nothing else
    receipt: readReceipt(announcement.receipt),
    rolloutStatement: readStatement(announcement.rollout, 'rollout'),
  };
  return parts as unknown as Shaped;
}

/** Steps 3 to 10: what the message proves by itself. @throws Refusal with the code of the first step that fails */
export function proveRelease(verifier: Verifier, a: Shaped, trust: Pick<Trust, 'root'>): Proven {
  const { envelope, receipt, announcement } = a;
  const { root } = trust;
  const releaseLeaf = releaseLeafHash(verifier.sha256, envelope.block1);
  checkRootVersion(receipt, root); // 3
  checkFirstSignature(verifier, envelope, receipt, root); // 4
  checkSecondSignature(verifier, envelope, releaseLeaf, root); // 5
  const head = verifyReceipt(verifier, root, receipt, releaseLeaf); // 6
  checkConfirmation(envelope, head);
  checkQuorum(verifier, root, head, announcement.cosignatures); // 7
  const manifest = readManifest(envelope.manifest); // 8 parsed only now that both have signed it
  const rollout = checkRolloutStatement(verifier, a, manifest, releaseLeaf, root); // 9
  checkIndexEntry(verifier, a, manifest, rollout, head); // 10
  const digest = headDigest(verifier.sha256, receipt.signed, head.root);
  const result = {
    envelope,
    manifest,
    releaseLeaf,
    head,
    headDigest: digest,
    rollout,
    indexFloor: announcement.indexProof.floor,
  };
  return result as unknown as Proven;
}

/** What {@link verifyRelease} will want to see for this release. @throws Refusal STALE, SPLIT_VIEW, ROLLBACK */
export function needsOf(p: Proven, trust: Trust): Needs {
  const growth = checkSuccession(trust.root, trust.head, p.head);
  return {
    consistency: growth === 'with proof' ? { from: trust.head.size, to: p.head.size } : undefined,
    entries: entriesNeeded(p, trust.device.running),
    freshness: !hasClock(trust.root, p, trust.device.now),
  };
}

/**
 * Steps 11 to 14: is it newer than what is known, does it continue what runs, is it fresh, is it for this device?
 * @returns the head that may be stored now
 * @throws Refusal with the code of the first step that fails
 */
export function verifyCurrent(verifier: Verifier, p: Proven, trust: Trust, proofs: Proofs): Head {
  const { device } = trust;
  checkHeadGrowth(verifier, p, trust, proofs); // 11
  checkReleaseChain(verifier, p, device.running, proofs.entries ?? []); // 12
  // A stale head stops new installs, nothing else.
  if (!isUnchanged(p, trust)) checkFreshness(verifier, trust.root, p, device, proofs.fresh); // 13
  checkApplicability(p, trust.root, device); // 14
  return p.head;
}

/** Steps 11 to 16: may this device install it now, and how? @throws Refusal with the code of the first step that fails */
export function verifyRelease(
  verifier: Verifier,
  p: Proven,
  trust: Trust,
  proofs: Proofs,
  resources: Resources,
): Verified<Release> {
  verifyCurrent(verifier, p, trust, proofs); // 11 to 14
  checkRollout(verifier, p.rollout, trust.rolloutSequence, trust.device, proofs.membership); // 15
  const steps = selectSteps(p.manifest, trust.device.running.image, resources); // 16
  const { manifest, releaseLeaf, rollout } = p;
  const release: Release = { manifest, manifestDigest: p.envelope.manifestDigest, releaseLeaf, rollout, steps };
  return release as Verified<Release>;
}

function checkHeadGrowth(verifier: Verifier, p: Proven, trust: Trust, proofs: Proofs): void {
  if (checkSuccession(trust.root, trust.head, p.head) === 'as it is') return;
  demand(proofs.consistency, 'SPLIT_VIEW', 'no consistency proof from the stored head');
  checkGrowth(verifier, trust.head, p.head, proofs.consistency);
}

/** True when the announced release is the one that runs already. */
export function isUnchanged(p: Proven, trust: Trust): boolean {
  return isRunning(p, trust.device.running);
}

function checkRootVersion(receipt: Receipt, root: TrustRoot): void {
  const { rootVersion } = receipt.signed.fields;
  demand(
    rootVersion === root.version,
    rootVersion > root.version ? 'OLD_ROOT' : 'STALE',
    `the head is under trust root ${rootVersion}, stored is ${root.version}`,
  );
}

function checkFirstSignature(verifier: Verifier, envelope: Envelope, receipt: Receipt, root: TrustRoot): void {
  const { block1, suitDigest } = envelope;
  const key = keyFor(verifier, root, 'collection', block1.kid, receipt.leafIndex);
  checkSign1(verifier, block1.sign1, block1.alg, key, suitDigest, 'block 1');
}

function checkSecondSignature(verifier: Verifier, envelope: Envelope, releaseLeaf: Uint8Array, root: TrustRoot): void {
  const { block2, suitDigest } = envelope;
  const key = keyFor(verifier, root, 'distribution', block2.kid);
  checkSign1(verifier, block2.sign1, block2.alg, key, suitDigest, 'block 2');
  demand(equal(block2.releaseLeaf, releaseLeaf), 'BAD_CHAIN', 'block 2 confirms another block 1');
}

/** The leaf hash alone proves nothing, anyone can compute it; the head it was confirmed under must fit this one. */
function checkConfirmation({ block2 }: Envelope, head: Head): void {
  demand(
    block2.size <= head.size,
    'BAD_CHAIN',
    `block 2 names a head of ${block2.size}, the receipt's has ${head.size}`,
  );
  const agrees = block2.size !== head.size || equal(block2.root, head.root);
  demand(agrees, 'SPLIT_VIEW', 'block 2 and the receipt name different heads of one size');
}

function checkRolloutStatement(
  verifier: Verifier,
  a: Shaped,
  manifest: Manifest,
  releaseLeaf: Uint8Array,
  root: TrustRoot,
): Rollout {
  const statement = verifyStatement(verifier, root, a.announcement.rollout, 'rollout', 'command');
  const rollout = readRollout(statement.payload);
  const fits = equal(rollout.releaseLeaf, releaseLeaf) && equal(rollout.classId, manifest.classId);
  demand(fits, 'NOT_CURRENT', 'the rollout statement is for another release');
  const block2 = equal(rollout.block2Digest, verifier.sha256(a.envelope.block2.bytes));
  demand(block2, 'NOT_CURRENT', 'the rollout statement is for another second signature');
  return rollout;
}

/** Builds the entry it expects and proves that one: an index that names anything else does not fit the signed head. */
function checkIndexEntry(verifier: Verifier, a: Shaped, manifest: Manifest, rollout: Rollout, head: Head): void {
  const { floor, index, size, path } = a.announcement.indexProof;
  const entry: IndexEntry = {
    classId: manifest.classId,
    releaseLeaf: rollout.releaseLeaf,
    sequence: manifest.sequence,
    rolloutDigest: verifier.sha256(a.announcement.rollout),
    rolloutSequence: rollout.rolloutSequence,
    state: rollout.state,
    floor,
  };
  const root = rootFromInclusion(verifier.sha256, index, size, indexLeaf(verifier.sha256, entry), path);
  demand(equal(root, head.indexRoot), 'NOT_CURRENT', 'the class index does not name this release and rollout');
}
