/** Keys of the trust root where they lie on machines apart: a peer's, and several root signers'. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { rootInForce } from '@countersign/broker/face/client/roots';
import { openSession } from '@countersign/broker/face/client/session';
import type { ServerKeys } from '@countersign/broker/face/up/identities';
import { startPeer } from '@countersign/broker/face/up/peer';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { codeOf } from '@countersign/device-sdk';
import { hex, kidOf } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { temporary } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { pause } from '../support/relay-world.ts';

const { sha256 } = nodeVerifier();

test('a peer changes its key while it follows, and the quorum holds under the new root', async (t) => {
  t.timeout(300_000);
  const dir = await temporary(t);
  const at = (name: string) => join(dir, name);
  const made = async (name: string, ...words: string[]) => {
    const role = name.replace(/\d/, '');
    const { json } = await runJson<ServerKeys>('keys', 'server', role, '--data', at(name), ...words);
    await writeFile(at(`${name}.json`), JSON.stringify(json));
    return json;
  };
  const serverKeys = [await made('collection'), await made('distribution')];
  const peers = [await made('peer1'), await made('peer2')];
  const ledger = await startLedgerServer({ data: at('ledger'), serverKeys, peers, quorum: 2 });
  t.teardown(() => ledger.close());
  const trustRoot = new Uint8Array(await readFile(at('ledger/trust-root.cbor')));
  const follow = [{ url: ledger.url, token: ledger.token! }];
  for (const name of ['peer1', 'peer2']) {
    const peer = await startPeer({ data: at(name), follow, trustRoot });
    t.teardown(() => peer.close());
  }
  const session = await openSession(apiClient(ledger.url, ledger.token!));
  const head = async () =>
    (await session.api.get('/api/v1/head').catch((error) => {
      if (codeOf(error) !== 'NO_QUORUM') throw error;
      return { rootVersion: 0, cosignatures: 0 };
    })) as { rootVersion: number; cosignatures: number };
  while ((await head()).rootVersion !== 1) await pause();
  const [former] = (await rootInForce(session)).root.roles.peer.keys;
  await made('peer1', '--next');
  const draft = at('draft.json');
  const remove = ['--remove', hex(kidOf(sha256, former!))];
  const done = async (...words: string[]) => {
    const { code, json, stderr } = await runJson('keys', 'root', ...words);
    t.is(code, 0, stderr);
    return json;
  };
  t.is((await runJson('keys', 'rotate', 'peer', '--data', at('ledger'))).json.error?.code, 'NOT_FOUND');
  // Another person joins the root on a machine of her own: from the next version on two must sign.
  const ada = await runJson('keys', 'server', 'root', '--data', at('ada'));
  await writeFile(at('ada.json'), JSON.stringify(ada.json));
  const joins = ['--add', at('ada.json'), '--threshold', 'root=2'];
  await done('next', '--data', at('ledger'), '--add', at('peer1.json'), ...joins, ...remove, '-o', draft);
  await done('sign', draft, '--key', at('ledger/root/keys/root.key'), '--trust', at('ledger/trust-root.cbor'));
  const alone = await runJson('keys', 'root', 'submit', draft, '--data', at('ledger'));
  t.is(alone.json.error?.code, 'BAD_ROOT');
  await done('sign', draft, '--key', at('ada/root/keys/root.key'));
  await done('submit', draft, '--data', at('ledger'));
  // Two of two: without the new key of the first, nothing more would be shown.
  while ((await head()).rootVersion !== 2) await pause();
  t.is((await head()).cosignatures, 2);
  const { root } = await rootInForce(session, trustRoot);
  t.false(root.roles.peer.keys.some(({ bytes }) => hex(bytes) === hex(former!.bytes)));
});
