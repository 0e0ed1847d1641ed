/** Keys of the trust root where they lie on machines apart: a peer's, and several root signers'. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import type { KeyRow } from '@countersign/broker/face/client/key-row';
import { rootInForce } from '@countersign/broker/face/client/roots';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import type { ServerKeys } from '@countersign/broker/face/up/identities';
import { startPeer } from '@countersign/broker/face/up/peer';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { activeKeys } from '@countersign/broker/keys/next-root';
import { codeOf, Refusal } from '@countersign/device-sdk';
import { hex, kidOf, publicKeyOf, type Role, readAnnouncement, readEnvelope } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import test, { type ExecutionContext } from 'ava';
import { temporary, up } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { SLOT_BYTES } from '../support/gateway.ts';
import { linesOfSigners, Machines } from '../support/machines.ts';
import { pause } from '../support/relay-world.ts';
import { repository } from '../support/repository.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;

const PRODUCT = 'sensor-node';

test('several people sign trust roots on machines of their own, by the words of the runbook, while all servers run', async (t) => {
  t.timeout(600_000);
  const m = await Machines.in(await temporary(t), ['o', 'd', 'c', 'ann', 'ben']);
  const { ledger, distribution } = await threeServers(t, m);
  m.url = ledger.url;
  for (const name of ['ann', 'ben']) await cp(m.at('o', 'l', 'trust-root.cbor'), m.at(name, 'trust-root.cbor'));
  await announceOne(t, m);
  const former = await secondSigner(distribution, m);
  t.is(former, await active(ledger, 'distribution'));

  const lines = await linesOfSigners();
  t.true(lines.length >= 12 && lines.some((line) => line.includes('root current')));
  for (const line of lines) await m.done(t, line);
  const { root } = await rootInForce(ledger.session);
  t.deepEqual([root.version, root.roles.root.threshold, root.roles.root.keys.length], [3, 2, 3]);
  const next = await active(ledger, 'distribution');
  t.not(next, former);
  // The running server signs with the key that several people put in force.
  while ((await secondSigner(distribution, m)) !== next) await pause();

  const ben = await withoutBen(t, m);
  const words = 'keys root current --trust current.cbor --server URL -o newest.cbor --json';
  const told = JSON.parse(await m.done(t, `ann$ countersign ${words}`));
  t.like(told, { version: 4, anchored: true, file: 'newest.cbor' });
  t.true(told.changes.some((line: string) => line.startsWith(`x root ${ben} revoked`)));
  t.is(hex(sha256(new Uint8Array(await readFile(m.at('ann', 'newest.cbor'))))), told.sha256);
  const vkey = await runJson('keys', 'vkey', m.at('ann', 'newest.cbor'));
  t.is(vkey.code, 0, 'tools of auditors take their keys from it, too');
  const audited = await runJson('audit', m.at('o', 'l'), '--trust', m.at('ann', 'newest.cbor'));
  t.is(audited.code, 0, JSON.stringify(audited.json));
});

interface Server {
  url: string;
  session: Session;
}

/** Ledger, collection and distribution, each a process with its keys on a machine of its own. */
async function threeServers(t: ExecutionContext, m: Machines): Promise<{ ledger: Server; distribution: Server }> {
  const keys: string[] = [];
  for (const [name, server] of Object.entries({ c: 'collection', d: 'distribution' })) {
    const made = await runJson('keys', 'server', server, '--data', m.at(name, name));
    await writeFile(m.at('o', `${server}.keys`), JSON.stringify(made.json));
    keys.push('--server-keys', m.at('o', `${server}.keys`));
  }
  const started = async (only: string, data: string, ...words: string[]) => {
    const server = await up('--only', only, '--data', data, '--port', '0', ...words);
    t.teardown(() => server.stop('SIGKILL'));
    const { url } = server.ready;
    const session = await openSession(apiClient(url, (await readFile(join(data, 'client-token'), 'utf8')).trim()));
    return { url, session };
  };
  const [o, c, d] = [m.at('o', 'l'), m.at('c', 'c'), m.at('d', 'd')];
  const ledger = await started('ledger', o, ...keys);
  const toLedger = ['--ledger', ledger.url, '--ledger-token-file', join(o, 'client-token')];
  const trust = ['--trust', join(o, 'trust-root.cbor')];
  const collection = await started('collection', c, ...toLedger, ...trust);
  const toCollection = ['--collection', collection.url, '--collection-token-file', join(c, 'client-token')];
  const distribution = await started('distribution', d, '--mqtt-port', '0', ...toLedger, ...toCollection, ...trust);
  for (const data of [c, d]) await cp(join(o, 'people'), join(data, 'people'), { recursive: true });
  return { ledger, distribution };
}

