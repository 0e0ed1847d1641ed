/**
 * The ceremony: every key of the trust root is exchanged and stolen once while devices sleep at every version. Real
 * servers over sockets, the command for each rotation, the true SDK on virtual boards.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { ledgerSize, rootInForce } from '@countersign/broker/face/client/roots';
import { openSession } from '@countersign/broker/face/client/session';
import { keysFolder } from '@countersign/broker/face/up/folders';
import type { ServerKeys } from '@countersign/broker/face/up/identities';
import { startPeer } from '@countersign/broker/face/up/peer';
import { startLedgerServer } from '@countersign/broker/face/up/start';
import { activeKeys, planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { signTransaction } from '@countersign/broker/keys/tx';
import { codeOf } from '@countersign/device-sdk';
import {
  encodeAnnouncement,
  encodeEnvelope,
  encodeProvision,
  hex,
  kidOf,
  NO_LEAF,
  publicKeyOf,
  type Role,
  readAnnouncement,
  readEnvelope,
  readHead,
  readProvision,
  readRollout,
  readStatement,
  rolloutValue,
  type Signer,
  signBlock2,
  signHead,
  signStatement,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { loadSigner } from '@countersign/device-sdk/host/key-file';
import { keyFor, nextRoot, proveRelease, shapeAnnouncement, verifyHead } from '@countersign/device-sdk/verify';
import { readSample } from '@countersign/firmware-samples';
import { fetchFactory } from '@countersign/simulator/scenario/factory';
import test, { type ExecutionContext } from 'ava';
import { Child } from '../support/child.ts';
import { temporary } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { pause } from '../support/relay-world.ts';
import { PRODUCT, type Site, site } from '../support/site.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;

/** Each is one command; `stolen` ones revoke from the size that the ledger has before it. */
const CEREMONY: [role: Role, how: 'exchanged' | 'stolen'][] = [
  ['distribution', 'exchanged'],
  ['command', 'exchanged'],
  ['log', 'exchanged'],
  ['collection', 'exchanged'],
  ['orderer', 'exchanged'],
  ['root', 'exchanged'],
  ['service', 'exchanged'],
  ['distribution', 'stolen'],
  ['command', 'stolen'],
  ['collection', 'stolen'],
  ['log', 'stolen'],
  ['root', 'stolen'],
  ['service', 'stolen'],
  ['orderer', 'stolen'],
];
/** Devices that slept from each version on, and one that is awake all the time. */
const DEVICES = CEREMONY.length + 2;
/** The servers are started anew after this rotation. */
const RESTART_AFTER = 7;

const HOLDER: Partial<Record<Role, 'ledger' | 'collection' | 'distribution' | 'root'>> = {
  ...{ log: 'ledger', orderer: 'ledger', collection: 'collection', service: 'collection' },
  ...{ distribution: 'distribution', command: 'distribution', root: 'root' },
};

test('fourteen rotations and thefts: no device is locked out, believes a thief, or loses the current release', async (t) => {
  t.timeout(600_000);
  const s = await site(t, DEVICES);
  const data = join(s.folder, 'server');
  const awake = s.children.at(-1)!;
  const first = await s.roll('1.0.1');
  awake.start();
  await awake.until((own) => own.version === '1.0.1');
  await sleepAt(s, 1);
  const stolen = new Map<Role, Signer>();
  const births: TrustRoot[] = [(await rootInForce(s.session)).root];
  for (const [i, [role, how]] of CEREMONY.entries()) {
    const thief = await keyInForce(data, role, births.at(-1)!);
    const size = await ledgerSize(s.session);
    const since = how === 'stolen' ? ['--stolen-from', String(size)] : [];
    const { code, json, stderr } = await runJson('keys', 'rotate', role, ...since, '--data', data);
    t.is(code, 0, `${role} ${how}: ${stderr}`);
    t.is(json.version, i + 2);
    births.push((await rootInForce(s.session)).root);
    if (how === 'stolen') stolen.set(role, thief);
    if (i === RESTART_AFTER) {
      await s.serverGoes();
      await s.serverComes();
    }
    // It is awake under every root, and each device sleeps from one of them on, with the release that it had.
    await awake.until(({ device }) => device!.state.head.rootVersion === i + 2);
    await sleepAt(s, i + 2);
  }
  t.is(births.length, CEREMONY.length + 1);
  await nothingOfAThief(t, s, stolen, births);
  await enrolAgain(s);

  const second = await s.roll('1.1.0');
  for (const child of s.children.slice(0, -1)) child.start();
  await Promise.all(s.children.map((child) => child.until((own) => own.version === '1.1.0')));
  const image = new Uint8Array(readSample(PRODUCT, '1.1.0'));
  for (const child of s.children) {
    t.is(child.device!.state.root.root.version, births.length);
    t.deepEqual(child.image(image.length), image);
  }
  while ((await s.updated(second)) < DEVICES) await pause();
  t.true((await s.updated(first)) > 0);
  const audited = await runJson('audit', join(data, 'ledger'), '--trust', join(data, 'trust-root.cbor'));
  t.is(audited.code, 0, audited.stderr);
});

