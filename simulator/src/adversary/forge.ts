/**
 * Hostile messages, made as somebody with stolen keys would make them: from what he overheard, what the ledger tells
 * everybody, and keys that he has copied from the servers' folders of this very demo.
 */
import {
  type Announcement,
  decode,
  EVERYONE,
  encode,
  encodeAnnouncement,
  encodeEnvelope,
  encodeManifest,
  leafHash,
  type Manifest,
  OPEN,
  type Rollout,
  readAnnouncement,
  readEnvelope,
  readManifest,
  readReceipt,
  readRollout,
  readStatement,
  rolloutValue,
  type Sha256,
  type Signer,
  signBlock1,
  signBlock2,
  signStatement,
  Tagged,
} from '@countersign/device-sdk/format';

/** An announcement that was overheard, taken apart. */
export interface Overheard {
  announcement: Announcement;
  manifest: Manifest;
  manifestBytes: Uint8Array;
  releaseLeaf: Uint8Array;
  block2: Uint8Array;
  rollout: Rollout;
}

export function takeApart(sha256: Sha256, bytes: Uint8Array): Overheard {
  const announcement = readAnnouncement(bytes);
  const envelope = readEnvelope(sha256, announcement.envelope);
  return {
    announcement,
    manifest: readManifest(envelope.manifest),
    manifestBytes: envelope.manifest,
    releaseLeaf: leafHash(sha256, envelope.block1.leaf),
    block2: envelope.block2.bytes,
    rollout: readRollout(readStatement(announcement.rollout, 'rollout').payload),
  };
}

/** A release of the thief's own: the next sequence, another image, and a rollout statement that opens it to everyone. */
export async function forgeRelease(
  sha256: Sha256,
  from: Overheard,
  change: Partial<Manifest>,
  keys: { first: Signer; second: Signer; command: Signer },
): Promise<Uint8Array> {
  const { sequence } = from.manifest;
  const manifest = encodeManifest({ ...from.manifest, sequence: sequence + 1, version: '6.6.6', ...change });
  const leaf = await signBlock1(sha256, manifest, from.releaseLeaf, keys.first);
  const releaseLeaf = leafHash(sha256, leaf);
  const head = readReceipt(from.announcement.receipt).signed;
  // The thief knows no root under which his release was confirmed, so he names what he has.
  const confirmed = { releaseLeaf, size: head.fields.size, root: head.fields.indexRoot };
  const block2 = await signBlock2(sha256, manifest, confirmed, keys.second);
  const rollout = await forgeRollout(sha256, from.rollout, { releaseLeaf, block2Digest: sha256(block2) }, keys.command);
  const envelope = encodeEnvelope(sha256, manifest, leaf, block2);
  return encodeAnnouncement({ ...from.announcement, envelope, rollout });
}

/** A rollout statement by the stolen command key: newer than the last one, open to everyone. */
export function forgeRollout(
  sha256: Sha256,
  last: Rollout,
  change: Partial<Rollout>,
  command: Signer,
): Promise<Uint8Array> {
  const rollout: Rollout = {
    ...last,
    rolloutSequence: last.rolloutSequence + 1,
    state: OPEN,
    cohorts: [{ threshold: EVERYONE }],
    jitterSeconds: 0,
    ...change,
  };
  return signStatement(sha256, 'rollout', rolloutValue(rollout), command);
}

/** The same release with the manifest changed under its signatures, and signed again by D alone. */
export async function editManifest(
  sha256: Sha256,
  from: Overheard,
  change: Partial<Manifest>,
  keys: { second: Signer; command: Signer },
): Promise<Uint8Array> {
  const manifest = encodeManifest({ ...from.manifest, ...change });
  const { block1, block2: old } = readEnvelope(sha256, from.announcement.envelope);
  const confirmed = { releaseLeaf: from.releaseLeaf, size: old.size, root: old.root };
  const block2 = await signBlock2(sha256, manifest, confirmed, keys.second);
  const rollout = await forgeRollout(sha256, from.rollout, { block2Digest: sha256(block2) }, keys.command);
  const envelope = encodeEnvelope(sha256, manifest, block1.leaf, block2);
  return encodeAnnouncement({ ...from.announcement, envelope, rollout });
}

/** The envelope with its signatures taken away: the digest stands alone. */
export function stripSignatures(from: Overheard): Uint8Array {
  const tagged = decode(from.announcement.envelope) as Tagged;
  const map = new Map(tagged.value as Map<number, Uint8Array>);
  const [digest] = decode(map.get(2)!) as Uint8Array[];
  map.set(2, encode([digest!]));
  return encodeAnnouncement({ ...from.announcement, envelope: encode(new Tagged(tagged.tag, map)) });
}
