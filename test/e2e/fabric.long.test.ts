/**
 * The whole path with Hyperledger Fabric as the engine: the packed chaincode in two organisations, servers of one, a peer
 * of the other that reads its own node, a fleet of devices, and everybody's audit.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { getRollout } from '@countersign/broker/face/client/rollouts';
import { openSession } from '@countersign/broker/face/client/session';
import { trustRootPath } from '@countersign/broker/face/up/folders';
import { openServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { readTrustRoot } from '@countersign/broker/face/up/ledger';
import { startPeer } from '@countersign/broker/face/up/peer';
import { publishSamples } from '@countersign/broker/face/up/samples';
import { startAll } from '@countersign/broker/face/up/start';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { openConnection } from '@countersign/broker/ledger/fabric/connection';
import { openFabric } from '@countersign/broker/ledger/fabric/open';
import { readProfile } from '@countersign/broker/ledger/fabric/profile';
import { mirrored } from '@countersign/broker/ledger/mirror/mirrored';
import { ownOrder } from '@countersign/broker/ledger/mirror/own-order';
import { codeOf } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { firstPeople, open, release } from '@countersign/simulator/scenario/people';
import test from 'ava';
import { temporary } from '../support/command.ts';
import { fabricNetwork } from '../support/fabric/network.ts';
import { builtFleet, PRODUCT } from '../support/fleet-world.ts';
import { repository } from '../support/repository.ts';

const SETTLED_MS = 120_000;
const silent = () => undefined;

test('publish, approve, rollout, report, audit and history: from two organisations to the devices', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const packed = join(folder, 'chaincode');
  const pack = join(repository, 'scripts/chaincode.mjs');
  const { stdout } = await promisify(execFile)(process.execPath, [pack, '--address', 'cc.test:9999', '--out', packed]);
  t.regex(stdout, /countersign:[0-9a-f]{64}/);
  const network = await fabricNetwork(join(packed, 'chaincode.cjs'));
  t.teardown(() => network.close());
  const vendor = await openFabric(await network.profile('firmware'), silent);
  const auditor = await openFabric(await network.profile('firmware', { mspId: 'AuditorMSP' }), silent);

  const [data, peerData] = [join(folder, 'up'), join(folder, 'peer')];
  const ring = await openServerKeys(peerData, 'peer', { create: true });
  const server = await startAll({
    ...{ data, samples: false, peers: [serverKeys('peer', ring)] },
    engine: (ledger, ledgerFolder) => mirrored(vendor(), ledger, { folder: ledgerFolder }),
  });
  t.teardown(() => server.close());
  const peer = await startPeer({
    ...{ data: peerData, follow: [{ url: server.url, token: server.token! }] },
    trustRoot: await readTrustRoot(trustRootPath(data)),
    order: (ledger, copy, changed) => ownOrder(auditor(), ledger, copy, changed),
  });
  t.teardown(() => peer.close());

  const session = await openSession(apiClient(server.url, server.token));
  const people = await firstPeople(data);
  await publishSamples(session, people, silent);
  const fleet = await builtFleet(session, people, { devices: 3 });
  t.teardown(() => fleet.switchOff());
  await fleet.switchOn();
  const { releaseLeaf } = await release(session, people, PRODUCT, '1.0.1');
  // Logged comes before cosigned: whoever asks for the proof at once is told to come back.
  const { rolloutId } = await comingBack(() => open(session, people, releaseLeaf, { jitterSeconds: 0 }));
  t.true(await fleet.until(() => fleet.devices.every((d) => d.state?.running.sequence === 2), SETTLED_MS));
  const reported = async () => (await getRollout(session, rolloutId)).totals.updated === 3;
  while (!(await reported())) await new Promise((resolve) => setTimeout(resolve, 100));

  // The auditor's peer holds the same, and has compared every leaf with its own node.
  const head = await peer.peer.ledger.head();
  t.is(peer.peer.state().state, 'following');
  t.true(head.head.size > 10);
  const trust = await readTrustRoot(trustRootPath(data));
  for (const copy of [data, peerData]) {
    const audit = await auditFolder(copy, { trust, verifier: nodeVerifier() });
    t.deepEqual(audit.problems, []);
  }

  // Fabric's own history of the release tells the same story as ours.
  const ours = (await session.api.get(`/api/v1/history/${releaseLeaf}`)) as { action: string; signer: string }[];
  const profile = await readProfile(await network.profile('firmware', { mspId: 'AuditorMSP' }));
  const connection = openConnection(profile);
  t.teardown(() => connection.close());
  const contract = connection.gateway.getNetwork('firmware').getContract('countersign');
  const answer = Buffer.from(await contract.evaluateTransaction('getHistory', 'main', releaseLeaf));
  const theirs = JSON.parse(answer.toString()) as typeof ours;
  const story = (rows: typeof ours) => rows.map(({ action, signer }) => `${action} ${signer}`);
  t.deepEqual(story(theirs), story(ours));
  t.deepEqual(story(theirs), ['confirm service', 'approve approver', 'upload engineer']);
});

async function comingBack<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (codeOf(error) !== 'NO_QUORUM') throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