/** The next device wakes, comes to this trust root and to the release that is current, and sleeps. */
async function sleepAt(s: Site, version: number): Promise<void> {
  const child = s.children[version - 1]!;
  child.start();
  await child.until(({ device }) => device!.state.root.root.version === version && child.version === '1.0.1');
  await child.stop();
}

/** The first device has lost its store and its key: the same id with another key, in its next epoch. */
async function enrolAgain(s: Site): Promise<void> {
  const { deviceId, url } = s.children[0]!;
  const factory = await fetchFactory(s.session, PRODUCT, '1.0.0');
  const { memoryClass, slotBytes, image } = factory;
  const record = encodeProvision({ ...readProvision(factory.record), deviceId, epoch: 1 });
  const board = { eraseBytes: 4096, slotBytes, storeBytes: 65_536 };
  const ports = { memoryClass, workspace: new Uint8Array(16_384), askSeconds: 5 };
  const child = new Child({ url, number: 200, record, image, board, ports });
  await enrolDevices(s.session, s.people.operator, PRODUCT, [{ id: deviceId, key: publicKeyOf(child.keys) }]);
  s.children[0] = child;
}

/** The key with which a thief goes on: the one that the trust root names now. */
async function keyInForce(data: string, role: Role, root: TrustRoot): Promise<Signer> {
  const folder = keysFolder(data, HOLDER[role]!);
  for (let number = 1; ; number++) {
    const key = await loadSigner(join(folder, number === 1 ? `${role}.key` : `${role}.${number}.key`));
    if (activeKeys(verifier, root, role).some((item) => hex(item.bytes) === hex(key.publicKey))) return key;
  }
}

