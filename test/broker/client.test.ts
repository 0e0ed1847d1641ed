/** What people do, through the client's functions on a real server in this process; and what a lying server gets. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiClient, apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices, revokeDevice } from '@countersign/broker/face/client/devices';
import { readFleetApplies } from '@countersign/broker/face/client/fleet-applies';
import type { KeyRow } from '@countersign/broker/face/client/key-row';
import { putPassport, subjectOf } from '@countersign/broker/face/client/passports';
import { approvePerson, proposePerson, revokePerson } from '@countersign/broker/face/client/people';
import {
  approve,
  getRelease,
  publish,
  registerProduct,
  reject,
  waitForRelease,
} from '@countersign/broker/face/client/releases';
import {
  controlRollout,
  getRollout,
  type Opened,
  openRollout,
  randomDeviceId,
} from '@countersign/broker/face/client/rollouts';
import { rootInForce } from '@countersign/broker/face/client/roots';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { type RunningAll, startAll } from '@countersign/broker/face/up/start';
import { createPerson, loadPerson } from '@countersign/broker/keys/people';
import { auditFolder } from '@countersign/broker/ledger/audit';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import type { FleetApplies } from '@countersign/broker/passport/fleet';
import { codeOf, Refusal } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  COMMAND_ASK,
  COMMAND_RETRY,
  hex,
  publicKeyOf,
  readCommand,
  readProvision,
  type Signer,
  unhex,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createKey } from '@countersign/device-sdk/host/key-file';
import { verifyStatement } from '@countersign/device-sdk/verify';
import { readSample } from '@countersign/firmware-samples';
import anyTest, { type TestFn } from 'ava';
import type { Answer } from '../support/command.ts';
import { runHere, runHereJson } from '../support/command-here.ts';
import { makeDevice, RawClient } from './delivery-bed.ts';

interface Context {
  data: string;
  all: RunningAll;
  session: Session;
  engineer: Signer;
  approver: Signer;
  operator: Signer;
}

/** The one release that the tests after the first speak of. */
const made: { release: ReleaseView | undefined } = { release: undefined };

const test = (anyTest as TestFn<Context>).serial;
const IMAGE = readSample('valve-controller', '2.0.0');
const POLICY = { mandatory: true, log: true, reboot: true, downgrade: false };
const ORDER = { product: 'valve-controller', version: '2.0.0', fileName: 'valve.bin', policy: POLICY };

anyTest.before(async (t) => {
  const context = t.context as Context;
  context.data = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  context.all = await startAll({ data: context.data, samples: false, origin: 'example.com/test' });
  context.session = await openSession(apiClient(context.all.url, context.all.token));
  for (const name of ['engineer', 'approver', 'operator'] as const) {
    context[name] = await loadPerson(join(context.data, 'people'), name);
  }
});

anyTest.after.always(async (t) => {
  const { all, data } = t.context as Context;
  await all?.close();
  await rm(data, { recursive: true, force: true });
});

test('a release goes from upload to confirmed by two people', async (t) => {
  const { session, engineer, approver } = t.context;
  const product = { vendorDomain: 'example.com', name: 'valve-controller', memoryClass: 'S', frameBytes: 256 } as const;
  await registerProduct(session, engineer, { ...product, slotBytes: 114_688, imageBase: 0 });
  const { release, branches } = await publish(session, engineer, IMAGE, ORDER);
  t.like(release, { state: 'uploaded', deployer: 'engineer', sequence: 1, imageBytes: IMAGE.length });
  t.deepEqual(
    branches.map(({ base }) => base),
    [null],
  );
  t.is(codeOf(await t.throwsAsync(openRollout(session, t.context.operator, release.releaseLeaf))), 'NOT_APPROVED');
  t.is(codeOf(await t.throwsAsync(approve(session, engineer, release.releaseLeaf))), 'NOT_PERMITTED');
  await approve(session, approver, 'valve-controller@2.0.0');
  made.release = await waitForRelease(session, release.releaseLeaf, 'confirmed', 90_000);
  t.is(codeOf(await t.throwsAsync(reject(session, approver, release.releaseLeaf, 'too late'))), 'BAD_STATEMENT');
  t.is(codeOf(await t.throwsAsync(publish(session, engineer, IMAGE, ORDER))), 'EXISTS');
});

