/** What the distribution server signs and says only with the peers, whatever the log's key says. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import { readUpload } from '@countersign/broker/ledger/contract/args';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  type Cosignature,
  encodeReceipt,
  type Head,
  hex,
  leafHash,
  readHead,
  readStatement,
  readTransaction,
  type Signer,
  signHead,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { classId } from '../support/publisher.ts';
import { consistencyPath, inclusionPath, rootOf } from '../support/tree.ts';
import { bytesOf, sha256, signerOf, signers } from '../support/world.ts';
import { type Bed, makeBed } from './distribution-bed.ts';

const PEERS = ['peer one', 'peer two', 'peer three'].map(signerOf);
const [one, two] = PEERS as [Signer, Signer, Signer];
const peers = { signers: PEERS, quorum: 2 };

async function cosignatureOf(head: Head, signer: Signer): Promise<Cosignature> {
  const { kid, alg, sign1 } = readHead(await signHead(sha256, head, signer));
  return { kid, alg, signature: sign1.signature };
}

type Cosign = (head: Head) => Promise<Cosignature[]>;
const by =
  (...cosigners: Signer[]): Cosign =>
  (head) =>
    Promise.all(cosigners.map((signer) => cosignatureOf(head, signer)));

/** The ledger with these signatures under each of its heads. */
function cosigned(ledger: LedgerClient, cosign: () => Cosign): LedgerClient {
  const under = async <T extends { head: { head: Head } }>(answer: Promise<T>): Promise<T> => {
    const given = await answer;
    return { ...given, head: { ...given.head, cosignatures: await cosign()(given.head.head) } };
  };
  return {
    ...ledger,
    head: async () => (await under(ledger.head().then((head) => ({ head })))).head,
    receipt: (leaf) => under(ledger.receipt(leaf)),
    announcementProof: (classId) => under(ledger.announcementProof(classId)),
  };
}

/** Whoever has the log's key puts a leaf behind the true ones that nobody has confirmed, and proves all that devices ask. */
async function forged(bed: Bed, leaf: Uint8Array, block1: Uint8Array, cosign: Cosign): Promise<LedgerClient> {
  const leaves = (await bed.leaves()).map(({ bytes }) => leafHash(sha256, bytes));
  const more = [...leaves, leaf];
  const { head } = await bed.ledger.head();
  const next: Head = { ...head, size: more.length, root: rootOf(sha256, more) };
  const signed = await signHead(sha256, next, signers.log);
  const ledgerHead = { head: next, signed, cosignatures: await cosign(next) };
  const path = inclusionPath(sha256, more, leaves.length);
  return {
    ...bed.ledger,
    entry: async (hash) => (hex(hash) === hex(leaf) ? block1 : bed.ledger.entry(hash)),
    consistency: async (from, to) => consistencyPath(sha256, more.slice(0, to), from),
    receipt: async () => ({ receipt: encodeReceipt(readHead(signed), leaves.length, path), head: ledgerHead }),
  };
}

async function signedFiles(bed: Bed): Promise<string[]> {
  return readdir(join(bed.dir, 'distribution', 'releases'));
}

/** Nothing but the signatures under the forged head differs between the rows. */
const enough: [string, Cosign, Code | undefined][] = [
  ['nobody', by(), 'NO_QUORUM'],
  ['one of two peers', by(one), 'NO_QUORUM'],
  ['one peer twice', by(one, one), 'NO_QUORUM'],
  ['one peer and a stranger', by(one, signerOf('stranger')), 'NO_QUORUM'],
  ["one peer and the log's own key", by(one, signers.log), 'NO_QUORUM'],
  ['two peers, another head', (head) => by(one, two)({ ...head, time: head.time - 1 }), 'NO_QUORUM'],
  ['two peers', by(one, two), undefined],
];

test("a release that nobody approved, proven with the log's key, gets no second signature without the peers", async (t) => {
  const bed = await makeBed(t, { peers, through: (ledger) => cosigned(ledger, () => by(one, two)) });
  const leaf = await bed.publisher.upload('1.0.0');
  const [upload] = (await bed.leaves()).slice(-1);
  const { block1 } = readUpload(readTransaction(readStatement(upload!.bytes, 'tx').payload).args);
  for (const [who, cosign, code] of enough) {
    const lying = await forged(bed, leaf, block1, cosign);
    const honest = cosigned(bed.ledger, () => by(one, two));
    await bed.restart({ through: () => ({ ...lying, head: honest.head }) });
    const planned = bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] });
    const refused: Code | undefined = await planned.then(() => undefined, codeOf);
    // With two peers it is signed: so they are all that was missing in the rows before.
    t.is(refused, code, who);
    t.is((await signedFiles(bed)).length, code ? 0 : 1, who);
    t.is(bed.server.releases.get(leaf) === undefined, code !== undefined, who);
  }
});

test('a device without a clock is told that a head is fresh up to its maximum age, and no further', async (t) => {
  let cosign = by(one, two);
  const through = (ledger: LedgerClient) => cosigned(ledger, () => cosign);
  const bed = await makeBed(t, { peers, through, headAgeMax: 4000 });
  const [device] = await bed.publisher.enrol(['a']);
  await bed.open(await bed.publisher.release('1.0.0'));
  const ask = async () => (await bed.delivery.ask(device!.id, { id: 1, kind: 5, nonce: bytesOf('nonce', 16) }))[0];
  t.is((await ask())?.kind, 5);

  // From now on one peer is away: heads are signed again by the log, and nobody is shown them.
  cosign = by(one);
  const { time } = bed.server.announcement(classId)!.head;
  bed.clock.time += 4000 - (bed.clock.now() - time);
  await bed.ledger.refreshHead();
  t.is((await ask())?.kind, 5, 'as old as it may be');
  bed.clock.time += 1;
  t.like(await ask(), { kind: 0, code: 'FREEZE', retrySeconds: 60 });
  t.is(bed.server.announcement(classId)!.head.time, time, 'no newer head was taken without its quorum');

  // A clock that was set back knows no age either.
  bed.clock.time = time - 4001;
  t.like(await ask(), { kind: 0, code: 'FREEZE' });
  bed.clock.time = time;
  t.is((await ask())?.kind, 5);
});