/** What each stolen key could make is refused by the ledger, and by devices of every version that meet it. */
async function nothingOfAThief(
  t: ExecutionContext,
  s: Site,
  stolen: ReadonlyMap<Role, Signer>,
  births: readonly TrustRoot[],
): Promise<void> {
  const by = (role: Role) => stolen.get(role)!;
  const root = births.at(-1)!;
  const { announcement } = (
    await makeBundle(s.session, { release: `${PRODUCT}@1.0.1`, full: true }, join(s.folder, 'b'))
  ).head;
  const good = readAnnouncement(announcement);
  const envelope = readEnvelope(sha256, good.envelope);
  const { releaseLeaf, size, root: seen } = envelope.block2;
  const block2 = await signBlock2(sha256, envelope.manifest, { releaseLeaf, size, root: seen }, by('distribution'));
  const said = readRollout(readStatement(good.rollout, 'rollout').payload);
  const rollout = await signStatement(sha256, 'rollout', rolloutValue(said), by('command'));
  const forged = {
    'block 2 of a stolen key': {
      ...good,
      envelope: encodeEnvelope(sha256, envelope.manifest, envelope.block1.leaf, block2),
    },
    'a rollout of a stolen key': { ...good, rollout },
  };
  proveRelease(verifier, shapeAnnouncement(verifier, announcement), { root });
  for (const [what, parts] of Object.entries(forged)) {
    const shaped = shapeAnnouncement(verifier, encodeAnnouncement(parts));
    t.is(codeOf(t.throws(() => proveRelease(verifier, shaped, { root }))), 'REVOKED', what);
    // A device that sleeps at an older root follows the roots first: it never judges by its own.
    for (const old of births.slice(0, -1))
      t.is(codeOf(t.throws(() => proveRelease(verifier, shaped, { root: old }))), 'OLD_ROOT', what);
  }
  const next = { ...said, rolloutSequence: said.rolloutSequence + 1 };
  const channel = root.origin;
  const confirm = { channel, action: 'confirm' as const, object: releaseLeaf, previous: NO_LEAF, args: null };
  const plan = planNextRoot(verifier, root, { headAgeMax: 60 });
  const rows: [what: string, code: string, bytes: Uint8Array][] = [
    ['a rollout statement', 'REVOKED', await signStatement(sha256, 'rollout', rolloutValue(next), by('command'))],
    ['a transaction of a service', 'REVOKED', await signTransaction(sha256, by('service'), confirm)],
    ['a trust root', 'BAD_ROOT', signedRootOf(sha256, plan, [await signRootPayload(sha256, plan, by('root'))])],
  ];
  for (const [what, code, bytes] of rows)
    t.is(codeOf(await t.throwsAsync(s.session.api.post('/api/v1/transactions', bytes))), code as never, what);
  t.is(codeOf(t.throws(() => nextRoot(verifier, root, rows[2]![2]))), 'BAD_ROOT');
  // A head of the log's thief: larger than every honest one, so no device would ever come back from it.
  const head = {
    origin: root.origin,
    size: 1e6,
    root: NO_LEAF,
    indexRoot: NO_LEAF,
    time: 2e9,
    rootVersion: root.version,
  };
  const signed = await signHead(sha256, head, by('log'));
  t.is(codeOf(t.throws(() => verifyHead(verifier, root, readHead(signed), NO_LEAF))), 'REVOKED');
  const orderer = kidOf(sha256, publicKeyOf(by('orderer')));
  t.is(codeOf(t.throws(() => keyFor(verifier, root, 'orderer', orderer))), 'REVOKED');
}

test('a peer changes its key while it follows, and the quorum holds under the new root', async (t) => {
  t.timeout(300_000);
  const dir = await temporary(t);
  const at = (name: string) => join(dir, name);
  const made = async (name: string, ...words: string[]) => {
    const { json } = await runJson('keys', 'server', name.replace(/\d/, ''), '--data', at(name), ...words);
    await writeFile(at(`${name}.json`), JSON.stringify(json));
    return json as ServerKeys;
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
  t.is((await runJson('keys', 'rotate', 'peer', '--data', at('ledger'))).json.error.code, 'NOT_FOUND');
  // Another person joins the root on a machine of her own: from the next version on two must sign.
  const ada = await runJson('keys', 'server', 'root', '--data', at('ada'));
  await writeFile(at('ada.json'), JSON.stringify(ada.json));
  const joins = ['--add', at('ada.json'), '--threshold', 'root=2'];
  await done('next', '--data', at('ledger'), '--add', at('peer1.json'), ...joins, ...remove, '-o', draft);
  await done('sign', draft, '--key', at('ledger/root/keys/root.key'), '--trust', at('ledger/trust-root.cbor'));
  const alone = await runJson('keys', 'root', 'submit', draft, '--data', at('ledger'));
  t.is(alone.json.error.code, 'BAD_ROOT');
  await done('sign', draft, '--key', at('ada/root/keys/root.key'));
  await done('submit', draft, '--data', at('ledger'));
  // Two of two: without the new key of the first, nothing more would be shown.
  while ((await head()).rootVersion !== 2) await pause();
  t.is((await head()).cosignatures, 2);
  const { root } = await rootInForce(session, trustRoot);
  t.false(root.roles.peer.keys.some(({ bytes }) => hex(bytes) === hex(former!.bytes)));
});