test('a confirmed release can be provisioned: image and record of one and the same release', async (t) => {
  const { session } = t.context;
  const release = made.release!;
  const record = readProvision(await session.api.bytes('/provision/valve-controller/2.0.0'));
  t.is(hex(record.releaseLeaf), release.releaseLeaf);
  t.is(record.brokerId, 'example.com/test');
  const image = await session.api.bytes(`/api/v1/blobs/${hex(record.image.digest)}`);
  t.deepEqual(image, IMAGE);
  t.is(codeOf(await t.throwsAsync(session.api.bytes('/provision/valve-controller/9.9.9'))), 'NOT_FOUND');
});

test('devices are enrolled with labels that never reach the ledger, and revoked by an operator', async (t) => {
  const { session, operator, engineer } = t.context;
  const devices = Array.from({ length: 3 }, (_, i) => ({
    id: randomDeviceId(),
    key: { alg: ALG_ED25519, bytes: generateKeyPair(ALG_ED25519).publicKey },
    labels: { hw: i === 0 ? 'A' : 'B' },
    name: `valve ${i}`,
  }));
  t.is(codeOf(await t.throwsAsync(enrolDevices(session, engineer, 'valve-controller', devices))), 'NOT_PERMITTED');
  // Two that begin alike, in 20 digits and no more.
  devices[2]!.id.set(devices[1]!.id.subarray(0, 10));
  devices[2]!.id[10] = devices[1]!.id[10]! ^ 1;
  const [committed] = await enrolDevices(session, operator, 'valve-controller', devices);
  const { entries } = (await session.api.get(`/api/v1/ledger/entries?from=${committed!.leafIndex}&count=1`)) as {
    entries: string[];
  };
  t.false(Buffer.from(entries[0]!, 'hex').includes('valve '), 'no name in the entry');
  const shown = (await session.api.get('/api/v1/devices')) as { labels: Record<string, string>; name: string }[];
  t.deepEqual(shown.map(({ labels }) => labels.hw).sort(), ['A', 'B', 'B']);
  const first = hex(devices[0]!.id);
  t.like(await session.api.get(`/api/v1/devices/${first.slice(0, 20)}`), { deviceId: first, updateResult: null });
  const refused = (name: string) => t.throwsAsync(session.api.get(`/api/v1/devices/${name}`));
  t.is(codeOf(await refused(first.slice(0, 7))), 'BAD_REQUEST');
  const both = await refused(hex(devices[1]!.id).slice(0, 20));
  for (const { id } of devices.slice(1)) t.true(both!.message.includes(hex(id)), both!.message);
  t.is(codeOf(await refused('0'.repeat(8))), 'NOT_FOUND');
  await revokeDevice(session, operator, devices[2]!.id, 'lost');
  const device = (await session.api.get(`/api/v1/devices/${hex(devices[2]!.id)}`)) as { state: string };
  t.is(device.state, 'revoked');
});

test('a rollout is planned by the server, signed by the operator, and obeys him', async (t) => {
  const { session, operator } = t.context;
  const release = made.release!;
  const waves = [{ group: 'hw=B' }, { percent: 100, failurePercentMax: 1 }];
  const { rolloutId, plan } = await openRollout(session, operator, release.releaseLeaf.slice(0, 8), {
    waves,
    jitterSeconds: 0,
  });
  t.deepEqual(
    plan.waves.map(({ devices }) => devices),
    [1, 1],
    'one of the two of hw=B is revoked',
  );
  t.is(plan.waves[1]!.failurePercentMax, 1);
  await until(async () => (await getRollout(session, rolloutId)).state === 'open');
  const next = await openRollout(session, operator, release.releaseLeaf, { waves, jitterSeconds: 0 });
  t.deepEqual(next.ends, [rolloutId], 'the same command again says which rollout it ends');
  await until(async () => (await getRollout(session, rolloutId)).state === 'aborted');
  await until(async () => (await getRollout(session, next.rolloutId)).state === 'open');
  await controlRollout(session, operator, 'abort', next.rolloutId.slice(0, 8), 'enough');
  await until(async () => (await getRollout(session, next.rolloutId)).state === 'aborted');
  t.is(codeOf(await t.throwsAsync(controlRollout(session, operator, 'resume', rolloutId, 'no'))), 'BAD_STATEMENT');
  t.is(
    codeOf(await t.throwsAsync(openRollout(session, operator, release.releaseLeaf, { waves: [{ group: 'hw=Z' }] }))),
    'BAD_REQUEST',
  );
});

