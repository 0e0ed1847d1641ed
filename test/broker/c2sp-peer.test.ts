/** An orderer and a peer as they are started, and an auditor who has our code only where it says so. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { startPeer } from '@countersign/broker/face/up/peer';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { logClient } from '@countersign/broker/face/watch/log-client';
import { Watch } from '@countersign/broker/face/watch/watch';
import { readPolicy } from '@countersign/broker/ledger/c2sp/policy';
import { checkProof } from '@countersign/broker/ledger/c2sp/proof';
import { auditKeys, policyText } from '@countersign/broker/ledger/c2sp/trust';
import { encodeVkey } from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest } from '@countersign/broker/ledger/c2sp/witness';
import { codeOf } from '@countersign/device-sdk';
import { readSignedRoot, utf8 } from '@countersign/device-sdk/format';
import test from 'ava';
import { auditLog, auditorKey, checkpointOf, isSignedNote } from '../support/c2sp-auditor.ts';
import { temporary } from '../support/command.ts';
import { freePort } from '../support/ports.ts';
import { sha256, verifier } from './ledger-world.ts';
import { until } from './peer-bed.ts';

test('a peer shows the same log under its own signature, cosigns for others, and goes on without its orderer', async (t) => {
  t.timeout(300_000);
  const dir = await temporary(t);
  const keys = async (name: string, server: 'collection' | 'distribution' | 'peer') =>
    serverKeys(server, await openServerKeys(join(dir, name), server, { create: true }));
  const given = {
    serverKeys: [await keys('c', 'collection'), await keys('d', 'distribution')],
    peers: [await keys('p', 'peer')],
  };
  const [port, peerPort] = [await freePort(), await freePort()];
  const begin = (witnesses: string[] = []) => startLedgerServer({ data: join(dir, 'l'), ...given, witnesses, port });
  let orderer = await begin();
  t.teardown(() => orderer.close());
  for (const path of ['checkpoint', 'tile/0/000.p/1']) {
    const answer = await fetch(`${orderer.url}/log/${path}`);
    t.true(answer.status >= 400, 'nothing is shown to auditors that the quorum has not signed');
  }
  const early = await fetch(`${orderer.url}/log/tile/entries/000.p/1`, {
    headers: { authorization: `Bearer ${orderer.token}` },
  });
  t.is(early.status, 404);
  const trustRoot = new Uint8Array(await readFile(join(dir, 'l', 'trust-root.cbor')));
  const follow = [{ url: orderer.url, token: orderer.token! }];
  const start = () => startPeer({ data: join(dir, 'p'), follow, trustRoot, port: peerPort });
  let peer = await start();
  t.teardown(() => peer.close());
  const { origin, ...roles } = readSignedRoot(sha256, trustRoot).root;
  const { log, peers } = auditKeys(sha256, { origin, ...roles });
  const [logKey, peerKey] = [encodeVkey(log[0]!), encodeVkey(peers[0]!)];
  // The peer signs first and hands it in afterwards: the orderer shows a head only once that has arrived.
  for (const { url } of [orderer, peer])
    await until(`the head to be shown by ${url}`, async () => (await fetch(`${url}/log/checkpoint`)).ok);

  const { size } = await auditLog(`${orderer.url}/log`, logKey, orderer.token);
  t.is((await auditLog(`${peer.url}/log`, logKey, peer.token)).size, size, 'the same log from the copy');
  const shown = Buffer.from(await (await fetch(`${peer.url}/log/checkpoint`)).arrayBuffer());
  t.true(isSignedNote(shown, auditorKey(peerKey)), 'with the name of the peer under it');
  const own = new Uint8Array(await (await fetch(`${orderer.url}/log/checkpoint`)).arrayBuffer());
  t.deepEqual(checkpointOf(shown, auditorKey(logKey)), checkpointOf(Buffer.from(own), auditorKey(logKey)));

  const post = (body: Uint8Array) =>
    fetch(`${peer.url}/witness/add-checkpoint`, { method: 'POST', body: Buffer.from(body) });
  const again = await post(encodeRequest(size, [], own));
  t.is(again.status, 200);
  t.true(isSignedNote(Buffer.concat([own, Buffer.from(await again.text())]), auditorKey(peerKey)));
  t.is((await post(encodeRequest(0, [], own))).status, 409);
  const name = createHash('sha256').update(origin).digest('hex');
  t.is((await fetch(`${peer.url}/witness/${name}/checkpoint`)).status, 200);

  const clients = [logClient(orderer.url, undefined), logClient(peer.url, undefined)];
  const watch = await Watch.open({
    ...{ verifier, clients, statePath: join(dir, 'watch.json'), command: 'false', trust: trustRoot },
    now: () => Math.floor(Date.now() / 1000),
  });
  t.like(await watch.round(), {
    entries: size,
    standing: [],
    failed: [],
    servers: [{ problem: null }, { problem: null }],
  });
  for (const client of clients) await client.close();

  await orderer.close();
  orderer = await begin([`${peer.url}/witness`]);
  const token = orderer.token!;
  const policy = readPolicy(verifier, utf8(policyText(sha256, { origin, ...roles })));
  const { entries } = await auditLog(`${orderer.url}/log`, logKey, token);
  const leaf = createHash('sha256')
    .update(Buffer.concat([Buffer.of(0), entries[1]!]))
    .digest();
  const fetchProof = async () =>
    new Uint8Array(await (await fetch(`${orderer.url}/log/${leaf.toString('hex')}.tlog-proof`)).arrayBuffer());
  const witnesses = policy.witnesses.map(({ key }) => key);
  const signedBy = async () => {
    const proven = checkProof(verifier, await fetchProof(), new Uint8Array(leaf), { log, witnesses });
    const names = proven.witnesses.map(({ key }) => policy.witnesses.find((item) => item.key === key)!.name);
    return policy.satisfiedBy(new Set(names));
  };
  let enough = false;
  await until('the proof to carry what the policy demands', async () => (enough = await signedBy()));
  t.true(enough);
  t.is(
    codeOf(await t.throwsAsync(startLedgerServer({ data: join(dir, 'x'), ...given, witnesses: ['ftp://x'] }))),
    'BAD_REQUEST',
  );

  await peer.close();
  await orderer.close();
  peer = await start();
  t.is((await auditLog(`${peer.url}/log`, logKey, peer.token)).size, size, 'what it cosigned is there after a restart');
});
