/**
 * One small consistent world of signed things, the same bytes in every run: keys from fixed seeds (Ed25519 is
 * deterministic), fixed ids and times. Vectors, samples and tests of the formats are made from it.
 */

import {
  type Announcement,
  ackValue,
  type Branch,
  type Command,
  type Component,
  commandValue,
  encodeAnnouncement,
  encodeEnvelope,
  encodeIndexEntry,
  encodeManifest,
  encodeProvision,
  encodeReceipt,
  encodeRoot,
  encodeSignedRoot,
  FRAME_BYTES,
  freshValue,
  type Head,
  type IndexEntry,
  leafHash,
  loginValue,
  type Manifest,
  makeFrames,
  manifestDigest,
  NO_LEAF,
  nodeHash,
  OPEN,
  type Payload,
  publicKeyOf,
  type Report,
  ROLES,
  type Role,
  type RoleKeys,
  type Rollout,
  readBlock1,
  readHead,
  reportValue,
  rolloutValue,
  type Signer,
  signBlock1,
  signBlock2,
  signDetached,
  signHead,
  signStatement,
  type TrustRoot,
  transactionValue,
  utf8,
} from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

export const verifier = nodeVerifier();
export const sha256 = verifier.sha256;

/** 2025-11-01T00:00:00Z. */
export const TIME = 1_761_955_200;
export const ORIGIN = 'example.com/countersign';
export const BROKER = 'broker.example.com';

/** `length` bytes that differ by name and nothing else: ids and digests of things that need not exist. */
export function bytesOf(name: string, length = 32): Uint8Array {
  return sha256(utf8(`countersign test: ${name}`)).slice(0, length);
}

export function signerOf(name: string): Signer {
  return nodeKeyStore(-19, bytesOf(`key ${name}`));
}

export const signers = Object.fromEntries(
  [...ROLES, 'person', 'device'].map((name) => [name, signerOf(name)]),
) as Record<Role | 'person' | 'device', Signer>;

export const vendorId = bytesOf('vendor', 16);
export const classId = bytesOf('class', 16);
export const deviceId = bytesOf('device', 16);
export const rolloutId = bytesOf('rollout', 16);

/** A payload of this many bytes; the chain head is that of real frames. */
export function payloadOf(name: string, bytes: number, frameBytes: number): Payload {
  const content = new Uint8Array(bytes).fill(bytesOf(name, 1)[0]!);
  return makeFrames(sha256, content, frameBytes).payload;
}

/** A manifest of class L with this many delta branches and the full image last. */
/** Further components behind the application: each the full image, the first of them a delta besides. */
export function componentsOf(...ids: string[]): Component[] {
  return ids.map((id, i) => ({
    ...{ id, digest: bytesOf(`${id} 7`), bytes: 20_000 + i },
    branches: [
      ...(i === 0 ? [branchOf(`${id} delta`, 900, { digest: bytesOf(`${id} 6`), bytes: 19_000 })] : []),
      branchOf(`${id} full`, 17_003 + i),
    ],
  }));
}

function branchOf(name: string, bytes: number, base?: Branch['base']): Branch {
  const branch: Branch = { payload: payloadOf(name, bytes, FRAME_BYTES.L), memoryClass: 'L', workspaceBytes: 4_480 };
  return base ? { base, ...branch } : branch;
}

export function manifestOf(bases: number, change: Partial<Manifest> = {}): Manifest {
  const delta = (i: number): Branch => ({
    base: { digest: bytesOf(`image ${6 - i}`), bytes: 48_212 + 512 * i },
    payload: payloadOf(`delta ${i}`, 2_311 + 700 * i, FRAME_BYTES.L),
    memoryClass: 'L',
    workspaceBytes: 9_216,
  });
  const full: Branch = {
    payload: payloadOf('full', 41_007, FRAME_BYTES.L),
    memoryClass: 'L',
    workspaceBytes: 4_480,
  };
  return {
    sequence: 7,
    vendorId,
    classId,
    image: { digest: bytesOf('image 7'), bytes: 48_640 },
    version: '1.4.0',
    policy: 7,
    branches: [...Array.from({ length: bases }, (_, i) => delta(i)), full],
    ...change,
  };
}