test('a rollout waits for the confirmation and for the cosignatures, and says so', async (t) => {
  const { session, operator } = t.context;
  const { releaseLeaf } = made.release!;
  const late: Record<string, number> = {};
  const isLate = (what: string) => (late[what] = (late[what] ?? 0) + 1) === 1;
  const api: ApiClient = {
    ...session.api,
    url: session.api.url,
    get: async (path, query) => {
      const answer = (await session.api.get(path, query)) as object;
      return path.includes('/releases/') && isLate('confirmation') ? { ...answer, state: 'approved' } : answer;
    },
    post: (path, body, query) => {
      if (path.endsWith('/plan') && isLate('quorum')) throw new Refusal('NO_QUORUM', '0 of 2 peers');
      return session.api.post(path, body, query);
    },
  };
  const said: string[] = [];
  const opened = await openRollout({ ...session, api }, operator, releaseLeaf, {}, (text) => said.push(text));
  t.is(opened.plan.waves.length, 1);
  t.deepEqual(late, { confirmation: 2, quorum: 2 });
  t.regex(said.join('|'), /^approved; waiting .*\|0 of 2 peers; waiting a minute/);
});

test('a server that counts devices wrongly is told', (t) => {
  const good = { releaseLeaf: 'a', devices: 3, applies: 1, refused: [], withoutPassport: 1, unread: 1 };
  t.deepEqual(readFleetApplies(good), good);
  const row = { code: 'WRONG_BASE', devices: 1, reason: 'x' };
  const wrong = [
    undefined,
    { ...good, devices: 2 },
    { ...good, applies: 1.5, devices: 3.5 },
    { ...good, refused: 'none' },
    { ...good, devices: 4, refused: [{ ...row, code: 'WHATEVER' }] },
    { ...good, devices: 4, refused: [{ ...row, reason: 1 }] },
  ];
  for (const answer of wrong)
    t.is(codeOf(t.throws(() => readFleetApplies(answer))), 'MALFORMED', JSON.stringify(answer));
});

test('a person is proposed by one and approved by another, signs, and is revoked in the same way', async (t) => {
  const { session, operator, approver, data } = t.context;
  const key = await createPerson(join(data, 'people'), 'carol');
  const carol = { name: 'carol', roles: ['approver'], key: publicKeyOf(key) } as const;
  await proposePerson(session, approver, { ...carol, roles: [...carol.roles] });
  t.is(codeOf(await t.throwsAsync(approvePerson(session, approver, 'carol'))), 'SAME_PERSON');
  t.is(codeOf(await t.throwsAsync(approvePerson(session, key, 'carol'))), 'NOT_PERMITTED', 'a proposal signs nothing');
  await t.throwsAsync(approvePerson(session, operator, 'carol'));
  await revokeRejected(t.context);
  await proposePerson(session, operator, { ...carol, roles: [...carol.roles] });
  const other = { alg: ALG_ED25519, bytes: generateKeyPair(ALG_ED25519).publicKey };
  t.is(codeOf(await t.throwsAsync(approvePerson(session, approver, 'carol', other))), 'BAD_STATEMENT');
  const { proposal } = await approvePerson(session, approver, 'carol', carol.key);
  t.like(proposal, { what: 'enrol', roles: ['approver'] });
  await revokePerson(session, operator, 'approver', 'left');
  await approvePerson(session, key, 'approver');
  t.is(codeOf(await t.throwsAsync(revokePerson(session, approver, 'carol', 'revenge'))), 'REVOKED');
});

/** Takes the first proposal back, so that the name is free again. */
async function revokeRejected({ session, approver }: Context): Promise<void> {
  const { perform } = await import('@countersign/broker/face/client/session');
  const { objectDigest, rejectArgs } = await import('@countersign/broker/ledger/contract/args');
  const object = objectDigest(session.verifier.sha256, 'person', new TextEncoder().encode('carol'));
  await perform(session, approver, { action: 'reject', object, args: rejectArgs('other proposer') });
}

