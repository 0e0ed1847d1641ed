import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  allComponents,
  asArray,
  asBytes,
  asUint,
  type Block1,
  decode,
  encode,
  encodeEnvelope,
  equal,
  hex,
  kidOf,
  NO_LEAF,
  type Payload,
  publicKeyOf,
  readBlock1,
  readBlock2,
  releaseLeafHash,
  type Signer,
  signBlock2,
} from '@countersign/device-sdk/format';
import { keyFor } from '@countersign/device-sdk/verify';
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
  /** Block 1 of a release that was followed, whether or not its signatures still count: a link of the release chain. */
  link(releaseLeaf: Uint8Array): Block1 | undefined;
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
  const kid = () => hex(kidOf(sha256, publicKeyOf(signer)));
  const byLeaf = new Map<string, SignedRelease>();
  /** Block 1 of every release that was followed, void ones too: devices that go past them need the link. */
  const links = new Map<string, Block1>();
  /** The trust root under which what is remembered holds. */
  let { version } = witness.root;
  const byChainHead = new Map<string, Payload>();
  const inOrder = serial();
  await recall();

  return {
    ensure: (leaf) => {
      forgetVoid();
      const known = byLeaf.get(hex(leaf));
      return known ? Promise.resolve(known) : inOrder(() => ensure(leaf));
    },
    get: (leaf) => byLeaf.get(hex(leaf)),
    link: (leaf) => links.get(hex(leaf)),
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
    let later: Release | undefined;
    for (let at = leaf; ; ) {
      const known = byLeaf.get(hex(at))?.release;
      const release = known ?? (await confirmedOrVoid(at, leaf));
      if (isConfirmed(release)) {
        if (later) checkLink(release, later);
        if (known) return missing;
        missing.push(release);
      }
      later = isConfirmed(release) ? release : undefined;
      at = release.block1.previousLeaf;
      if (equal(at, NO_LEAF)) return missing;
    }
  }

  /**
   * A release before the one that is wanted may be the work of a thief of the collection key, void since the trust root
   * says so. It stays a link of the chain and gets no second signature; the releases around it are none the worse.
   */
  async function confirmedOrVoid(at: Uint8Array, wanted: Uint8Array): Promise<Confirmed<Release> | { block1: Block1 }> {
    try {
      return await confirmRelease(verifier, ledger, witness, at);
    } catch (error) {
      if (equal(at, wanted) || (codeOf(error) !== 'REVOKED' && codeOf(error) !== 'UNKNOWN_KEY')) throw error;
      const block1 = readBlock1(await ledger.entry(at));
      demand(equal(releaseLeafHash(sha256, block1), at), 'NO_RECEIPT', 'the ledger gave another entry');
      links.set(hex(at), block1);
      log.warn({ release: hex(at), code: codeOf(error) }, 'a release of a revoked key stays without second signature');
      return { block1 };
    }
  }

  /** A signature by a key that the newest trust root does not accept any more is void: it is made anew when asked for. */
  function forgetVoid(): void {
    if (version === witness.root.version) return;
    ({ version } = witness.root);
    for (const [leaf, { release, block2 }] of byLeaf) {
      try {
        keyFor(verifier, witness.root, 'distribution', readBlock2(block2).kid);
        keyFor(verifier, witness.root, 'collection', release.block1.kid, release.leafIndex);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        byLeaf.delete(leaf);
      }
    }
  }

  function isConfirmed(release: Confirmed<Release> | { block1: Block1 }): release is Confirmed<Release> {
    return 'manifest' in release;
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
    const path = join(folder, `${hex(releaseLeaf)}.${hex(readBlock2(block2).kid)}`);
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
    links.set(hex(releaseLeaf), block1);
    const envelope = encodeEnvelope(sha256, manifestBytes, block1.leaf, block2);
    byLeaf.set(hex(releaseLeaf), { release, block2, block2Digest: sha256(block2), envelope });
    for (const { branches } of allComponents(manifest))
      for (const { payload } of branches) byChainHead.set(hex(payload.chainHead), payload);
  }

  async function recall(): Promise<void> {
    await makeFolder(folder);
    const names = (await readdir(folder)).filter((name) => !name.startsWith(TEMPORARY_PREFIX));
    // Own signatures last, so that they stand where another key of this server has signed before.
    names.sort((a, b) => Number(a.endsWith(kid())) - Number(b.endsWith(kid())));
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