export interface World {
  manifest: Uint8Array;
  leaf: Uint8Array;
  releaseLeaf: Uint8Array;
  block2: Uint8Array;
  envelope: Uint8Array;
  headFields: Head;
  head: Uint8Array;
  receipt: Uint8Array;
  cosignature: Uint8Array;
  indexEntryFields: IndexEntry;
  indexEntry: Uint8Array;
  rolloutFields: Rollout;
  rollout: Uint8Array;
  announcementFields: Announcement;
  announcement: Uint8Array;
  reportFields: Report;
  report: Uint8Array;
  rootFields: TrustRoot;
  root: Uint8Array;
  tx: Uint8Array;
  login: Uint8Array;
  ack: Uint8Array;
  fresh: Uint8Array;
  cmd: Uint8Array;
  provision: Uint8Array;
}

/**
 * The world around a manifest with `bases` delta branches, in a log of four entries of which the release is the third.
 * @param confirmedSize the tree size that block 2 names
 */
export async function makeWorld(bases = 2, confirmedSize = 3): Promise<World> {
  const release = await makeRelease(bases, confirmedSize);
  const rolled = await makeRollout(release);
  return { ...release, ...rolled, ...(await makeMessages(release.manifest, release.releaseLeaf, rolled.headFields)) };
}

async function makeRelease(bases: number, size: number) {
  const manifest = encodeManifest(manifestOf(bases));
  const leaf = await signBlock1(sha256, manifest, bytesOf('leaf of release 6'), signers.collection);
  const releaseLeaf = leafHash(sha256, leaf);
  const left = nodeHash(sha256, bytesOf('entry 0'), bytesOf('entry 1'));
  const confirmed = { releaseLeaf, size, root: nodeHash(sha256, left, releaseLeaf) };
  const block2 = await signBlock2(sha256, manifest, confirmed, signers.distribution);
  const envelope = encodeEnvelope(sha256, manifest, leaf, block2);
  return { manifest, leaf, releaseLeaf, block2, envelope };
}

async function makeRollout(release: Awaited<ReturnType<typeof makeRelease>>) {
  const rolloutFields: Rollout = {
    rolloutId,
    rolloutSequence: 12,
    releaseLeaf: release.releaseLeaf,
    classId,
    state: OPEN,
    block2Digest: sha256(release.block2),
    cohorts: [{ threshold: 2 ** 30 }, { root: bytesOf('group') }],
    window: { start: TIME, end: TIME + 604_800 },
    jitterSeconds: 3_600,
    attemptsMax: 3,
  };
  const rollout = await signStatement(sha256, 'rollout', rolloutValue(rolloutFields), signers.command);
  const indexEntryFields: IndexEntry = {
    classId,
    releaseLeaf: release.releaseLeaf,
    sequence: 7,
    rolloutDigest: sha256(rollout),
    rolloutSequence: 12,
    state: OPEN,
    floor: 5,
  };
  const indexEntry = encodeIndexEntry(indexEntryFields);
  const otherClass = bytesOf('entry of the other class');
  const left = nodeHash(sha256, bytesOf('entry 0'), bytesOf('entry 1'));
  const last = bytesOf('entry 3');
  const headFields: Head = {
    origin: ORIGIN,
    size: 4,
    root: nodeHash(sha256, left, nodeHash(sha256, release.releaseLeaf, last)),
    indexRoot: nodeHash(sha256, leafHash(sha256, indexEntry), otherClass),
    time: TIME,
    rootVersion: 1,
  };
  const head = await signHead(sha256, headFields, signers.log);
  const cosignature = await signHead(sha256, headFields, signers.peer);
  const receipt = encodeReceipt(readHead(head), 2, [last, left]);
  const peer = readHead(cosignature);
  const announcementFields: Announcement = {
    envelope: release.envelope,
    receipt,
    cosignatures: [{ kid: peer.kid, alg: peer.alg, signature: peer.sign1.signature }],
    indexProof: { floor: 5, index: 0, size: 2, path: [otherClass] },
    rollout,
  };
  const announcement = encodeAnnouncement(announcementFields);
  return {
    rolloutFields,
    rollout,
    indexEntryFields,
    indexEntry,
    headFields,
    head,
    cosignature,
    receipt,
    announcementFields,
    announcement,
  };
}