test('a server that answers with something else than was asked gets no signature', async (t) => {
  const { session, engineer, operator } = t.context;
  const release = made.release!;
  const lying = (change: (path: string, answer: unknown) => unknown): Session => {
    const { api } = session;
    const refuse = (): never => t.fail('something signed was sent') as never;
    const liar: ApiClient = {
      ...api,
      get: async (path, query) => change(path, await api.get(path, query)),
      post: async (path, body, query) =>
        /plan|prepare/.test(path) ? change(path, await api.post(path, body, query)) : refuse(),
    };
    return { ...session, api: liar };
  };
  const otherRelease = lying((path, answer) =>
    path.includes('/releases/') ? { ...(answer as object), releaseLeaf: 'f'.repeat(64) } : answer,
  );
  t.is(codeOf(await t.throwsAsync(approve(otherRelease, operator, release.releaseLeaf))), 'BAD_STATEMENT');
  const otherVersion = lying((path, answer) =>
    path.includes('/releases/') ? { ...(answer as object), version: '6.6.6' } : answer,
  );
  t.is(codeOf(await t.throwsAsync(approve(otherVersion, operator, 'valve-controller@2.0.0'))), 'BAD_STATEMENT');
  const plan = (await session.api.post('/api/v1/rollouts/plan', {
    release: release.releaseLeaf,
    waves: [{ percent: 1 }],
  })) as {
    args: string;
  };
  const forged = plan.args.replace(release.releaseLeaf, 'e'.repeat(64));
  t.not(forged, plan.args);
  const otherPlan = lying((path, answer) =>
    path.endsWith('/plan') ? { ...(answer as object), args: forged } : answer,
  );
  t.is(codeOf(await t.throwsAsync(openRollout(otherPlan, operator, release.releaseLeaf))), 'BAD_STATEMENT');
  const otherProduct = lying((path, answer) =>
    path.includes('/products/') ? { ...(answer as object), name: 'lock' } : answer,
  );
  t.is(codeOf(await t.throwsAsync(publish(otherProduct, engineer, IMAGE, ORDER))), 'BAD_STATEMENT');
  // The release of a thief, shown with the digest of the approver's own build.
  const otherImage = new Uint8Array(IMAGE.length).fill(7);
  const imageDigest = hex(session.verifier.sha256(otherImage));
  const otherDigest = lying((path, answer) =>
    path.includes('/releases/') ? { ...(answer as object), imageDigest } : answer,
  );
  const { releaseLeaf } = release;
  t.is(codeOf(await t.throwsAsync(approve(otherDigest, operator, releaseLeaf, otherImage))), 'BAD_STATEMENT');
  t.is(codeOf(await t.throwsAsync(approve(session, operator, releaseLeaf, otherImage))), 'BAD_STATEMENT');
  t.is(codeOf(await t.throwsAsync(openRollout(otherDigest, operator, releaseLeaf))), 'BAD_STATEMENT');
  const otherName = lying((path, answer) =>
    path.includes('/releases/') ? { ...(answer as object), product: 'lock' } : answer,
  );
  t.is(codeOf(await t.throwsAsync(approve(otherName, operator, releaseLeaf))), 'BAD_STATEMENT');
  const otherEntry = lying((path, answer) =>
    path.includes('/entries/') ? { entry: `00${(answer as { entry: string }).entry.slice(2)}` } : answer,
  );
  t.is(codeOf(await t.throwsAsync(approve(otherEntry, operator, releaseLeaf))), 'BAD_STATEMENT');
  t.is(codeOf(await t.throwsAsync(approvePerson(otherEntry, operator, 'carol'))), 'BAD_STATEMENT');
  const noRelease = lying(() => ({}));
  t.is(codeOf(await t.throwsAsync(getRelease(noRelease, release.releaseLeaf))), 'BAD_STATEMENT');
});

test('the ledger of all that passes the audit', async (t) => {
  const result = await auditFolder(t.context.data, { verifier: nodeVerifier() });
  t.true(result.ok, JSON.stringify(result.problems));
});

