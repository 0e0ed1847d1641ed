/** The head part of a bundle: what devices of a class would ask this server for, from any head since a base. */
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  allComponents,
  ENTRIES_MAX,
  equal,
  hex,
  leafHash,
  NO_LEAF,
  readAnnouncement,
  readReceipt,
  readSignedRoot,
} from '@countersign/device-sdk/format';
import type { BundleHead } from '@countersign/device-sdk/host/bundle/format';
import { type Growth, LEAVES_MAX } from '@countersign/device-sdk/host/bundle/growth';
import type { LedgerClient } from '../ledger/client.ts';
import type { Current } from './announcer.ts';
import { issuesUnder } from './issued.ts';
import { peaksIn } from './peaks.ts';
import type { Releases, SignedRelease } from './releases.ts';

export interface BundleWanted {
  releaseLeaf: Uint8Array;
  /** The oldest release that a device may run; the first of the class where not given. */
  baseLeaf?: Uint8Array | undefined;
  /** False leaves the whole image out: for devices that all run a release with a delta. */
  full: boolean;
}

interface Parts {
  verifier: Verifier;
  ledger: LedgerClient;
  releases: Pick<Releases, 'get' | 'ofClass'>;
  current(classId: Uint8Array): Current | undefined;
}

/** @throws Refusal NOT_FOUND, NOT_CURRENT (another release is announced); TOO_LARGE (name a later base) */
export async function bundleHead(parts: Parts, wanted: BundleWanted): Promise<BundleHead> {
  const { verifier, ledger, releases } = parts;
  const signed = releases.get(wanted.releaseLeaf);
  demand(signed, 'NOT_FOUND', 'no confirmed release has this leaf');
  const { manifest } = signed.release;
  const current = parts.current(manifest.classId);
  demand(
    current?.published && current.sequence === manifest.sequence,
    'NOT_CURRENT',
    'another release is announced, or none',
  );
  const bases = releases.ofClass(manifest.classId).filter((item) => item.release.manifest.sequence < manifest.sequence);
  const oldest = wanted.baseLeaf ? releases.get(wanted.baseLeaf) : (bases.at(-1) ?? signed);
  demand(oldest, 'NOT_FOUND', 'no confirmed release has the leaf of the base');
  const since = bases.filter((item) => item.release.manifest.sequence >= oldest.release.manifest.sequence);
  const roots = await ledger.roots(1);
  const newest = readSignedRoot(verifier.sha256, roots.at(-1)!).root;
  const { envelope } = readAnnouncement(current.bytes);
  const issued = await issuesUnder(parts, newest, envelope, current.head.size);
  const payloads = branchesFor(signed, since, wanted.full);
  demand(payloads.length > 0, 'NOT_FOUND', 'the release has no such branch');
  return {
    origin: newest.origin,
    classId: manifest.classId,
    sequence: manifest.sequence,
    version: manifest.version,
    roots,
    announcement: current.bytes,
    growth:
      newest.roles.peer.threshold > 0 ? null : await growthSince(parts, leafOf(verifier, oldest), current.head.size),
    entries: entriesBefore(parts, signed, oldest),
    payloads,
    ...(issued && { issued }),
  };
}

function branchesFor({ release }: SignedRelease, since: readonly SignedRelease[], full: boolean) {
  const images = since.flatMap((item) => allComponents(item.release.manifest)).map(({ digest }) => digest);
  const branches = allComponents(release.manifest).flatMap((component) => component.branches);
  const wanted = branches.filter(({ base }) => (base ? images.some((digest) => equal(digest, base.digest)) : full));
  // Two branches may have one payload.
  return [...new Map(wanted.map(({ payload }) => [hex(payload.chainHead), payload])).values()];
}

/** Whoever runs the base has stored a head that covers its leaf. */
async function growthSince({ verifier, ledger }: Parts, baseLeaf: Uint8Array, size: number): Promise<Growth> {
  const { receipt } = await ledger.receipt(baseLeaf);
  const covered = readReceipt(receipt).leafIndex + 1;
  // The path from a power of two does not name its one peak: one leaf earlier it does.
  const from = isPowerOfTwo(covered) ? covered - 1 : covered;
  const missing = size - from;
  demand(
    missing <= LEAVES_MAX,
    'TOO_LARGE',
    `${missing} entries since the base, at most ${LEAVES_MAX}: name a later one`,
  );
  const leaves = new Uint8Array(missing * 32);
  for (let at = from; at < size; ) {
    const entries = await ledger.entries(at, Math.min(1000, size - at));
    demand(entries.length > 0, 'NOT_FOUND', `the ledger does not give entry ${at}`);
    for (const entry of entries) leaves.set(leafHash(verifier.sha256, entry), 32 * (at++ - from));
  }
  return { from, peaks: peaksIn(await ledger.consistency(from, size), from, size), leaves };
}

/** Releases between, as a device asks for them; beyond sixteen the class index alone must do. */
function entriesBefore({ releases }: Parts, signed: SignedRelease, oldest: SignedRelease): Uint8Array[] {
  const found: Uint8Array[] = [];
  let leaf = signed.release.block1.previousLeaf;
  while (found.length < ENTRIES_MAX && !equal(leaf, NO_LEAF)) {
    const before = releases.get(leaf);
    demand(before, 'NOT_FOUND', `release ${hex(leaf)} is not here`);
    found.push(before.release.block1.leaf);
    if (before === oldest) break;
    leaf = before.release.block1.previousLeaf;
  }
  return found;
}

function leafOf({ sha256 }: Verifier, { release }: SignedRelease): Uint8Array {
  return leafHash(sha256, release.block1.leaf);
}

function isPowerOfTwo(n: number): boolean {
  return Number.isInteger(Math.log2(n));
}
