/** Peers of a ledger: who they are, what they check, what they sign, and what is left when the orderer is gone. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { keysFolder } from '@countersign/broker/face/up/folders';
import { bringBack } from '@countersign/broker/face/up/from-peer';
import { openServerKeys, type ServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { startPeer } from '@countersign/broker/face/up/peer';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { openKeyRing } from '@countersign/broker/keys/ring';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { type HttpLedger, httpLedger } from '@countersign/broker/ledger/http-client';
import { encodeBlock, readBlock } from '@countersign/broker/ledger/log/block';
import { cosignedFile } from '@countersign/broker/ledger/peer/cosigned-file';
import { CosignedHeads } from '@countersign/broker/ledger/peer/cosigned-heads';
import { manyLedgers } from '@countersign/broker/ledger/peer/many';
import type { BlocksAnswer } from '@countersign/broker/ledger/peer/messages';
import { type Code, codeOf, Refusal } from '@countersign/device-sdk';
import {
  type Cosignature,
  type Head,
  hex,
  kidOf,
  readHead,
  readSignedRoot,
  signHead,
} from '@countersign/device-sdk/format';
import { checkQuorum, checkSuccession } from '@countersign/device-sdk/verify';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';
import { publish, sha256, verifier } from './ledger-world.ts';
import { PeerBed, TOKEN, until } from './peer-bed.ts';

test('peers and their quorum stand in trust root 1; a majority where no number is given', async (t) => {
  const dir = await temporary(t);
  const keys = async (name: string, server: 'collection' | 'distribution' | 'peer'): Promise<ServerKeys> =>
    serverKeys(server, await openServerKeys(join(dir, name), server, { create: true }));
  const serverKeysGiven = [await keys('c', 'collection'), await keys('d', 'distribution')];
  const peers = [await keys('p1', 'peer'), await keys('p2', 'peer'), await keys('p3', 'peer')];
  const start = async (name: string, quorum?: number) => {
    const running = await startLedgerServer({ data: join(dir, name), serverKeys: serverKeysGiven, peers, quorum });
    await running.close();
    return running.quorum;
  };
  t.deepEqual(await start('majority'), { needed: 2, peers: 3 });
  t.deepEqual(await start('three', 3), { needed: 3, peers: 3 });
  for (const quorum of [0, 4]) t.is(codeOf(await t.throwsAsync(start(`no ${quorum}`, quorum))), 'BAD_REQUEST');
});

test.beforeEach((t) => t.timeout(300_000));

test('three peers copy, execute and cosign; a head is shown when two of them have signed it', async (t) => {
  const bed = await PeerBed.open(t);
  const orderer = httpLedger(bed.url, TOKEN);
  t.teardown(() => orderer.close());
  t.is(codeOf(await t.throwsAsync(orderer.head())), 'NO_QUORUM');
  const first = await bed.peer(0);
  await until('the first cosignature', () => bed.heads.state().waitingWith.length === 1);
  t.is(codeOf(await t.throwsAsync(orderer.head())), 'NO_QUORUM', 'one of two is not enough');
  const peers = [first, await bed.peer(1), await bed.peer(2)];
  await bed.write();
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum', () => bed.heads.size === size);
  for (const { peer } of peers) await until('the peer to know of it', () => peer.heads.size === size);
  await until('all three signatures', () => bed.heads.state().signers.length === 3);

  // A device that asks for 2 of 3 takes the head from the orderer as from any peer.
  for (const url of [bed.url, ...peers.map((peer) => peer.url)]) {
    const ledger = httpLedger(url, TOKEN);
    const { head, cosignatures } = await ledger.head();
    checkQuorum(verifier, bed.root, head, cosignatures);
    t.is(head.size, size);
    await ledger.close();
  }
  for (const { dir, close } of peers) {
    await close();
    const audited = await auditFolder(dir, { verifier });
    t.like(audited, { ok: true, entries: size });
    t.true(audited.cosignatures >= 2, 'the third may have come after it closed');
  }
});

test('a peer whose release content is not to be had follows, and does not put its name to it', async (t) => {
  const bed = await PeerBed.open(t, 1, 1);
  const { peer, url } = await bed.peer(0);
  await until('the quorum', () => bed.heads.size === bed.world.ledger.inside.standing.head.head.size);
  const before = bed.heads.size;
  const release = await publish(bed.world, 1);
  await until('it holds back', () => peer.state().holdsBack !== null);
  t.regex(peer.state().holdsBack!, /content of node@1\.1\.0/);
  t.is(peer.state().entries, bed.world.ledger.inside.standing.head.head.size, 'it has the blocks all the same');
  t.true(bed.heads.size < before + 4, 'nothing beyond the confirmation is published');
  const client = httpLedger(url, TOKEN);
  t.teardown(() => client.close());
  t.is(codeOf(await t.throwsAsync(client.receipt(release.leaf))), 'NO_QUORUM');
  t.is(codeOf(await t.throwsAsync(client.submit(new Uint8Array(40)))), 'NOT_PERMITTED');
});

/** Each lie is signed with the orderer's own keys: no forged signature is needed to be caught. */
const LIES: Record<string, { code: Code; lie(bed: PeerBed): Promise<Lie> }> = {
  'a forked block': {
    code: 'BAD_BLOCK',
    async lie(bed) {
      const fork = await bed.copy();
      await bed.write(fork);
      await bed.write(fork);
      await bed.write();
      await until('all to have the honest block', () => bed.signedByAll);
      const forked = await fork.inside.reader.block(fork.inside.standing.point.number - 1);
      return (answer) => ({ ...answer, blocks: answer.blocks.map(() => forked) });
    },
  },
  'an altered state': {
    code: 'BAD_BLOCK',
    async lie(bed) {
      return async (answer) => ({
        ...answer,
        blocks: await Promise.all(
          answer.blocks.map((bytes) =>
            bed.forge(bytes, ({ header }) => ({ header: { ...header, writesHash: sha256(header.writesHash) } })),
          ),
        ),
      });
    },
  },
  'a hidden entry': {
    code: 'BAD_BLOCK',
    async lie(bed) {
      const hidden = await bed.hiddenEntry();
      return (answer) => ({ ...answer, blocks: answer.blocks.length > 0 ? [hidden] : [] });
    },
  },
  'a split view': {
    code: 'SPLIT_VIEW',
    async lie(bed) {
      const fork = await bed.copy();
      await bed.write(fork);
      const { head } = fork.inside.standing.head;
      const signed = await signHead(sha256, head, bed.world.keys.log);
      return (answer) => ({ ...answer, wanted: { signed, root: head.root, cosignatures: [] } });
    },
  },
};
type Lie = (answer: BlocksAnswer) => BlocksAnswer | Promise<BlocksAnswer>;