/** Asks again until it holds; the server carries a signed wish out within a moment. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 4_500; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come to hold');
}

test('a device hears the commands of an operator, until it is revoked: then it is put out of the MQTT broker at once', async (t) => {
  const { session, operator, all } = t.context;
  const device = makeDevice();
  await enrolDevices(session, operator, 'valve-controller', [{ id: device.id, key: publicKeyOf(device.keys) }]);
  const port = Number(new URL(all.endpoints.mqtt!).port);
  const login = async () => {
    const password = Buffer.from(await device.login({ brokerId: all.endpoints.brokerId! }));
    const client = new RawClient(port);
    return { client, code: await client.connect({ clientId: device.name, username: device.name, password }) };
  };
  const { client, code } = await login();
  t.is(code, 0);
  t.is(await client.subscribe(`ota/v1/d/${device.name}/cmd`, 1), 1);
  const retry = (id: string, ...words: string[]) =>
    runHereJson<Answer & { counter: number }>('devices', 'retry', id, ...words, '--data', t.context.data);
  const { root } = await rootInForce(session);
  for (const [i, command] of [COMMAND_ASK, COMMAND_RETRY].entries()) {
    const words = command === COMMAND_ASK ? ['--ask'] : [];
    const sent = await retry(device.name, ...words);
    t.is(sent.code, 0, sent.stderr);
    await until(async () => client.count > i);
    const bytes = new Uint8Array(client.messages()[i]!.payload);
    const said = readCommand(verifyStatement(session.verifier, root, bytes, 'cmd', 'command').payload);
    t.deepEqual(said, { deviceId: device.id, counter: sent.json.counter, command });
  }
  t.is((await retry('0'.repeat(32))).json.error?.code, 'NOT_FOUND');
  await revokeDevice(session, operator, device.id, 'stolen');
  t.is((await retry(device.name)).json.error?.code, 'REVOKED');
  // Nothing else ends it: it has a keep-alive of sixteen minutes.
  await until(async () => client.closed);
  t.is((await login()).code, 5);
});

test('every key of an installation is listed with what names it, where it is, when it signed and what needs it', async (t) => {
  const { data, session } = t.context;
  await createKey(join(data, 'distribution/keys/next.key'), 'distribution', { passphrase: 'four words' });
  const { code, json: rows, stderr } = await runHereJson<KeyRow[]>('keys', 'list', '--devices', '--data', data);
  t.is(code, 0, stderr);
  const of = (kind: string, name: string | null = null) => rows.find((row) => row.kind === kind && row.name === name)!;
  const { size } = (await session.api.get('/api/v1/head')) as { size: number };
  for (const role of ['root', 'collection', 'command', 'log', 'orderer', 'service'] as const) {
    t.like(of(role), { state: 'active', namedBy: 'trust root 1', kept: 'open' }, role);
    t.regex(of(role).file!, new RegExp(`${role}.key$`));
  }
  for (const row of rows) t.true(row.without.length > 10 && row.lastUsedFrom.length > 5, row.kind);
  // What signs entries was seen to have signed one; heads carry a time alone.
  for (const role of ['collection', 'service']) {
    t.true(of(role).lastUsed!.entry! > 0 && of(role).lastUsed!.entry! < size, role);
  }
  t.like(of('log').lastUsed, { entry: null });
  // A root key signs roots, and a second signature is known by the statement that names it.
  t.deepEqual(of('root').lastUsed!.entry, 0);
  const second = rows.find(({ kind, state }) => kind === 'distribution' && state === 'active')!;
  t.true(second.lastUsed!.entry! <= of('command').lastUsed!.entry! && second.lastUsed!.time > 0);
  t.regex(second.lastUsedFrom, /second signature/);
  t.like(of('person', 'engineer'), { state: 'active', namedBy: 'ledger: engineer' });
  t.true(of('person', 'operator').lastUsed!.entry! > of('person', 'engineer').lastUsed!.entry!);
  const [inForce, made] = rows.filter(({ kind }) => kind === 'distribution');
  t.deepEqual([inForce!.state, made!.state].toSorted(), ['active', 'next']);
  t.like([inForce, made].find((row) => row!.state === 'next')!, { kept: 'sealed', sealed: true, namedBy: null });
  const devices = rows.filter(({ kind }) => kind === 'device');
  t.true(devices.some(({ state }) => state === 'revoked') && devices.every(({ file }) => file === null));
  const told = await runHere('keys', 'list', '--data', data);
  t.regex(told.stdout, /no release gets its second signature/);
  t.false(told.stdout.includes('this device cannot log in'), 'devices only where asked for');
  const offline = (await runHereJson<KeyRow[]>('keys', 'list', '--offline', '--data', data)).json;
  t.true(offline.every((row) => row.state === 'unknown' && row.lastUsed === null && row.file !== null));
});

test('a rollout is refused where the release applies to no device that has a passport, unless it is meant', async (t) => {
  const { session, operator, data } = t.context;
  const { releaseLeaf, imageDigest, imageBytes } = made.release!;
  const here = ['--data', data];
  const all = (await session.api.get('/api/v1/devices')) as { deviceId: string; state: string }[];
  const [one, other, ...rest] = all.flatMap(({ deviceId, state }) => (state === 'enrolled' ? [deviceId] : []));
  const devices = rest.length + 2;
  const preview = () => runHereJson<FleetApplies>('rollout', 'preview', 'valve-controller@2.0.0', ...here);
  const put = async (deviceId: string | undefined, digest: string) => {
    const components = [{ name: 'app', version: '2.0.0', digest: unhex(digest)!, bytes: imageBytes }];
    const content = { hardware: 'A', bootloader: null, sdk: null, components };
    await putPassport(session, operator, await subjectOf(session, deviceId!), content);
  };
  const before = await preview();
  t.is(before.code, 0, before.stderr);
  t.like(before.json, { releaseLeaf, devices, applies: 0, withoutPassport: devices, unread: 0 });
  await put(one, imageDigest);
  const none = await preview();
  t.deepEqual([none.code, none.json.refused.map(({ code, devices }) => [code, devices])], [1, [['DUPLICATE', 1]]]);
  const open = (...more: string[]) =>
    runHereJson<Opened & Answer>('rollout', 'open', releaseLeaf, '--as', 'operator', ...more, ...here);
  const refused = await open();
  t.deepEqual([refused.code, refused.json.error?.code], [1, 'DUPLICATE']);
  t.regex(refused.json.error!.text, /no device that has a passport \(DUPLICATE 1\)/);
  await put(other, 'ab'.repeat(32));
  t.like((await preview()).json, { devices, applies: 1, withoutPassport: devices - 2 });
  const { stdout } = await runHere('rollout', 'preview', releaseLeaf, ...here);
  t.regex(stdout, /applies to 1 of \d+ devices, not to 1/);
  t.regex(stdout, /\nDUPLICATE +1 +it runs 2\.0\.0 already/);
  await put(other, imageDigest);
  const meant = await open('--anyway');
  t.is(meant.code, 0, meant.stderr);
  t.like(meant.json.applies, { devices, applies: 0 });
  const shown = await runHereJson<{ applies: FleetApplies }>('rollout', 'show', meant.json.rolloutId, ...here);
  t.deepEqual(shown.json.applies, meant.json.applies);
});

test("a person's next key: one command, another person's approval, and what the former one signed stays good", async (t) => {
  const { session, operator, data } = t.context;
  const done = async <T = Answer>(...args: string[]) => {
    const { code, json, stderr } = await runHereJson<T>(...args, '--data', data);
    t.is(code, 0, stderr);
    return json;
  };
  const content = ['--release', 'valve-controller@2.0.0', '--hardware', 'r1'];
  await done('passport', 'put', 'valve-controller', ...content, '--as', 'operator');
  const serial = async () =>
    (await done<{ passport: { serial: number } }>('passport', 'show', 'valve-controller')).passport.serial;
  const first = await done('people', 'rekey', 'operator');
  t.is((await done('people', 'rekey', 'operator')).file, first.file, 'the key that waits is taken again');
  const states = async () =>
    (await done<KeyRow[]>('keys', 'list')).filter(({ name }) => name === 'operator').map(({ state }) => state);
  t.deepEqual((await states()).sort(), ['active', 'proposed']);
  const self = await runHereJson('people', 'approve', 'operator', '--as', 'operator', '--data', data);
  t.is(self.json.error?.code, 'NOT_PERMITTED');
  const { proposal } = await done('people', 'approve', 'operator', '--as', 'carol');
  t.deepEqual(proposal, { what: 'rekey', thumbprint: first.thumbprint, roles: [] });
  t.deepEqual((await states()).sort(), ['active', 'retired']);
  t.is(codeOf(await t.throwsAsync(revokePerson(session, operator, 'engineer', 'a thief'))), 'REVOKED');
  t.is(await serial(), 1);
  // The command finds the key that counts, and another person may propose one that was made elsewhere.
  const key = hex(generateKeyPair(ALG_ED25519).publicKey);
  const byOther = await done<{ approvers: string[] }>('people', 'rekey', 'engineer', '--key', key, '--as', 'operator');
  t.deepEqual(byOther.approvers, ['carol'], 'who may put it in force is named');
  await done('people', 'approve', 'engineer', '--key', key, '--as', 'carol');
  await done('passport', 'put', 'valve-controller', ...content, '--as', 'operator');
  t.is(await serial(), 2);
  const alone = await done<{ approvers: string[] }>('people', 'rekey', 'carol');
  t.deepEqual(alone.approvers, [], 'the only approver cannot approve what he proposes');
});
