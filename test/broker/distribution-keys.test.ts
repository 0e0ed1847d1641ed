/** Keys and trust roots: which the server accepts for itself and for the ledger, and what follows when one is replaced. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWitness } from '@countersign/broker/distribution/witness';
import type { LedgerClient, LedgerHead } from '@countersign/broker/ledger/client';
import {
  encodeReceipt,
  hex,
  OPEN,
  publicKeyOf,
  readHead,
  readReceipt,
  readSignedRoot,
  type Signer,
  signHead,
  thumbprint,
} from '@countersign/device-sdk/format';
import { proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import test, { type ExecutionContext } from 'ava';
import { classId, makeRoot } from '../support/publisher.ts';
import { sha256, signerOf, signers, verifier } from '../support/world.ts';
import { makeBed } from './distribution-bed.ts';

const newD = signerOf('the next distribution key');

/** The next trust root: the distribution key is revoked, another stands in its place. */
function secondRoot(by = signers.root): Promise<Uint8Array> {
  const first = publicKeyOf(signers.distribution);
  const revocations = [{ thumbprint: thumbprint(sha256, first), logSize: 0 }];
  return makeRoot({ version: 2, keys: { distribution: [first, publicKeyOf(newD)] }, revocations }, by);
}

/** The ledger as it is after the second trust root was logged: every head names version 2. */
function underRoot(ledger: LedgerClient, next: Uint8Array): LedgerClient {
  const raise = async (old: LedgerHead): Promise<LedgerHead> => {
    const head = { ...old.head, rootVersion: 2 };
    return { head, signed: await signHead(sha256, head, signers.log), cosignatures: [] };
  };
  const reissue = async <T extends { receipt: Uint8Array; head: LedgerHead }>(answer: T): Promise<T> => {
    const head = await raise(answer.head);
    const { leafIndex, path } = readReceipt(answer.receipt);
    return { ...answer, head, receipt: encodeReceipt(readHead(head.signed), leafIndex, path) };
  };
  return {
    ...ledger,
    head: async () => raise(await ledger.head()),
    receipt: async (leaf) => reissue(await ledger.receipt(leaf)),
    announcementProof: async (id) => reissue(await ledger.announcementProof(id)),
    roots: async (from) => (from <= 1 ? [...(await ledger.roots(1)), next] : from === 2 ? [next] : []),
  };
}

async function folder(t: ExecutionContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'countersign-witness-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a new distribution key signs anew, and a new rollout statement follows', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(['one']);
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf);
  const before = bed.said()!;
  const next = await secondRoot();
  const through = (ledger: LedgerClient) => underRoot(ledger, next);
  await bed.restart({ through, signers: { distribution: newD, command: signers.command } });
  const after = await bed.told(rolloutId, OPEN);
  t.is(after.rolloutSequence, before.rolloutSequence + 1);
  t.notDeepEqual(after.block2Digest, before.block2Digest);
  const { root } = readSignedRoot(sha256, next);
  const shaped = shapeAnnouncement(verifier, bed.delivery.announced.get(hex(classId))!);
  t.deepEqual(proveRelease(verifier, shaped, { root }).releaseLeaf, leaf);
  t.is(bed.server.status().rootVersion, 2);
});

test('a root that is logged while the server runs: block 2, statement and announcement are made anew at once', async (t) => {
  const bed = await makeBed(t);
  const current: { distribution: Signer; command: Signer } = { ...signers };
  const live = (role: keyof typeof current): Signer => ({
    get alg() {
      return current[role].alg;
    },
    get publicKey() {
      return current[role].publicKey;
    },
    sign: (message) => current[role].sign(message),
  });
  const newCommand = signerOf('the next command key');
  await bed.restart({
    signers: { distribution: live('distribution'), command: live('command') },
    adopted: async ({ version }) => {
      if (version === 2) Object.assign(current, { distribution: newD, command: newCommand });
    },
  });
  await bed.publisher.enrol(['one']);
  const leaf = await bed.publisher.release('1.0.0');
  await bed.open(leaf);
  const before = bed.said()!;
  const old = bed.delivery.announced.get(hex(classId))!;
  const keys = { distribution: [publicKeyOf(newD)], command: [publicKeyOf(newCommand)] };
  const next = await makeRoot({ version: 2, keys }, signers.root);
  await bed.ledger.submit(next);
  await bed.delivery.until(() => bed.said()!.rolloutSequence > before.rolloutSequence);
  const { root } = readSignedRoot(sha256, next);
  const shaped = shapeAnnouncement(verifier, bed.delivery.announced.get(hex(classId))!);
  t.deepEqual(proveRelease(verifier, shaped, { root }).releaseLeaf, leaf);
  t.notDeepEqual(bed.said()!.block2Digest, before.block2Digest);
  t.like(
    t.throws(() => proveRelease(verifier, shapeAnnouncement(verifier, old), { root })),
    { code: 'STALE' },
  );
});

