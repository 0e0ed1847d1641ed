import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  allComponents,
  asArray,
  asBytes,
  asUint,
  decode,
  encode,
  encodeEnvelope,
  equal,
  hex,
  kidOf,
  NO_LEAF,
  type Payload,
  publicKeyOf,
  type Signer,
  signBlock2,
} from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import { makeFolder, TEMPORARY_PREFIX, writeDurable } from '../store/durable.ts';
import { type Confirmed, confirmRelease, type Release, recallRelease } from './confirmed.ts';
import { readIfThere } from './files.ts';
import type { Log } from './ports.ts';
import { serial } from './serial.ts';
import type { Witness } from './witness.ts';

/** A confirmed release with the second signature. */
export interface SignedRelease {
  release: Confirmed<Release>;
  block2: Uint8Array;
  /** SHA-256 of block 2: rollout statements name it. */
  block2Digest: Uint8Array;
  envelope: Uint8Array;
}

/** The second signer: every confirmed release gets block 2 exactly once, whatever happens in between. */
export interface Releases {
  /**
   * The release with its second signature; the first call for a leaf confirms, signs and stores it.
   * @throws Refusal as `confirmRelease`; BAD_CHAIN where the release before it does not lead to it
   */
  ensure(releaseLeaf: Uint8Array): Promise<SignedRelease>;
  /** A release that is signed already. */
  get(releaseLeaf: Uint8Array): SignedRelease | undefined;
  /** The payload of a confirmed release with this chain head: no other is ever served. */
  payload(chainHead: Uint8Array): Payload | undefined;
  /** All of a class, newest first. */
  ofClass(classId: Uint8Array): SignedRelease[];
  readonly count: number;
}

export async function openReleases(options: {
  verifier: Verifier;
  ledger: LedgerClient;
  witness: Witness;
  signer: Signer;
  dir: string;
  log: Log;
}): Promise<Releases> {
  const { verifier, ledger, witness, signer, log } = options;
  const { sha256 } = verifier;
  const folder = join(options.dir, 'releases');
  const kid = hex(kidOf(sha256, publicKeyOf(signer)));
  const byLeaf = new Map<string, SignedRelease>();
  const byChainHead = new Map<string, Payload>();
  const inOrder = serial();
  await recall();

  return {
    ensure: (leaf) => {
      const known = byLeaf.get(hex(leaf));
      return known ? Promise.resolve(known) : inOrder(() => ensure(leaf));
    },
    get: (leaf) => byLeaf.get(hex(leaf)),
    payload: (chainHead) => byChainHead.get(hex(chainHead)),
    ofClass: (classId) =>
      [...byLeaf.values()]
        .filter(({ release }) => equal(release.manifest.classId, classId))
        .sort((a, b) => b.release.manifest.sequence - a.release.manifest.sequence),
    get count() {
      return byLeaf.size;
    },
  };

  async function ensure(leaf: Uint8Array): Promise<SignedRelease> {
    const missing = await chainTo(leaf);
    for (const release of missing.reverse()) await sign(release);
    return byLeaf.get(hex(leaf))!;
  }

  /** The release and those before it that are not signed yet, newest first; each link is checked. */
  async function chainTo(leaf: Uint8Array): Promise<Confirmed<Release>[]> {
    const missing: Confirmed<Release>[] = [];
    for (let at = leaf; ; ) {
      const known = byLeaf.get(hex(at))?.release;
      const release: Confirmed<Release> = known ?? (await confirmRelease(verifier, ledger, witness, at));
      const later = missing.at(-1);
      if (later) checkLink(release, later);
      if (known) return missing;
      missing.push(release);
      at = release.block1.previousLeaf;
      if (equal(at, NO_LEAF)) return missing;
    }
  }

  function checkLink(earlier: Release, later: Release): void {
    const follows =
      equal(earlier.manifest.classId, later.manifest.classId) &&
      earlier.manifest.sequence + 1 === later.manifest.sequence &&
      earlier.leafIndex < later.leafIndex;
    const { sequence } = later.manifest;
    demand(follows, 'BAD_CHAIN', `release ${sequence} names ${earlier.manifest.sequence} before it`);
  }

  /** Signed, stored, and only then used: a crash before the file is there signs again, and nobody has seen the first. */
  async function sign(release: Confirmed<Release>): Promise<void> {
    const { releaseLeaf, manifestBytes, block1, leafIndex, seen } = release;
    const block2 = await signBlock2(sha256, manifestBytes, { releaseLeaf, ...seen }, signer);
    const path = join(folder, `${hex(releaseLeaf)}.${kid}`);
    try {
      await writeDurable(path, encode([1, block1.leaf, manifestBytes, leafIndex, block2]), { exclusive: true });
      remember(release, block2);
      const { version, sequence } = release.manifest;
      log.info({ release: hex(releaseLeaf), version, sequence, size: seen.size }, 'second signature made');
    } catch (error) {
      // Another process with this folder was faster. One release has one second signature: take that one.
      if (codeOf(error) !== 'EXISTS') throw error;
      await recallFile(path);
    }
  }

  function remember(release: Confirmed<Release>, block2: Uint8Array): void {
    const { manifestBytes, block1, manifest, releaseLeaf } = release;
    const envelope = encodeEnvelope(sha256, manifestBytes, block1.leaf, block2);
    byLeaf.set(hex(releaseLeaf), { release, block2, block2Digest: sha256(block2), envelope });
    for (const { branches } of allComponents(manifest))
      for (const { payload } of branches) byChainHead.set(hex(payload.chainHead), payload);
  }

  async function recall(): Promise<void> {
    await makeFolder(folder);
    const names = (await readdir(folder)).filter((name) => !name.startsWith(TEMPORARY_PREFIX));
    // Own signatures last, so that they stand where another key of this server has signed before.
    names.sort((a, b) => Number(a.endsWith(kid)) - Number(b.endsWith(kid)));
    for (const name of names) await recallOrSkip(name);
  }

  /** A signature by a key that is revoked since is void: the release is confirmed and signed anew. */
  async function recallOrSkip(name: string): Promise<void> {
    try {
      await recallFile(join(folder, name));
    } catch (cause) {
      const code = codeOf(cause);
      const replaced = code === 'REVOKED' || code === 'UNKNOWN_KEY';
      if (!replaced) throw new Refusal('BAD_STORE', `${join(folder, name)} is damaged`, { cause });
      log.warn({ file: name, code }, 'a second signature is void, its key is no longer accepted');
    }
  }

  async function recallFile(path: string): Promise<void> {
    const bytes = await readIfThere(path);
    demand(bytes, 'BAD_STORE', `${path} is gone`);
    const [version, leaf, manifest, leafIndex, signed] = asArray(decode(bytes), 'stored release', 5);
    demand(version === 1, 'BAD_STORE', `stored release version ${String(version)}`);
    const kept = {
      leaf: asBytes(leaf, 'block 1'),
      manifestBytes: asBytes(manifest, 'manifest'),
      leafIndex: asUint(leafIndex, 'leaf index'),
      block2: asBytes(signed, 'block 2'),
    };
    remember(recallRelease(verifier, witness, kept), kept.block2);
  }
}
