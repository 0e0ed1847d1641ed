/** Peers of a ledger: who they are, what they check, what they sign, and what is left when the orderer is gone. */
import { join } from 'node:path';
import { openServerKeys, type ServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { codeOf } from '@countersign/device-sdk';
import test from 'ava';
import { temporary } from '../support/command.ts';

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