test('a release of a thief stays a link of the chain: the next one of the new collection key goes out behind it', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(['one']);
  const honest = await bed.publisher.release('1.0.0');
  const { size } = (await bed.ledger.head()).head;
  const stolen = await bed.publisher.release('1.0.1');
  const newC = signerOf('the next collection key');
  const former = publicKeyOf(signers.collection);
  const revocations = [{ thumbprint: thumbprint(sha256, former), logSize: size }];
  const keys = { collection: [former, publicKeyOf(newC)] };
  await bed.ledger.submit(await makeRoot({ version: 2, keys, revocations }, signers.root));
  const next = await bed.publisher.release('1.0.2', newC);
  await bed.open(next);
  t.is(bed.server.releases.get(stolen), undefined);
  t.deepEqual(bed.server.releases.get(honest)!.release.releaseLeaf, honest);
  t.deepEqual(bed.server.releases.get(next)!.release.block1.previousLeaf, stolen);
});

test('a server whose keys the trust root does not name, or names for another role, does not start', async (t) => {
  const bed = await makeBed(t);
  await bed.server.close();
  const unknown = { signers: { distribution: newD, command: signers.command } };
  t.like(await t.throwsAsync(bed.start(unknown)), { code: 'UNKNOWN_KEY' });
  const swapped = { signers: { distribution: signers.command, command: signers.distribution } };
  t.like(await t.throwsAsync(bed.start(swapped)), { code: 'WRONG_ROLE' });
});

test('a trust root that the accepted one did not sign is refused, and leaves no trace', async (t) => {
  const bed = await makeBed(t);
  const dir = await folder(t);
  const thief = await secondRoot(signerOf('a thief'));
  const misled = await openWitness(verifier, underRoot(bed.ledger, thief), bed.trustRoot, dir);
  t.like(await t.throwsAsync(misled.newestHead()), { code: 'BAD_ROOT' });
  t.is(misled.root.version, 1);
  const honest = await openWitness(verifier, bed.ledger, bed.trustRoot, dir);
  t.is((await honest.newestHead()).head.rootVersion, 1);
});

test('roots and head outlive a restart, and the head never goes back', async (t) => {
  const bed = await makeBed(t);
  const dir = await folder(t);
  const next = await secondRoot();
  const first = await openWitness(verifier, underRoot(bed.ledger, next), bed.trustRoot, dir);
  const { head } = await first.newestHead();
  const again = await openWitness(verifier, bed.ledger, bed.trustRoot, dir);
  t.is(again.root.version, 2);
  t.deepEqual(again.head, head);
  t.like(await t.throwsAsync(again.newestHead()), { code: 'STALE' }, 'a head under the former trust root');
  t.deepEqual(await again.rootsFrom(1), [bed.trustRoot, next]);
  const pinnedAnew = await openWitness(verifier, underRoot(bed.ledger, next), next, await folder(t));
  t.deepEqual(await pinnedAnew.rootsFrom(1), [bed.trustRoot, next], 'roots before the pinned one lead to it');
});

test('where the trust root demands a quorum, heads without it are refused', async (t) => {
  const bed = await makeBed(t);
  const pinned = await makeRoot({ keys: { peer: [publicKeyOf(signerOf('peer'))] }, thresholds: { peer: 1 } });
  const witness = await openWitness(verifier, bed.ledger, pinned, await folder(t));
  t.like(await t.throwsAsync(witness.newestHead()), { code: 'NO_QUORUM' });
  t.is(witness.head, undefined);
});