async function makeMessages(manifest: Uint8Array, releaseLeaf: Uint8Array, head: Head) {
  const reportFields: Report = {
    deviceId,
    epoch: 1,
    counter: 4,
    previous: bytesOf('report 3'),
    headSize: 4,
    rolloutId,
    attempt: 1,
    manifestDigest: manifestDigest(sha256, manifest),
    slotDigest: bytesOf('image 6'),
    state: 0,
    result: 8,
    reason: 11,
    code: 'SELF_TEST_FAILED',
    stages: [
      ['verify', 'OK'],
      ['fetch', 'OK'],
      ['apply', 'OK'],
      ['trial', 'SELF_TEST_FAILED'],
      ['revert', 'OK'],
    ],
  };
  const rootFields = trustRoot();
  const payload = encodeRoot(rootFields);
  const root = encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, signers.root)]);
  const command: Command = { deviceId, counter: 3, command: 1 };
  const transaction = {
    channel: ORIGIN,
    action: 'approve',
    object: releaseLeaf,
    previous: bytesOf('upload'),
    args: [],
  };
  return {
    reportFields,
    report: await signStatement(sha256, 'report', reportValue(reportFields), signers.device),
    rootFields,
    root,
    tx: await signStatement(sha256, 'tx', transactionValue(transaction), signers.person),
    login: await signStatement(sha256, 'login', loginValue({ deviceId, brokerId: BROKER, counter: 9 }), signers.device),
    ack: await signStatement(
      sha256,
      'ack',
      ackValue({ deviceId, counter: 4, leafHash: bytesOf('report leaf') }),
      signers.command,
    ),
    fresh: await signStatement(
      sha256,
      'fresh',
      freshValue({ nonce: bytesOf('nonce', 16), headDigest: bytesOf('head digest') }),
      signers.command,
    ),
    cmd: await signStatement(sha256, 'cmd', commandValue(command), signers.command),
    provision: encodeProvision({
      trustRoot: root,
      head,
      vendorId,
      classId,
      manifestDigest: manifestDigest(sha256, manifest),
      releaseLeaf,
      sequence: 7,
      image: { digest: bytesOf('image 7'), bytes: 48_640 },
      version: '1.4.0',
      brokerId: BROKER,
      deviceId,
    }),
  };
}

/** A trust root in which every role has its key, one peer cosigns and one key is revoked. */
export function trustRoot(change: Partial<TrustRoot> = {}): TrustRoot {
  const roles = Object.fromEntries(
    ROLES.map((role): [Role, RoleKeys] => [role, { threshold: 1, keys: [publicKeyOf(signers[role])], implicit: [] }]),
  ) as Record<Role, RoleKeys>;
  return {
    version: 1,
    origin: ORIGIN,
    roles,
    algorithms: [-19, -9],
    headAgeMax: 604_800,
    floors: [{ classId, floor: 5 }],
    revocations: [{ thumbprint: bytesOf('revoked key'), logSize: 3 }],
    ...change,
  };
}

/** The first release of a product has no leaf before it. */
export async function firstLeaf(manifest: Uint8Array): Promise<Uint8Array> {
  return readBlock1(await signBlock1(sha256, manifest, NO_LEAF, signers.collection)).leaf;
}
