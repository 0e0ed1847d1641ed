/**
 * A ledger of two entries and every signature a device demands, for one trial: made with keys that live as long as the
 * trial, so that the true device code can judge the very manifest that is about to be signed in earnest.
 */
import type { Verifier } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  ALG_ESP256,
  EVERYONE,
  encodeAnnouncement,
  encodeEnvelope,
  encodeProvision,
  encodeReceipt,
  encodeRoot,
  encodeSignedRoot,
  type Head,
  headDigest,
  indexLeaf,
  leafHash,
  type Manifest,
  NO_LEAF,
  nodeHash,
  OPEN,
  type PublicKey,
  publicKeyOf,
  type ReleaseImage,
  ROLES,
  type Role,
  type RoleKeys,
  readHead,
  readManifest,
  rolloutValue,
  type Signer,
  signBlock1,
  signBlock2,
  signDetached,
  signHead,
  signStatement,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore } from '@countersign/device-sdk/host/crypto';

/** The bench has one time: the second in which every head of it was made. */
export const BENCH_TIME = 1;
const ORIGIN = 'trial-bench';
const ENTRY_0 = new Uint8Array(1);

export interface TrialRelease {
  announcement: Uint8Array;
  /** The record of a device that runs `running` as the release before this one. */
  provision: Uint8Array;
}

export interface TrialAuthorityOptions {
  /** Block 1 as the collection server signed it, and its key; left out, the trial signs one itself. */
  signed?: { block1: Uint8Array; key: PublicKey; previousLeaf: Uint8Array };
  /** Keys of the roles; left out, fresh ones. */
  signer?: (role: Role) => Signer;
  /** Of the one head. Default {@link BENCH_TIME}. */
  time?: number;
  headAgeMax?: number;
}

export interface TrialAuthority {
  announcement: Uint8Array;
  /** Acknowledges reports and answers nonces. */
  command: Signer;
  headDigest: Uint8Array;
  /** The record of a device that runs `running` as the release before this one. */
  provision(running: ReleaseImage, deviceId: Uint8Array): Uint8Array;
}

/** @param running the images in the factory slots */
export async function trialRelease(
  verifier: Verifier,
  manifest: Uint8Array,
  running: ReleaseImage,
  deviceId: Uint8Array,
): Promise<TrialRelease> {
  const { announcement, provision } = await trialAuthority(verifier, manifest);
  return { announcement, provision: provision(running, deviceId) };
}

export async function trialAuthority(
  verifier: Verifier,
  manifest: Uint8Array,
  { signed, signer = freshSigner, time = BENCH_TIME, headAgeMax = 1 }: TrialAuthorityOptions = {},
): Promise<TrialAuthority> {
  const { sha256 } = verifier;
  const keys = Object.fromEntries(ROLES.map((role) => [role, signer(role)])) as Record<Role, Signer>;
  const read = readManifest(manifest);
  const leaf = signed?.block1 ?? (await signBlock1(sha256, manifest, NO_LEAF, keys.collection));
  const releaseLeaf = leafHash(sha256, leaf);
  const left = leafHash(sha256, ENTRY_0);
  const root = nodeHash(sha256, left, releaseLeaf);
  const block2 = await signBlock2(sha256, manifest, { releaseLeaf, size: 2, root }, keys.distribution);
  const rollout = await openToAll(verifier, read, releaseLeaf, block2, keys.command);
  const entry = { classId: read.classId, releaseLeaf, sequence: read.sequence, rolloutDigest: sha256(rollout) };
  const indexRoot = indexLeaf(sha256, { ...entry, rolloutSequence: 1, state: OPEN, floor: 0 });
  const head: Head = { origin: ORIGIN, size: 2, root, indexRoot, time, rootVersion: 1 };
  const signedHead = readHead(await signHead(sha256, head, keys.log));
  const announcement = encodeAnnouncement({
    envelope: encodeEnvelope(sha256, manifest, leaf, block2),
    receipt: encodeReceipt(signedHead, 1, [left]),
    cosignatures: [],
    indexProof: { floor: 0, index: 0, size: 1, path: [] },
    rollout,
  });
  const trustRoot = await trialRoot(verifier, keys, signed?.key, headAgeMax);
  const before = signed?.previousLeaf ?? NO_LEAF;
  return {
    announcement,
    command: keys.command,
    headDigest: headDigest(sha256, signedHead, root),
    provision: (running, deviceId) => provisionOf(read, running, before, head, trustRoot, deviceId),
  };
}

async function openToAll(
  verifier: Verifier,
  manifest: Manifest,
  releaseLeaf: Uint8Array,
  block2: Uint8Array,
  command: Signer,
): Promise<Uint8Array> {
  const rollout = {
    rolloutId: new Uint8Array(16),
    rolloutSequence: 1,
    releaseLeaf,
    classId: manifest.classId,
    state: OPEN,
    block2Digest: verifier.sha256(block2),
    cohorts: [{ threshold: EVERYONE }],
    jitterSeconds: 0,
    attemptsMax: 3,
  };
  return signStatement(verifier.sha256, 'rollout', rolloutValue(rollout), command);
}

async function trialRoot(
  verifier: Verifier,
  keys: Record<Role, Signer>,
  collection: PublicKey | undefined,
  headAgeMax: number,
): Promise<Uint8Array> {
  const keyOf = (role: Role) => (role === 'collection' && collection) || publicKeyOf(keys[role]);
  const roleKeys = (role: Role): RoleKeys =>
    role === 'peer' ? { threshold: 0, keys: [], implicit: [] } : { threshold: 1, keys: [keyOf(role)], implicit: [] };
  const payload = encodeRoot({
    version: 1,
    origin: ORIGIN,
    roles: Object.fromEntries(ROLES.map((role) => [role, roleKeys(role)])) as Record<Role, RoleKeys>,
    algorithms: [ALG_ED25519, ALG_ESP256],
    headAgeMax,
    floors: [],
    revocations: [],
  });
  return encodeSignedRoot(payload, [await signDetached(verifier.sha256, 'root', payload, keys.root)]);
}

function provisionOf(
  manifest: Manifest,
  running: ReleaseImage,
  releaseLeaf: Uint8Array,
  head: Head,
  trustRoot: Uint8Array,
  deviceId: Uint8Array,
): Uint8Array {
  return encodeProvision({
    trustRoot,
    head,
    vendorId: manifest.vendorId,
    classId: manifest.classId,
    manifestDigest: new Uint8Array(32),
    releaseLeaf,
    sequence: manifest.sequence - 1,
    image: running,
    version: 'factory',
    brokerId: ORIGIN,
    deviceId,
  });
}

function freshSigner(): Signer {
  const { alg, secret } = generateKeyPair(ALG_ED25519);
  return nodeKeyStore(alg, secret);
}