for (const [name, { code, lie }] of Object.entries(LIES)) {
  test(`${name} told to one peer is caught by it, kept as evidence, and signed by nobody`, async (t) => {
    const bed = await PeerBed.open(t);
    let tell: Lie = (answer) => answer;
    const liar = await bed.liar(bed.url, (answer) => tell(answer));
    const [honest, other, victim] = [await bed.peer(0), await bed.peer(1), await bed.peer(2, [liar])];
    await until('all to follow', () => bed.heads.state().signers.length === 3);
    tell = await lie(bed);
    const before = victim.peer.state().cosigned!;
    await bed.write();
    await until('the victim to notice', () => victim.events.some(({ text }) => text.startsWith('FORK')));
    t.is(victim.peer.evidence[0]!.code, code);
    t.is(victim.peer.evidence[0]!.from, liar);
    await bed.write();
    const { head } = bed.world.ledger.inside.standing.head;
    await until('the honest quorum', () => bed.heads.size === head.size);
    t.is(victim.peer.state().cosigned, before, 'it signs nothing more');
    checkDevice(t, bed, (await bed.shown.head()).head, (await bed.shown.head()).cosignatures);
    for (const peer of [honest, other]) t.deepEqual(peer.peer.evidence, []);

    // Started again it still knows.
    await victim.close();
    const again = await bed.peer(2, [bed.url], victim.dir);
    t.is(again.peer.state().state, 'FORK');
    await bed.write();
    const next = bed.world.ledger.inside.standing.head.head.size;
    await until('the quorum without it', () => bed.heads.size === next);
    t.is(again.peer.state().cosigned, before);
    t.like(await auditFolder(victim.dir, { verifier }), { ok: true }, 'what it had is whole');
  });
}

test('an old head is never signed again, and what the peer has does not go back', async (t) => {
  const bed = await PeerBed.open(t);
  let old: BlocksAnswer | undefined;
  let stuck = false;
  const liar = await bed.liar(bed.url, (answer) => (stuck ? { ...old!, blocks: [] } : (old = answer)));
  const peers = [await bed.peer(0), await bed.peer(1), await bed.peer(2, [liar])];
  await until('all to follow', () => bed.heads.state().signers.length === 3);
  const [cosigned, seen] = [peers[2]!.peer.state().cosigned!, old!];
  await bed.write();
  await until('the next head', () => peers[2]!.peer.state().cosigned! > cosigned);
  const after = peers[2]!.peer.state();
  old = seen;
  stuck = true;
  await bed.write();
  await until('it to say so', () => /^STALE/.test(peers[2]!.peer.state().sources[0]!.problem ?? ''));
  const { cosigned: last, entries } = peers[2]!.peer.state();
  t.deepEqual([last, entries], [after.cosigned, after.entries]);
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum of the others', () => bed.heads.size === size);
});

