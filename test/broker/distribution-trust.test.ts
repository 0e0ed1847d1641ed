/** What is signed and announced, and what never is. */

import { readHeadMessage } from '@countersign/broker/distribution/head-message';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import { readUpload } from '@countersign/broker/ledger/contract/args';
import {
  encodeReceipt,
  hex,
  readAnnouncement,
  readHead,
  readProvision,
  readReceipt,
  readStatement,
  readTransaction,
  signHead,
} from '@countersign/device-sdk/format';
import { openRoot, proveRelease, shapeAnnouncement, verifyHead } from '@countersign/device-sdk/verify';
import test from 'ava';
import { classId } from '../support/publisher.ts';
import { bytesOf, sha256, signers, verifier } from '../support/world.ts';
import { makeBed } from './distribution-bed.ts';

test('a confirmed release gets a second signature, and its announcement proves to a device', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(['one', 'two']);
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf);
  const bytes = bed.delivery.announced.get(hex(classId))!;
  const { root } = openRoot(verifier, bed.trustRoot);
  const proven = proveRelease(verifier, shapeAnnouncement(verifier, bytes), { root });
  t.is(proven.manifest.version, '1.0.0');
  t.deepEqual(proven.releaseLeaf, leaf);
  t.is(hex(proven.rollout.rolloutId), hex(rolloutId));
  t.is((await bed.view(rolloutId)).state, 'open');
});

test('a release that was uploaded and approved but not confirmed is neither signed nor planned', async (t) => {
  const bed = await makeBed(t);
  const leaf = await bed.publisher.upload('1.0.0');
  const error = await t.throwsAsync(bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] }));
  t.is((error as { code?: string }).code, 'NOT_FOUND');
  t.is(bed.server.releases.get(leaf), undefined);
  t.is(bed.delivery.announcements, 0);
});

/** A ledger that answers for a leaf that it has never logged, as best it can without the log's key. */
function inventing(
  ledger: LedgerClient,
  block1: Uint8Array,
  leaf: Uint8Array,
  how: 'stranger' | 'wrong path',
): LedgerClient {
  return {
    ...ledger,
    entry: async (hash) => (hex(hash) === hex(leaf) ? block1 : ledger.entry(hash)),
    async receipt(hash) {
      if (hex(hash) !== hex(leaf)) return ledger.receipt(hash);
      const { head } = await ledger.head();
      if (how === 'wrong path') {
        const { signed } = await ledger.head();
        return { receipt: encodeReceipt(readHead(signed), 0, [bytesOf('path')]), head: await ledger.head() };
      }
      const forged = { ...head, size: 1, root: leaf };
      const signed = await signHead(sha256, forged, signers.service);
      return { receipt: encodeReceipt(readHead(signed), 0, []), head: { head: forged, signed, cosignatures: [] } };
    },
  };
}

for (const [how, code] of [
  ['stranger', 'WRONG_ROLE'],
  ['wrong path', 'NO_RECEIPT'],
] as const) {
  test(`a receipt that does not verify (${how}) brings no second signature and no announcement`, async (t) => {
    const bed = await makeBed(t);
    const leaf = await bed.publisher.upload('1.0.0');
    const [upload] = (await bed.leaves()).slice(-1);
    const block1 = uploadedBlock1(upload!.bytes);
    await bed.restart({ through: (ledger) => inventing(ledger, block1, leaf, how) });
    const error = await t.throwsAsync(bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] }));
    t.is((error as { code?: string }).code, code);
    t.is(bed.server.releases.get(leaf), undefined);
    t.is(bed.delivery.announcements, 0);
  });
}

test('a ledger that shows another history than the one seen before is refused at the start', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(['one']);
  await bed.server.provision('sensor', 'none').catch(() => undefined);
  await bed.restart();
  await bed.server.close();
  const other = await makeBed(t);
  for (const name of ['a', 'b', 'c']) await other.publisher.enrol([name]);
  const error = await t.throwsAsync(bed.start({ through: () => other.ledger }));
  t.is((error as { code?: string }).code, 'SPLIT_VIEW');
});

test('a re-issue replaces receipt and index proof alone, never block 2 or the rollout', async (t) => {
  const bed = await makeBed(t, { headAgeMax: 4000 });
  await bed.open(await bed.publisher.release('1.0.0'));
  const before = shapeAnnouncement(verifier, bed.delivery.announced.get(hex(classId))!);
  const count = bed.delivery.announcements;
  await bed.publisher.enrol(['late']);
  await bed.advance(0);
  t.is(bed.delivery.announcements, count, 'an entry that does not concern the class brings no re-issue');
  await bed.advance(7000);
  const resigned = bed.clock.now();
  await bed.ledger.refreshHead();
  await bed.advance(1_000_000);
  t.is(bed.delivery.announcements, count + 1);
  const after = shapeAnnouncement(verifier, bed.delivery.announced.get(hex(classId))!);
  t.deepEqual(after.envelope.block2.bytes, before.envelope.block2.bytes);
  t.deepEqual(after.announcement.rollout, before.announcement.rollout);
  t.true(after.receipt.signed.fields.size > before.receipt.signed.fields.size);
  t.is(after.receipt.signed.fields.time, resigned);
});

test('the second signature is made once and survives restarts', async (t) => {
  const bed = await makeBed(t);
  const leaf = await bed.publisher.release('1.0.0');
  await bed.spoke('second signature made');
  const { block2 } = bed.server.releases.get(leaf)!;
  await bed.publisher.enrol(['one']);
  await bed.restart();
  t.deepEqual(bed.server.releases.get(leaf)?.block2, block2);
  await bed.open(leaf);
  t.is(bed.logged.filter(({ text }) => text === 'second signature made').length, 1);
});

test('the newest head is published with its root, and verifies', async (t) => {
  const bed = await makeBed(t);
  await bed.delivery.until(() => bed.delivery.head !== undefined);
  const { head, root } = readHeadMessage(bed.delivery.head!);
  const known = openRoot(verifier, bed.trustRoot).root;
  t.is(verifyHead(verifier, known, head, root).size, (await bed.leaves()).length);
});

test('a provisioning record names the release, the first trust root and the newest head', async (t) => {
  const bed = await makeBed(t);
  const leaf = await bed.publisher.release('1.0.0');
  const made = await bed.server.provision('sensor', '1.0.0');
  const record = readProvision(made.record);
  t.deepEqual(record.trustRoot, bed.trustRoot);
  t.deepEqual(record.releaseLeaf, leaf);
  t.is(record.head.size, (await bed.leaves()).length);
  t.is(record.sequence, 1);
  t.is(record.deviceId, undefined);
  t.deepEqual(sha256(await bed.server.blob(made.image.digest)), made.image.digest);
  await t.throwsAsync(bed.server.provision('sensor', '9.9.9'), { message: /no confirmed release/ });
});

test('a device that is made after an announcement does not find it stale, however far the log has grown', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.release('1.0.0');
  const leaf = await bed.publisher.release('1.0.1');
  await bed.open(leaf);
  const { receipt } = readAnnouncement(bed.delivery.announced.get(hex(classId))!);
  const announced = readReceipt(receipt).signed.fields;
  await bed.publisher.enrol(['late']);
  t.true((await bed.leaves()).length > announced.size);
  const { record } = await bed.server.provision('sensor', '1.0.0');
  t.is(readProvision(record).head.size, announced.size);
});

function uploadedBlock1(statement: Uint8Array): Uint8Array {
  return readUpload(readTransaction(readStatement(statement, 'tx').payload).args).block1;
}
