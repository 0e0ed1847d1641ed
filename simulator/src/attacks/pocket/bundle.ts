/** A bundle of what the publisher in the pocket publishes. */
import { writeFileSync } from 'node:fs';
import {
  allComponents,
  hex,
  ISSUED,
  leafHash,
  type Payload,
  readBlock1,
  readEnvelope,
  readReceipt,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { type BundleHead, encodeStart } from '@countersign/device-sdk/host/bundle/format';
import { peaksOf } from '@countersign/device-sdk/host/bundle/growth';
import { type BundledIssue, implicitSigners } from '@countersign/device-sdk/host/bundle/issued';
import { type PocketServer, verifier } from './publisher.ts';

const { sha256 } = verifier;

/** @param from size of the log at the base */
export async function pocketBundle(server: PocketServer, from: number): Promise<BundleHead> {
  const release = server.releases.at(-1)!;
  const leaves = server.entries.map((entry) => leafHash(sha256, entry));
  const branches = allComponents(release.manifest).flatMap((component) => component.branches);
  const payloads = branches.map(({ payload }) => payload);
  const issued = await issuedIn(server, server.root);
  return {
    origin: server.origin,
    classId: server.classId,
    sequence: release.manifest.sequence,
    version: release.manifest.version,
    roots: [...server.roots],
    announcement: await server.announcement(),
    growth: { from, peaks: peaksOf(sha256, leaves.slice(0, from)), leaves: Buffer.concat(leaves.slice(from)) },
    entries: entriesBefore(server, readBlock1(release.leaf).previousLeaf),
    payloads,
    ...(issued.length > 0 && { issued }),
  };
}

/** As the pocket server answers for each implicit key of the announced release. */
async function issuedIn(server: PocketServer, root: TrustRoot): Promise<BundledIssue[]> {
  const { envelope } = await server.parts();
  const issued: BundledIssue[] = [];
  for (const thumbprint of implicitSigners(verifier, root, readEnvelope(sha256, envelope))) {
    const answer = await server.issued(0, thumbprint);
    if (answer.kind !== ISSUED) continue;
    const { leafIndex, path } = readReceipt(answer.receipt);
    issued.push({ thumbprint, entry: answer.entry, leafIndex, path });
  }
  return issued;
}

export function writeBundle(path: string, head: BundleHead, framesOf: (payload: Payload) => Uint8Array[]): Uint8Array {
  const bytes = Buffer.concat([encodeStart(sha256, head), ...head.payloads.flatMap(framesOf)]);
  writeFileSync(path, bytes);
  return new Uint8Array(bytes);
}

function entriesBefore(server: PocketServer, leaf: Uint8Array): Uint8Array[] {
  const found = server.releases.find(({ releaseLeaf }) => hex(releaseLeaf) === hex(leaf));
  return found ? [found.leaf, ...entriesBefore(server, readBlock1(found.leaf).previousLeaf)] : [];
}