test('two halves of a fork cannot both have a quorum, and peers that see each other both know', async (t) => {
  const bed = await PeerBed.open(t);
  const fork = await bed.copy();
  const one = await bed.peer(0);
  const two = await bed.peer(1, [fork.url, one.url]);
  await until(
    'both to sign what is common',
    () => two.peer.state().cosigned !== null && one.peer.state().cosigned !== null,
  );
  await bed.write();
  await bed.write(fork);
  await until('one of them to see both histories', () => two.peer.evidence.length > 0);
  t.is(two.peer.evidence[0]!.code, 'SPLIT_VIEW');
  const three = await bed.peer(2);
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum of one history', () => bed.heads.size === size);
  t.deepEqual(three.peer.evidence, []);
});

test('a peer that is killed and comes back signs no second head of one size, and catches up', async (t) => {
  const bed = await PeerBed.open(t);
  const peers = [await bed.peer(0), await bed.peer(1)];
  await until('the quorum', () => bed.heads.state().signers.length === 2);
  await peers[1]!.close();
  await bed.write();
  await until('one signature', () => bed.heads.state().waitingWith.length === 1);
  await bed.write();
  const again = await bed.peer(1, [bed.url], peers[1]!.dir);
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum', () => bed.heads.size === size);
  t.is(again.peer.state().entries, size);
});

test('a head that is signed again with a later time is cosigned again, and a restart shows what was published', async (t) => {
  const bed = await PeerBed.open(t, 2, 2);
  const { peer } = await bed.peer(0);
  await bed.peer(1);
  const { ledger, dir, clock } = bed.world;
  const before = ledger.inside.standing.head.head;
  await until('the quorum', () => bed.heads.size === before.size);
  clock.now += 3_600;
  await ledger.refreshHead();
  await until('the later head', () => bed.heads.published().head.time === before.time + 3_600);
  const { head, cosignatures } = bed.heads.published();
  t.deepEqual(head.root, before.root);
  checkDevice(t, bed, head, cosignatures);
  await until('the peer to keep it', () => peer.ledger.inside.standing.head.head.time === head.time);

  const file = cosignedFile(join(dir, 'ledger'));
  const again = await CosignedHeads.open({ inside: ledger.inside, verifier, file, names: true });
  t.deepEqual(again.published().head, head);
  t.is(again.published().cosignatures.length, 2);

  // A log that runs ahead of its peers' clocks would make every honest later head look old.
  const { keys } = bed.world;
  const future = { ...head, time: head.time + 100_000 };
  const signed = await signHead(sha256, future, keys.log);
  const cosigned = peer.state().cosigned;
  const liar = await bed.liar(bed.url, (answer) => ({
    ...answer,
    wanted: { signed, root: future.root, cosignatures: [] },
  }));
  const other = await bed.peer(1, [liar]);
  await until('it to hold back', () => /BAD_HEAD/.test(other.peer.state().holdsBack ?? ''));
  t.is(peer.state().cosigned, cosigned);
});

test('a reader goes on with peers while the orderer is away; only writing waits for it', async (t) => {
  const bed = await PeerBed.open(t, 1, 1);
  const { url } = await bed.peer(0);
  const { size } = bed.world.ledger.inside.standing.head.head;
  const there = httpLedger(url, TOKEN);
  await until('the peer to show it', async () => (await there.head().catch(() => undefined))?.head.size === size);
  const reader = manyLedgers([httpLedger('http://127.0.0.1:1', TOKEN), there]);
  const heard: number[] = [];
  const following = reader.follow(0, ({ leafIndex }) => void heard.push(leafIndex));
  t.teardown(async () => {
    following.stop();
    await reader.close();
  });
  const { head, cosignatures } = await reader.head();
  checkDevice(t, bed, head, cosignatures);
  t.deepEqual(await reader.entries(0, 2), await bed.world.ledger.entries(0, 2));
  t.is(((await reader.evaluate('listProducts')) as unknown[]).length, 1);
  await until('every entry', () => heard.length === size);
  t.deepEqual(
    heard,
    Array.from({ length: size }, (_, i) => i),
  );
  t.is(codeOf(await t.throwsAsync(reader.submit(new Uint8Array(40)))), 'UNREACHABLE');
});

