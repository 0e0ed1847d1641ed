/** What the distribution server answers to a device's requests, said by the pocket publisher. */
import {
  ANNOUNCE,
  type Answer,
  CONSISTENCY,
  ENTRIES,
  encodeReceipt,
  FRAMES,
  FRESHNESS,
  freshValue,
  type Head,
  headDigest,
  hex,
  ISSUED,
  REFUSED,
  ROOTS,
  ROOTS_MAX,
  readBlock1,
  readHead,
  readRequest,
  type Signer,
  signHead,
  signStatement,
} from '@countersign/device-sdk/format';
import type { PocketRelease } from './release.ts';
import { consistencyPath, inclusionPath, leavesOf } from './tree.ts';
import { sha256 } from './verifier.ts';

/** What a publisher has to answer from. */
export interface Answering {
  readonly entries: readonly Uint8Array[];
  readonly releases: readonly PocketRelease[];
  readonly roots: readonly Uint8Array[];
  /** By thumbprint in hex. */
  readonly issues: ReadonlyMap<string, Uint8Array>;
  readonly signers: { readonly log: Signer; readonly command: Signer };
  framesOf(chainHead: Uint8Array): Uint8Array[] | undefined;
  head(): Head;
  treeRoot(): Uint8Array;
  announcement(): Promise<Uint8Array>;
  issued(id: number, thumbprint: Uint8Array): Promise<Answer>;
}

export async function answersTo(server: Answering, bytes: Uint8Array): Promise<Answer[]> {
  const request = readRequest(bytes);
  const { id } = request;
  switch (request.kind) {
    case FRAMES: {
      const frames = server.framesOf(request.chainHead);
      if (!frames) return [notFound(id)];
      const wanted = frames.slice(request.first, request.first + request.count);
      return wanted.map((frame, i) => ({ id, kind: FRAMES, index: request.first + i, frame }));
    }
    case CONSISTENCY: {
      const path = consistencyPath(sha256, leavesOf(sha256, server.entries.slice(0, request.to)), request.from);
      return [{ id, kind: CONSISTENCY, path }];
    }
    case ENTRIES:
      return [{ id, kind: ENTRIES, entries: chainFrom(server, request.leafHash, request.count) }];
    case ROOTS:
      return [{ id, kind: ROOTS, roots: server.roots.slice(request.from - 1, request.from - 1 + ROOTS_MAX) }];
    case FRESHNESS:
      return [{ id, kind: FRESHNESS, statement: await freshness(server, request.nonce) }];
    case ANNOUNCE:
      return [{ id, kind: ANNOUNCE, announcement: await server.announcement(), membership: null }];
    case ISSUED:
      return [await server.issued(id, request.thumbprint)];
  }
}

/** Block 1 of release after release, back from this leaf. */
function chainFrom({ releases }: Answering, leaf: Uint8Array, count: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let wanted = leaf;
  while (entries.length < count) {
    const release = releases.find((item) => hex(item.releaseLeaf) === hex(wanted));
    if (!release) break;
    entries.push(release.leaf);
    wanted = readBlock1(release.leaf).previousLeaf;
  }
  return entries;
}

async function freshness(server: Answering, nonce: Uint8Array): Promise<Uint8Array> {
  const signed = readHead(await signHead(sha256, server.head(), server.signers.log));
  const value = freshValue({ nonce, headDigest: headDigest(sha256, signed, server.treeRoot()) });
  return signStatement(sha256, 'fresh', value, server.signers.command);
}

/** The `issueKey` of an implicit key, where it is in the log. */
export async function issuedAnswer(server: Answering, id: number, thumbprint: Uint8Array): Promise<Answer> {
  const entry = server.issues.get(hex(thumbprint));
  const index = entry ? server.entries.indexOf(entry) : -1;
  if (!entry || index < 0) return notFound(id);
  const path = inclusionPath(sha256, leavesOf(sha256, server.entries), index);
  const head = readHead(await signHead(sha256, server.head(), server.signers.log));
  return { id, kind: ISSUED, entry, receipt: encodeReceipt(head, index, path) };
}

function notFound(id: number): Answer {
  return { id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 };
}
