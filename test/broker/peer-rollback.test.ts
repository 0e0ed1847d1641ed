/** A peer whose folder is put back from an older copy: what it has forgotten it is told by its own signatures. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCosigner } from '@countersign/broker/ledger/peer/cosigner';
import { codeOf } from '@countersign/device-sdk';
import { kidOf, publicKeyOf } from '@countersign/device-sdk/format';
import test from 'ava';
import { sha256, verifier } from './ledger-world.ts';
import { PeerBed, until } from './peer-bed.ts';

test.beforeEach((t) => t.timeout(120_000));

test('a peer that was put back from an older copy says so, signs nothing beside what it signed, and catches up', async (t) => {
  const bed = await PeerBed.open(t);
  await bed.peer(0);
  await bed.peer(1);
  const before = await bed.peer(2);
  await until('all to sign', () => bed.signedByAll);
  await before.close();
  const copy = await mkdtemp(join(tmpdir(), 'countersign-copy-'));
  t.teardown(() => rm(copy, { recursive: true, force: true }));
  await cp(before.dir, copy, { recursive: true });

  const later = await bed.peer(2, [bed.url], before.dir);
  await until(
    'it to know of all',
    () => later.peer.state().entries === bed.world.ledger.inside.standing.head.head.size,
  );
  const knew = later.peer.state().cosigned!;
  await bed.write();
  const middle = bed.world.ledger.inside.standing.head.head;
  await until('all to sign', () => bed.signedByAll);
  await bed.write();
  await until('all to sign', () => bed.signedByAll);
  await until('it to have signed', () => later.peer.state().cosigned === middle.size + 1);
  await later.close();
  await rm(before.dir, { recursive: true });
  await cp(copy, before.dir, { recursive: true });

  // Its copy is kept short: what it has forgotten it hears of before it has the blocks.
  let short = true;
  const carrier = await bed.liar(bed.url, (answer) => (short ? { ...answer, blocks: [] } : answer));
  const restored = await bed.peer(2, [carrier], before.dir);
  const spoke = () => restored.events.filter(({ level, code }) => level === 'error' && code === 'STALE');
  await until('it to say so', () => spoke().length > 0);
  t.true(spoke()[0]!.text.includes(`${middle.size + 1} entries, the last that this folder knows of has ${knew}`));
  t.is(restored.peer.state().cosigned, middle.size + 1);
  t.false(await restored.peer.vouches(knew), 'nor as a witness');
  short = false;
  await bed.write();
  await until('all to sign', () => bed.signedByAll);
  t.deepEqual([spoke().length, restored.peer.evidence.length], [1, 0]);

  // On stable storage: no later start signs a head that is older, or another one of that size.
  await restored.close();
  const { inside } = bed.world.ledger;
  const parts = { inside, verifier, now: () => bed.world.clock.now };
  const cosigner = await openCosigner(join(before.dir, 'peer', 'cosigned.cbor'), restored.signer, parts);
  t.is(codeOf(await t.throwsAsync(cosigner.sign(middle))), 'STALE');
  const { head } = inside.standing.head;
  t.is(codeOf(await t.throwsAsync(cosigner.sign({ ...head, root: new Uint8Array(32) }))), 'SPLIT_VIEW');
  t.is(await cosigner.remember(middle), undefined, 'an older one is nothing new');
});

test('a signature that only bears the name of the peer makes it remember nothing', async (t) => {
  const bed = await PeerBed.open(t, 2, 1);
  await bed.peer(0);
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum', () => bed.heads.size === size);
  const kid = kidOf(sha256, publicKeyOf(bed.signers[1]!));
  const strange = await bed.liar(bed.url, (answer) => ({
    ...answer,
    wanted: null,
    published: answer.published && {
      ...answer.published,
      cosignatures: [...answer.published.cosignatures, { ...answer.published.cosignatures[0]!, kid }],
    },
  }));
  const { peer, events } = await bed.peer(1, [strange]);
  await until('it to have what is published', () => peer.heads.size === size);
  t.is(peer.state().cosigned, null);
  t.false(events.some(({ code }) => code === 'STALE'));
});