test('an orderer that takes a statement is back: what was just written is read there, not from a peer behind it', async (t) => {
  const away = new Refusal('UNREACHABLE', 'this orderer is restarting');
  let up = false;
  const orderer = {
    evaluate: async () => (up ? 'orderer' : Promise.reject(away)),
    submit: async () => (up ? 'committed' : Promise.reject(away)),
  } as unknown as HttpLedger;
  const behind = { evaluate: async () => 'peer' } as unknown as HttpLedger;
  const reader = manyLedgers([orderer, behind]);
  t.is(await reader.evaluate('getRelease'), 'peer');
  up = true;
  t.is(await reader.evaluate('getRelease'), 'peer', 'it is left alone for a while');
  await reader.submit(new Uint8Array(40));
  t.is(await reader.evaluate('getRelease'), 'orderer');
});

function checkDevice(t: ExecutionContext, bed: PeerBed, head: Head, cosignatures: readonly Cosignature[]): void {
  t.notThrows(() => checkQuorum(verifier, bed.root, head, cosignatures));
  t.is(checkSuccession(bed.root, head, head), 'as it is');
}

test("transactions exchanged on the way are nobody's lie: they are refused, and the peer goes on", async (t) => {
  const bed = await PeerBed.open(t);
  let between = false;
  const carrier = await bed.liar(bed.url, (answer) => ({
    ...answer,
    blocks: between ? answer.blocks.map(exchanged) : answer.blocks,
  }));
  const [, victim] = [await bed.peer(0), await bed.peer(1, [carrier])];
  await until('the quorum', () => bed.heads.state().signers.length === 2);
  between = true;
  await bed.write();
  await until('it to refuse the block', () => /^BAD_BLOCK/.test(victim.peer.state().sources[0]!.problem ?? ''));
  t.deepEqual(victim.peer.evidence, []);
  between = false;
  const { size } = bed.world.ledger.inside.standing.head.head;
  await until('the quorum again', () => bed.heads.size === size);
});

/** The orderer's own header and signatures, and other transactions beside them. */
function exchanged(bytes: Uint8Array): Uint8Array {
  const { header, ordererSignature, head } = readBlock(bytes);
  return encodeBlock(header, [new Uint8Array(40)], ordererSignature, head);
}

test('a peer that wants heads of its own leads nobody past the head that the orderer waits for', async (t) => {
  const bed = await PeerBed.open(t, 3, 3);
  const hurry = await bed.liar(bed.url, (answer) => {
    const { head, signed } = bed.world.ledger.inside.standing.head;
    return { ...answer, blocks: [], published: null, wanted: { signed, root: head.root, cosignatures: [] } };
  });
  const first = await bed.peer(0);
  await until('the first cosignature', () => bed.heads.state().waitingWith.length === 1);
  const wanted = first.peer.state().cosigned!;
  await bed.write();
  const second = await bed.peer(1, [bed.url, hurry]);
  await until('it to have all entries', () => second.peer.state().entries > wanted);
  await bed.write();
  await until('it to have those too', () => second.peer.state().entries > wanted + 1);
  await bed.peer(2);
  await until('the quorum of all three', () => bed.heads.size >= wanted);
  t.pass();
});

test('a head that the peers cannot sign any more is given up for the newest one', async (t) => {
  const bed = await PeerBed.open(t, 1, 1);
  const { inside } = bed.world.ledger;
  let ms = 0;
  const file = { load: async () => undefined, store: async () => undefined };
  const heads = await CosignedHeads.open({ inside, verifier, file, names: true, elapsedMs: () => ms });
  const size = () => readHead(heads.wanted!.signed).fields.size;
  const first = size();
  await bed.write();
  t.is(size(), first, 'it stays wanted');
  ms = 31_000;
  await bed.write();
  const { head } = inside.standing.head;
  t.is(size(), head.size);
  t.is(heads.state().waitingSeconds, 31, 'and is still waited for');
  await bed.write();
  t.is(size(), head.size);
  heads.end();
});

test('a peer vouches for no size, as a witness either, before it has looked at all that a head demands', async (t) => {
  const bed = await PeerBed.open(t, 1, 1);
  let give = () => {};
  const never = new Promise<never>((_, reject) => {
    give = () => reject(new Error('the test is over'));
  });
  never.catch(() => undefined);
  let objection: string | undefined = 'the own node has nothing';
  const { peer } = await bed.peer(0, [bed.url], undefined, {
    contents: [{ blob: () => never, frames: () => never }],
    order: () => ({ objection: async () => objection, close: async () => undefined }),
  });
  t.teardown(give);
  const size = () => bed.world.ledger.inside.standing.head.head.size;
  await until('it to hold back', () => peer.state().holdsBack !== null);
  t.false(await peer.vouches(size()), 'its own node says otherwise');
  objection = undefined;
  await bed.write();
  await until('the quorum', () => bed.heads.size === size());
  t.true(await peer.vouches(size()));
  t.false(await peer.vouches(size() + 1));
  const before = size();
  await publish(bed.world, 1);
  await until('it to have the blocks', () => peer.state().entries === size());
  t.is(peer.state().holdsBack, null, 'the content is on its way');
  for (const one of [before, size()]) t.false(await peer.vouches(one));
});

