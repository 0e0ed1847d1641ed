/** An announcement from a log of a million entries, under a quorum of one and without: every byte of it verifies. */
import { Tiles } from '@countersign/broker/ledger/log/tiles';
import {
  type Announcement,
  encodeAnnouncement,
  encodeIndexEntry,
  encodeReceipt,
  encodeRoot,
  encodeSignedRoot,
  type Head,
  leafHash,
  placeOf,
  readHead,
  signDetached,
  signHead,
} from '@countersign/device-sdk/format';
import { openRoot, type Proofs, type Resources, type Trust } from '@countersign/device-sdk/verify';
import { bytesOf, classId, makeWorld, sha256, signers, TIME, trustRoot, vendorId, verifier } from './world.ts';

/** The size for which the figures are asked. */
export const ENTRIES = 1_000_000;
export const CLASSES = 16;
/** What the device had stored; it was away for so many entries. */
const ENTRIES_SINCE = 250_123;
/** In the left half of the tree, where paths are longest: 20 hashes. */
const RELEASE_AT = 400_123;

export interface LargeLog {
  announcement: Announcement;
  bytes: Uint8Array;
  manifest: Uint8Array;
  trust: Trust;
  /** Signed trust root, as stored. */
  root: Uint8Array;
  proofs: Proofs;
  resources: Resources;
}

/** @param quorum peers whose cosignature the trust root demands: with none the device checks a consistency proof */
export async function largeLog(bases: number, quorum: 0 | 1): Promise<LargeLog> {
  const world = await makeWorld(bases, ENTRIES - 2_000);
  const tree = await treeWith(world.releaseLeaf);
  const index = indexWith(leafHash(sha256, encodeIndexEntry(world.indexEntryFields)));
  const head: Head = {
    ...world.headFields,
    size: ENTRIES,
    root: tree.root(),
    indexRoot: index.root(),
    time: TIME,
  };
  const stored: Head = { ...head, size: ENTRIES - ENTRIES_SINCE, root: tree.root(ENTRIES - ENTRIES_SINCE) };
  const signed = await signHead(sha256, head, signers.log);
  const peer = readHead(await signHead(sha256, head, signers.peer));
  const announcement: Announcement = {
    ...world.announcementFields,
    receipt: encodeReceipt(readHead(signed), RELEASE_AT, tree.inclusion(RELEASE_AT)),
    cosignatures: quorum === 0 ? [] : [{ kid: peer.kid, alg: peer.alg, signature: peer.sign1.signature }],
    indexProof: { floor: world.indexEntryFields.floor, index: 0, size: CLASSES, path: index.inclusion(0) },
  };
  const root = await signedRoot(quorum);
  const running = {
    sequence: 6,
    manifestDigest: bytesOf('manifest 6'),
    releaseLeaf: bytesOf('leaf of release 6'),
    image: { digest: bytesOf('image 6'), bytes: 48_212 },
  };
  return {
    announcement,
    bytes: encodeAnnouncement(announcement),
    manifest: world.manifest,
    root,
    trust: {
      root: openRoot(verifier, root).root,
      head: stored,
      device: { deviceId: deviceInside(world.rolloutFields), vendorId, classId, running, floor: 5, now: TIME + 60 },
      rolloutSequence: 11,
    },
    proofs: quorum === 0 ? { consistency: tree.consistency(stored.size) } : {},
    resources: { slotBytes: 262_144, workspaceBytes: 16_384, memoryClass: 'L', failedBranches: [] },
  };
}

async function signedRoot(quorum: number): Promise<Uint8Array> {
  const { roles } = trustRoot();
  const payload = encodeRoot(trustRoot({ roles: { ...roles, peer: { ...roles.peer, threshold: quorum } } }));
  return encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, signers.root)]);
}

/** All leaves but the release are alike, which changes neither the number of hashes nor their length. */
async function treeWith(release: Uint8Array): Promise<Tiles> {
  const tree = emptyTree();
  const other = bytesOf('another entry');
  for (let i = 0; i < ENTRIES; i++) tree.append(i === RELEASE_AT ? release : other);
  return tree;
}

function indexWith(entry: Uint8Array): Tiles {
  const tree = emptyTree();
  for (let i = 0; i < CLASSES; i++) tree.append(i === 0 ? entry : bytesOf(`class ${i}`));
  return tree;
}

function emptyTree(): Tiles {
  const full = new Map<string, Uint8Array>();
  return Tiles.empty(sha256, {
    tile: (level, n) => full.get(`${level}/${n}`),
    putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
  });
}

/** The first id whose place lies in the rollout's first cohort. */
function deviceInside({ rolloutId, cohorts }: { rolloutId: Uint8Array; cohorts: readonly object[] }): Uint8Array {
  const { threshold } = cohorts[0] as { threshold: number };
  for (let i = 0; ; i++) {
    const id = bytesOf(`device ${i}`, 16);
    if (placeOf(sha256, rolloutId, id) < threshold) return id;
  }
}