async function announceOne(t: ExecutionContext, m: Machines): Promise<void> {
  const done = async (...words: string[]) => {
    const { code, json, stderr } = await runJson(...words);
    t.is(code, 0, `${words[0]}: ${stderr}`);
    return json as { releaseLeaf: string };
  };
  const image = join(repository, `firmware-samples/images/${PRODUCT}-1.0.0.bin`);
  const product = ['--new-product', '--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', `${SLOT_BYTES}`];
  const data = ['--data', m.at('c', 'c')];
  const words = ['publish', image, '--product', PRODUCT, '--version', '1.0.0', '--as', 'engineer', ...data];
  const { releaseLeaf } = await done(...words, ...product);
  await done('approve', releaseLeaf, '--wait', '--as', 'approver', ...data);
  await done('rollout', 'open', releaseLeaf, '--jitter', '0', '--as', 'operator', '--data', m.at('d', 'd'));
}

/** The key id under the second signature of what is announced. */
async function secondSigner({ session }: Server, m: Machines): Promise<string> {
  for (;;) {
    try {
      const { head } = await makeBundle(session, { release: `${PRODUCT}@1.0.0`, full: true }, m.at('d', 'bundle'));
      return hex(readEnvelope(sha256, readAnnouncement(head.announcement).envelope).block2.kid);
    } catch (error) {
      // Nothing is announced for the moment.
      if (!(error instanceof Refusal)) throw error;
      await pause();
    }
  }
}

async function active({ session }: Server, role: Role): Promise<string> {
  const { root } = await rootInForce(session);
  return hex(kidOf(sha256, activeKeys(verifier, root, role)[0]!));
}

/** Ben's key was stolen. The others sign copies of one draft at the same time; one signature alone is too few. @returns its id */
async function withoutBen(t: ExecutionContext, m: Machines): Promise<string> {
  const ben = hex(kidOf(sha256, publicKeyOf(await loadSigner(m.at('ben', 'mine/root/keys/root.key')))));
  await m.done(t, `o$ countersign keys root next --revoke ${ben} --data ./l -o theft.json`);
  const signed = await Promise.all(
    [
      'o$ countersign keys root sign theft.json --key ./l',
      'ann$ countersign keys root sign theft.json --key ./mine',
    ].map((line) => m.line(`${line}/root/keys/root.key`)),
  );
  for (const { code, stderr } of signed) t.is(code, 0, stderr);
  const alone = await m.line('o$ countersign keys root submit theft.json --data ./l --json');
  t.is(JSON.parse(alone.stdout).error?.code, 'BAD_ROOT');
  await cp(m.at('ann', 'theft.json'), m.at('o', 'theft.ann.json'));
  await m.done(t, 'o$ countersign keys root submit theft.json theft.ann.json --data ./l');
  return ben;
}

test('a peer changes its key while it follows, and the quorum holds under the new root', async (t) => {
  t.timeout(600_000);
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
  const rotate = (...words: string[]) => runJson('keys', 'rotate', 'peer', ...words, '--data', at('ledger'));
  t.is((await rotate()).code, 2, 'which of the two is not said');
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

  // The second one by one command; where two sign, it writes the draft. The other peer stays as it is.
  const [first, second] = peers.map(({ keys }) => keys[0]!.publicKey);
  const kid = hex(kidOf(sha256, root.roles.peer.keys.find(({ bytes }) => hex(bytes) === second)!));
  const wrong: [code: string, words: string[]][] = [
    ['NOT_FOUND', [hex(kidOf(sha256, former!)), '--peer-data', at('peer1')]],
    ['BAD_REQUEST', [kid, '--peer-data', at('peer1')]],
    ['NOT_FOUND', [kid]],
  ];
  for (const [code, words] of wrong) t.is((await rotate(...words)).json.error?.code, code);
  const travels = at('peer2.draft.json');
  const planned = await rotate(`${root.origin}/peer/${kid}`, '--peer-data', at('peer2'), '-o', travels);
  t.is(planned.code, 0, planned.stderr);
  await done('sign', travels, '--key', at('ada/root/keys/root.key'));
  await done('submit', travels, '--data', at('ledger'));
  while ((await head()).rootVersion !== 3) await pause();
  t.is((await head()).cosignatures, 2);
  const after = (await rootInForce(session, trustRoot)).root.roles.peer.keys.map(({ bytes }) => hex(bytes));
  const before = root.roles.peer.keys.map(({ bytes }) => hex(bytes));
  t.deepEqual(
    [first, second].map((key) => after.includes(key!)),
    [false, false],
  );
  t.deepEqual([after.length, after.filter((key) => before.includes(key)).length], [2, 1]);

  const { json: rows } = await runJson<KeyRow[]>('keys', 'list', '--data', at('ledger'));
  const seen = (kind: string) => rows.filter((row) => row.kind === kind && row.lastUsed !== null);
  t.deepEqual(
    seen('peer').map(({ publicKey, state }) => [publicKey!, state]),
    after.map((key) => [key, 'active']),
    'those that cosigned the newest head',
  );
  // Both signed the newest of three roots.
  const { json: newest } = await runJson('keys', 'root', 'current', '--data', at('ledger'));
  t.is(newest.version, 3);
  t.deepEqual([seen('root').length, new Set(seen('root').map(({ lastUsed }) => lastUsed!.entry)).size], [2, 1]);
  t.true(seen('root')[0]!.lastUsed!.entry! > 0);
});