test('a peer that lost its copy signs nothing that contradicts what it signed, as a peer or as a witness', async (t) => {
  const bed = await PeerBed.open(t, 1, 1);
  const fork = await bed.copy();
  const first = await bed.peer(0);
  await bed.write();
  const { head } = bed.world.ledger.inside.standing.head;
  await until('the quorum', () => bed.heads.size === head.size);
  await first.close();
  await rm(join(first.dir, 'ledger'), { recursive: true });
  const again = await bed.peer(0, [fork.url], first.dir);
  await until('it to have what is common', () => again.peer.state().entries === head.size - 1);
  t.false(await again.peer.vouches(head.size - 1), 'the copy is shorter than what was signed');
  await bed.write(fork);
  await until('it to have the other history', () => again.peer.state().entries === head.size);
  t.false(await again.peer.vouches(head.size));
  await again.close();

  const { size, root } = head;
  const witness = await bed.peer(0, [fork.url], undefined, { witnessed: async () => ({ size, root }) });
  await until('it to refuse', () => /another checkpoint/.test(witness.peer.state().holdsBack ?? ''));
  t.is(witness.peer.state().cosigned, null);
});

test('an orderer does not come back from one peer at two addresses, nor from a follower that nobody named', async (t) => {
  const dir = await temporary(t);
  const keys = async (name: string, server: 'collection' | 'distribution' | 'peer'): Promise<ServerKeys> =>
    serverKeys(server, await openServerKeys(join(dir, name), server, { create: true }));
  const given = {
    serverKeys: [await keys('c', 'collection'), await keys('d', 'distribution')],
    peers: [await keys('p1', 'peer'), await keys('p2', 'peer'), await keys('p3', 'peer')],
  };
  const data = join(dir, 'l');
  const orderer = await startLedgerServer({ data, ...given });
  const follow = [{ url: orderer.url, token: orderer.token! }];
  const trustRoot = new Uint8Array(await readFile(join(data, 'trust-root.cbor')));
  const start = async (name: string) => {
    const running = await startPeer({ data: join(dir, name), follow, trustRoot });
    t.teardown(() => running.close());
    return { url: running.url, token: running.token!, kid: running.peer.state().kid };
  };
  const [first, second, stranger] = [await start('p1'), await start('p2'), await start('stranger')];
  await orderer.close();
  const kept = new Uint8Array(await readFile(join(data, 'ledger', 'head')));
  await rm(join(data, 'ledger'), { recursive: true });
  const back = (peers: (typeof first)[], head?: Uint8Array) =>
    bringBack({ data, peers, head, verifier, tell: () => undefined });
  t.is(codeOf(await t.throwsAsync(back([first, { ...first, url: `${first.url}/` }]))), 'NO_QUORUM');
  t.is(codeOf(await t.throwsAsync(back([first, stranger]))), 'NO_QUORUM');
  t.is(codeOf(await t.throwsAsync(back([first], kept))), 'NO_QUORUM', 'more may have come after a head that was kept');
  await t.notThrowsAsync(back([first, second, stranger], kept));

  // A next trust root takes out the peer that never came: of two who both sign each head, one is enough to ask.
  const again = await startLedgerServer({ data });
  t.teardown(() => again.close());
  const ledger = httpLedger(again.url, again.token!);
  const { root } = readSignedRoot(sha256, trustRoot);
  const kids = root.roles.peer.keys.map((key) => hex(kidOf(sha256, key)));
  const next = planNextRoot(verifier, root, { remove: kids.filter((kid) => ![first.kid, second.kid].includes(kid)) });
  const key = (await openKeyRing(keysFolder(data, 'root'), ['root'])).signer('root');
  await ledger.submit(signedRootOf(sha256, next, [await signRootPayload(sha256, next, key)]));
  const copy = httpLedger(first.url, first.token);
  await until('the first peer to show trust root 2', async () => (await copy.roots(2)).length === 1);
  await Promise.all([ledger.close(), copy.close(), again.close()]);
  await rm(join(data, 'ledger'), { recursive: true });
  await t.notThrowsAsync(back([first]));
});
