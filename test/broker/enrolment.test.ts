/** Devices that enrol themselves: grants in the contract, claims at a real server's address. */
import { rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Door } from '@countersign/broker/distribution/delivery/door';
import { deviceIdsIn } from '@countersign/broker/distribution/device-ids';
import { CLAIM_RATE, enrolmentDesk } from '@countersign/broker/distribution/enrolment/desk';
import { type EnrolmentLists, openLists } from '@countersign/broker/distribution/enrolment/lists';
import { silentLog, systemClock } from '@countersign/broker/distribution/ports';
import { closeApi } from '@countersign/broker/face/api/app';
import { authorityKeys, type EnrolAuthority } from '@countersign/broker/face/api/client-certificate';
import { createDeviceApi } from '@countersign/broker/face/api/device-api';
import { readListFile } from '@countersign/broker/face/client/list-file';
import { enrolDevicesArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import type { EnrolGrant } from '@countersign/broker/ledger/contract/grant-args';
import type { DeviceView, GrantView, HistoryItem } from '@countersign/broker/ledger/contract/views';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  type Claim,
  claimValue,
  coseKey,
  equal,
  hex,
  publicKeyOf,
  readStatement,
  readTransaction,
  type Signer,
  signStatement,
  thumbprint,
  type Value,
} from '@countersign/device-sdk/format';
import { askAuthority, certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import { claimEntry, claimKey, newClaimCode, sendClaim } from '@countersign/device-sdk/host/claim';
import { type HttpClient, httpClient } from '@countersign/device-sdk/host/http-call';
import { askListing, listedEntry } from '@countersign/device-sdk/host/listing';
import type { TlsOptions } from '@countersign/device-sdk/host/mqtt';
import { Authority, type Issued } from '@countersign/simulator/attacks/server/certificates';
import {
  claimOf,
  deviceObject,
  grantObject,
  newGrant as grantOf,
  newList,
} from '@countersign/simulator/attacks/server/grants';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';
import { CERT, KEY } from './delivery-certificate.ts';
import {
  act,
  addProduct,
  CLASS,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  PRODUCT_OBJECT,
  sha256,
  tx,
  verifier,
  type World,
} from './ledger-world.ts';

const NOW = 1_800_000_000;

async function worldOf(t: ExecutionContext): Promise<World & { alice: Signer }> {
  const world = await newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  return Object.assign(world, { alice: world.people.alice! });
}

/** As the ledger has it; the server's clock stands at NOW. */
const newGrant = (change: Partial<EnrolGrant> = {}) => grantOf({ expires: NOW + 60, ...change });

function newClaim(grant: { signer: Signer; grantId: Uint8Array }, change: Partial<Claim> = {}, device = newSigner()) {
  const claim = claimOf(grant.grantId, change);
  return { device, claim, entry: claimEntry({ sha256 }, grant.signer, device, claim) };
}

const getGrant = async ({ ledger }: World, id: Uint8Array) => (await ledger.evaluate('getGrant', hex(id))) as GrantView;
const getDevice = async ({ ledger }: World, id: Uint8Array) =>
  (await ledger.evaluate('getDevice', hex(id))) as DeviceView;

async function refuses(
  t: ExecutionContext,
  { ledger }: World,
  rows: [string, Code, Uint8Array | Promise<Uint8Array>][],
) {
  const before = (await ledger.head()).head.size;
  for (const [why, code, entry] of rows) {
    const error = await t.throwsAsync(ledger.submit(await entry), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
  t.is((await ledger.head()).head.size, before);
}

test('a grant is signed by an operator, for a key of its own', async (t) => {
  const world = await worldOf(t);
  const { alice, keys } = world;
  const good = newGrant();
  const ask = (by: Signer, { grantId, args }: { grantId: Uint8Array; args: Value }) =>
    tx(by, { action: 'enrol', object: grantObject(grantId), args });
  const device = newDevice();
  await enrolDevices(world, [device]);
  const sized = (devices: number) => ask(alice, newGrant({ devices }));
  await refuses(t, world, [
    ['a server', 'NOT_PERMITTED', ask(keys.service, good)],
    ['nobody', 'UNKNOWN_KEY', ask(newSigner(), good)],
    [
      'another object',
      'BAD_STATEMENT',
      tx(alice, {
        action: 'enrol',
        object: PRODUCT_OBJECT,
        args: good.args,
        previous: new Uint8Array(
          Buffer.from(
            ((await world.ledger.evaluate('getPrevious', hex(PRODUCT_OBJECT))) as { previous: string }).previous,
            'hex',
          ),
        ),
      }),
    ],
    ['an unknown class', 'NOT_FOUND', ask(alice, newGrant({ classId: new Uint8Array(16) }))],
    ["a person's key", 'EXISTS', ask(alice, newGrant({ key: publicKeyOf(alice) }))],
    ["a server's key", 'EXISTS', ask(alice, newGrant({ key: publicKeyOf(keys.log) }))],
    ['a weak key', 'BAD_KEY', ask(alice, newGrant({ key: { alg: -19, bytes: new Uint8Array(32) } }))],
    ['for nobody', 'MALFORMED', sized(0)],
    ['for too many', 'MALFORMED', sized(100_001)],
    ['a code with a list', 'MALFORMED', ask(alice, newGrant({ content: new Uint8Array(32) }))],
    ['a list without one', 'MALFORMED', ask(alice, newGrant({ kind: 'list' }))],
  ]);
  await act(world, alice, 'enrol', grantObject(good.grantId), good.args);
  t.like(await getGrant(world, good.grantId), { used: 0, devices: 2, state: 'open', by: 'alice', kind: 'code' });
  await refuses(t, world, [['twice', 'DUPLICATE', ask(alice, good)]]);
});

test("a grant's key enrols new devices that hold their keys, so many, and does nothing else", async (t) => {
  const world = await worldOf(t);
  const { alice, keys, ledger } = world;
  const grant = newGrant();
  await act(world, alice, 'enrol', grantObject(grant.grantId), grant.args);
  const known = newDevice();
  await enrolDevices(world, [known]);
  const knownView = await getDevice(world, known.id);
  const own = newClaim(grant);
  const { deviceId } = own.claim;
  const heard = readTransaction(readStatement(await own.entry, 'tx').payload);
  t.deepEqual(deviceIdsIn(heard), [deviceId], 'the distribution server learns of it as of any other');
  t.deepEqual(deviceIdsIn({ ...heard, args: grant.args }), []);
  /** The same with another inside. */
  const changed = async (args: (proof: Uint8Array) => Value, object = deviceObject(deviceId), proofBy = own.device) => {
    const proof = await signStatement(sha256, 'claim', claimValue(own.claim), proofBy);
    return tx(grant.signer, { action: 'enrol', object, args: args(proof) });
  };
  const key = coseKey(publicKeyOf(own.device));
  const login = signStatement(sha256, 'login', claimValue(own.claim), own.device);
  const withProof = (proof: Uint8Array) => changed(() => ['claim', grant.grantId, deviceId, key, proof]);
  await refuses(t, world, [
    ['signed by the device alone', 'UNKNOWN_KEY', claimEntry({ sha256 }, own.device, own.device, own.claim)],
    ['signed by a server', 'MALFORMED', claimEntry({ sha256 }, keys.service, own.device, own.claim)],
    ['signed by an operator', 'MALFORMED', claimEntry({ sha256 }, alice, own.device, own.claim)],
    ['another ledger', 'BAD_STATEMENT', newClaim(grant, { origin: 'ledger.test/two' }).entry],
    ['another class', 'WRONG_CLASS', newClaim(grant, { classId: new Uint8Array(16) }).entry],
    ['another grant', 'BAD_STATEMENT', newClaim({ ...grant, grantId: new Uint8Array(16) }).entry],
    [
      'a proof by another key',
      'UNKNOWN_KEY',
      changed((proof) => ['claim', grant.grantId, deviceId, key, proof], undefined, newSigner()),
    ],
    ['a login as a proof', 'WRONG_TYPE', withProof(await login)],
    [
      'another id than proven',
      'BAD_STATEMENT',
      changed(
        (proof) => ['claim', grant.grantId, new Uint8Array(16).fill(7), key, proof],
        deviceObject(new Uint8Array(16).fill(7)),
      ),
    ],
    [
      'another object',
      'BAD_STATEMENT',
      changed((proof) => ['claim', grant.grantId, deviceId, key, proof], deviceObject(new Uint8Array(16))),
    ],
    ["somebody's key", 'EXISTS', newClaim(grant, {}, known.signer).entry],
    ['a device that is known', 'CONFLICT', newClaim(grant, { deviceId: known.id }).entry],
    ['a known device, knowing its last entry', 'EXISTS', knownDevice(grant, known.id, knownView.previous)],
    [
      'a batch',
      'MALFORMED',
      tx(grant.signer, {
        action: 'enrol',
        object: new Uint8Array(32),
        args: enrolDevicesArgs({ classId: CLASS, devices: [] }),
      }),
    ],
    [
      'a grant by a grant',
      'MALFORMED',
      tx(grant.signer, { action: 'enrol', object: new Uint8Array(32), args: newGrant().args }),
    ],
    ...[
      'revoke',
      'approve',
      'confirm',
      'rollout',
      'download',
      'product',
      'passport',
      'upload',
      'trial',
      'nonsense',
    ].map((action): [string, Code, Promise<Uint8Array>] => [
      action,
      'NOT_PERMITTED',
      tx(grant.signer, { action, object: new Uint8Array(32) }),
    ]),
  ]);
  await ledger.submit(await own.entry);
  t.like(await getDevice(world, deviceId), { state: 'enrolled', epoch: 0, publicKey: hex(own.device.publicKey) });
  const [first] = (await ledger.evaluate('getHistory', hex(deviceId))) as HistoryItem[];
  t.like(first, { action: 'enrol', signer: `grant:${hex(grant.grantId)}` });
  await ledger.submit(await nextReport({ ...newDevice(), id: deviceId, signer: own.device }));
  await refuses(t, world, [['the same again', 'DUPLICATE', own.entry]]);
  await ledger.submit(await newClaim(grant).entry);
  t.like(await getGrant(world, grant.grantId), { used: 2 });
  await refuses(t, world, [['a third of two', 'CAP_REACHED', newClaim(grant).entry]]);
});

/** A claim of an id that exists, with the very state that it would replace. */
async function knownDevice(grant: { signer: Signer; grantId: Uint8Array }, deviceId: Uint8Array, previous: string) {
  const device = newSigner();
  const claim = { origin: ORIGIN, grantId: grant.grantId, deviceId, classId: CLASS };
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device);
  const args: Value = ['claim', grant.grantId, deviceId, coseKey(publicKeyOf(device)), proof];
  const before = new Uint8Array(Buffer.from(previous, 'hex'));
  return tx(grant.signer, { action: 'enrol', object: deviceObject(deviceId), previous: before, args });
}

test('a revoked grant enrols nobody any more, and its devices stay', async (t) => {
  const world = await worldOf(t);
  const { alice, keys, ledger } = world;
  const grant = newGrant();
  const object = grantObject(grant.grantId);
  await act(world, alice, 'enrol', object, grant.args);
  const own = newClaim(grant);
  await ledger.submit(await own.entry);
  const args = revokeArgs('grant', grant.grantId, 'the label was photographed');
  const previous = new Uint8Array(Buffer.from((await getGrant(world, grant.grantId)).previous, 'hex'));
  await refuses(t, world, [
    ['by a server', 'NOT_PERMITTED', tx(keys.service, { action: 'revoke', object, args, previous })],
    ['by itself', 'NOT_PERMITTED', tx(grant.signer, { action: 'revoke', object, args, previous })],
  ]);
  await act(world, alice, 'revoke', object, args);
  await refuses(t, world, [['a claim', 'REVOKED', newClaim(grant).entry]]);
  t.is((await getGrant(world, grant.grantId)).state, 'revoked');
  t.is((await getDevice(world, own.claim.deviceId)).state, 'enrolled');
});

/** A desk behind a real address, whose clock stands. */
async function serverOf(t: ExecutionContext, { ledger }: World, enrol?: EnrolAuthority) {
  const clock = { seconds: NOW, ms: 0 };
  const folder = await temporary(t);
  const names: Record<string, string> = {};
  const lists: EnrolmentLists = await openLists(sha256, folder);
  const desk = enrolmentDesk({
    ...{ ledger, verifier, lists, authorities: authorityKeys(enrol) },
    clock: { ...systemClock, now: () => clock.seconds, elapsedMs: () => clock.ms },
    named: async (id, serial) => {
      names[hex(id)] = serial;
    },
  });
  const payload = () => Promise.reject(new Error('nobody asks for frames here'));
  const app = createDeviceApi({
    door: {} as Door,
    desk,
    payload,
    enrol,
    log: silentLog,
    ...(enrol && { tls: { cert: CERT, key: KEY } }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => closeApi(app));
  const { port } = app.server.address() as AddressInfo;
  /** Each with connections of its own. */
  const clientOf = (tls: TlsOptions = {}) => {
    const http = httpClient(enrol ? `https://127.0.0.1:${port}` : `http://127.0.0.1:${port}`, tls);
    t.teardown(() => http.close());
    return http;
  };
  const http = clientOf();
  const send = async (entry: Uint8Array | Promise<Uint8Array>) => {
    clock.ms += 1_000;
    return sendClaim(http, await entry).then((classId) => (equal(classId, CLASS) ? 'OK' : 'another class'), codeOf);
  };
  return { clock, folder, names, lists, http, send, clientOf, app };
}

test('at the server: a code works as often as it says, answers twice to one device, and tells strangers nothing', async (t) => {
  const world = await worldOf(t);
  const { alice } = world;
  const { clock, http, send } = await serverOf(t, world);
  const grant = newGrant();
  await act(world, alice, 'enrol', grantObject(grant.grantId), grant.args);

  const own = newClaim(grant);
  t.is(await send(own.entry), 'OK');
  t.is(await send(own.entry), 'OK', 'the first answer was lost');
  t.is((await getGrant(world, grant.grantId)).used, 1);
  t.is(await send(newClaim(newGrant()).entry), 'UNAUTHORIZED', 'a code that nobody made');
  t.is(await send(newClaim({ signer: newSigner(), grantId: grant.grantId }).entry), 'UNAUTHORIZED', 'a guessed key');
  const forged = new Uint8Array(await newClaim(grant).entry);
  forged[forged.length - 1]! ^= 1;
  t.is(await send(forged), 'BAD_SIGNATURE');
  t.is(await send(tx(alice, { action: 'approve', object: new Uint8Array(32) })), 'NOT_PERMITTED', 'not a claim');
  t.is(await send(new Uint8Array(2_049)), 'TOO_LARGE');
  t.is(await send(Uint8Array.of(1, 2, 3)), 'MALFORMED');
  t.is(await send(newClaim(grant, { classId: new Uint8Array(16) }).entry), 'WRONG_CLASS');

  clock.seconds = NOW + 60;
  t.is(await send(newClaim(grant).entry), 'NOT_PERMITTED', 'expired');
  t.is(await send(own.entry), 'OK', 'but who was in time may ask again');
  clock.seconds = NOW;
  t.is(await send(newClaim(grant).entry), 'OK');
  t.is(await send(newClaim(grant).entry), 'CAP_REACHED');
  await act(world, alice, 'revoke', deviceObject(own.claim.deviceId), revokeArgs('device', own.claim.deviceId, 'lost'));
  t.is(await send(own.entry), 'REVOKED', 'a revoked device does not come back by its code');

  const codes: string[] = [];
  for (let i = 0; i <= CLAIM_RATE.burst; i++)
    codes.push(await sendClaim(http, Uint8Array.of(1)).then(() => 'OK', codeOf));
  t.is(codes.at(-1), 'RATE_LIMITED');
});

test('at the server: a serial of a list finds its place, enrols once and is named; nobody else learns of it', async (t) => {
  const world = await worldOf(t);
  const { alice } = world;
  const { clock, folder, names, lists, http, send } = await serverOf(t, world);
  const [factory, second, late] = [newSigner(), newSigner(), newSigner()];
  const list = newList([factory, second, late]);
  await act(world, alice, 'enrol', grantObject(list.grantId), list.args);
  const view = await getGrant(world, list.grantId);
  const changed = list.lines.map((line) => ({ ...line, serial: `${line.serial}0` }));
  for (const [why, lines] of [
    ['another list', changed],
    ['a line less', list.lines.slice(1)],
    ['a serial twice', [...list.lines.slice(1), list.lines[1]!]],
    ['a serial with a comma', [{ ...list.lines[0]!, serial: 'a,b' }, ...list.lines.slice(1)]],
    ['none', []],
  ] as const) {
    t.is(codeOf(await t.throwsAsync(lists.put(view, lines), undefined, why)), 'BAD_REQUEST', why);
  }
  await lists.put(view, list.lines);
  await lists.put(view, list.lines);

  const ask = async (serial: string, key: Signer) => {
    clock.ms += 1_000;
    return askListing(http, { serial, print: thumbprint(sha256, publicKeyOf(key)) });
  };
  const codeOfAsk = (serial: string, key: Signer) => ask(serial, key).then(() => 'OK', codeOf);
  t.is(await codeOfAsk('SN-0', second), 'UNAUTHORIZED', "another's key");
  t.is(await codeOfAsk('SN-9', factory), 'UNAUTHORIZED', 'another serial');
  t.is(await codeOfAsk('SN 0', factory), 'BAD_REQUEST');
  const claim = (deviceId = crypto.getRandomValues(new Uint8Array(16))) => {
    return { origin: ORIGIN, grantId: list.grantId, deviceId, classId: CLASS };
  };
  const entryOf = async (key: Signer, serial: string, own = claim()) => {
    const listing = await ask(serial, key);
    return listedEntry({ sha256 }, key, key, own, { serial, listing });
  };
  const own = claim();
  const entry = await entryOf(factory, 'SN-0', own);
  const { listing } = list.placeOf(0);
  const stranger = newSigner();
  const forged = listedEntry({ sha256 }, stranger, stranger, claim(), { serial: 'SN-0', listing });
  t.is(await send(forged), 'UNAUTHORIZED', 'a serial that was read from a label');
  t.is(await send(entry), 'OK');
  t.deepEqual(deviceIdsIn(readTransaction(readStatement(await entry, 'tx').payload)), [own.deviceId]);
  t.is(await send(entry), 'OK', 'the first answer was lost');
  t.deepEqual(names, { [hex(own.deviceId)]: 'SN-0' });
  t.is(await send(entryOf(factory, 'SN-0')), 'EXISTS', 'under another id');
  t.is((await getGrant(world, list.grantId)).used, 1);
  clock.seconds = NOW + 10 * 366 * 86_400;
  t.is(await send(entryOf(second, 'SN-1')), 'OK', 'in time');
  clock.seconds = view.expires;
  t.is(await send(entryOf(late, 'SN-2')), 'NOT_PERMITTED', 'expired');
  t.is(await send(entry), 'OK', 'but who was in time may ask again');

  const again = newList([newSigner(), newSigner(), late]);
  clock.seconds = NOW;
  await act(world, alice, 'enrol', grantObject(again.grantId), again.args);
  await lists.put(await getGrant(world, again.grantId), again.lines);
  await act(world, alice, 'revoke', grantObject(list.grantId), revokeArgs('grant', list.grantId, 'listed anew'));
  t.deepEqual((await ask('SN-2', late)).grantId, again.grantId, 'the list that is open');
  const reopened = await openLists(sha256, folder);
  const found = reopened.find({ serial: 'SN-2', print: thumbprint(sha256, publicKeyOf(late)) });
  t.deepEqual(
    found.map(({ grantId }) => hex(grantId)).sort(),
    [hex(list.grantId), hex(again.grantId)].sort(),
    'lists are there after a restart',
  );
  writeFileSync(join(folder, 'lists', `${hex(list.grantId)}.json`), '[]');
  t.is(codeOf(await t.throwsAsync(openLists(sha256, folder))), 'BAD_STORE');
});

test('at the server: a certificate over TLS enrols its device; each that should not is refused before the ledger', async (t) => {
  const world = await worldOf(t);
  const { alice } = world;
  const [factory, foreign] = [new Authority('factory'), new Authority('foreign')];
  const denyFile = join(await temporary(t), 'deny');
  writeFileSync(denyFile, '# lost on the way\nSN-LOST\n00:04:D3\n');
  const crlFile = join(await temporary(t), 'revoked.pem');
  const crl = factory.crl([77]);
  writeFileSync(crlFile, crl);
  const enrol = { ca: factory.cert, crl, crlFile, denyFile };
  const { clock, names, clientOf, app } = await serverOf(t, world, enrol);
  const [authority] = authorityKeys(enrol);
  const grant = newGrant({ kind: 'authority', devices: 3, content: thumbprint(sha256, authority!) });
  await act(world, alice, 'enrol', grantObject(grant.grantId), grant.args);

  const withCertificate = ({ cert, key }: Issued) => clientOf({ ca: CERT, cert, key });
  const ask = (http: HttpClient, classId = CLASS) => {
    clock.ms += 1_000;
    return askAuthority(http, classId);
  };
  const entryOf = async (issued: Issued, deviceId: Uint8Array, device: Signer) => {
    const claim = { origin: ORIGIN, grantId: grant.grantId, deviceId, classId: CLASS };
    return certifiedEntry({ sha256 }, certificateKey(issued.cert, issued.key), device, claim, authority!);
  };
  const claim = async (http: HttpClient, entry: Uint8Array) => {
    clock.ms += 1_000;
    return sendClaim(http, entry).then(() => 'OK', codeOf);
  };
  const refused: [why: string, Issued][] = [
    ['another authority', foreign.issue({ name: 'SN-1' })],
    ["a server's", factory.issue({ name: 'SN-1', purpose: 'server' })],
    ['for no purpose in particular', factory.issue({ name: 'SN-1', purpose: 'none' })],
    ['expired', factory.issue({ name: 'SN-1', from: -3, to: -1 })],
    ['not valid yet', factory.issue({ name: 'SN-1', from: 1 })],
    ['an authority below it', factory.issue({ name: 'SN-1', ca: true })],
    ['revoked', factory.issue({ name: 'SN-1', serial: 77 })],
    ['denied by name', factory.issue({ name: 'SN-LOST' })],
    ['denied by number', factory.issue({ name: 'SN-1', serial: 0x4d3 })],
    ['no name', factory.issue({})],
    ['a name that is no serial', factory.issue({ name: 'SN 1' })],
    ['two names', factory.issue({ dns: ['sn-1', 'sn-2'] })],
  ];
  const before = (await world.ledger.head()).head.size;
  for (const [why, issued] of refused) {
    const http = withCertificate(issued);
    t.is(await ask(http).then(() => 'OK', codeOf), 'NOT_PERMITTED', why);
    const entry = await entryOf(issued, crypto.getRandomValues(new Uint8Array(16)), newSigner());
    t.is(await claim(http, entry), 'NOT_PERMITTED', why);
  }
  const own = factory.issue({ name: 'SN-1' });
  const id = crypto.getRandomValues(new Uint8Array(16));
  const device = newSigner();
  const entry = await entryOf(own, id, device);
  const bare = clientOf({ ca: CERT });
  t.is(await ask(bare).then(() => 'OK', codeOf), 'NOT_PERMITTED', 'without a certificate');
  t.is(await claim(bare, entry), 'NOT_PERMITTED', 'without a certificate');
  const second = factory.issue({ dns: ['sn-2'], curve: 'Ed25519' });
  t.is(await claim(withCertificate(second), entry), 'NOT_PERMITTED', "another's claim");
  const http = withCertificate(own);
  t.is(await ask(http, new Uint8Array(16)).then(() => 'OK', codeOf), 'UNAUTHORIZED', 'another class');
  t.is((await world.ledger.head()).head.size, before);

  t.deepEqual(await ask(http), { grantId: grant.grantId, authority: authority! });
  t.is(await claim(http, entry), 'OK');
  t.is(await claim(http, entry), 'OK', 'the first answer was lost');
  const again = await entryOf(own, crypto.getRandomValues(new Uint8Array(16)), newSigner());
  t.is(await claim(http, again), 'EXISTS', 'another device with it');
  const secondId = crypto.getRandomValues(new Uint8Array(16));
  t.is(await claim(withCertificate(second), await entryOf(second, secondId, newSigner())), 'OK');
  t.deepEqual(names, { [hex(id)]: 'SN-1', [hex(secondId)]: 'sn-2' });
  // Somebody with a certificate of his own says that it is for a device that is there.
  const third = factory.issue({ name: 'SN-3' });
  const taken = await entryOf(third, id, newSigner());
  t.is(await claim(withCertificate(third), taken), 'CONFLICT', 'a device that is known');
  writeFileSync(denyFile, 'SN-3\n');
  t.is(await ask(withCertificate(third)).then(() => 'OK', codeOf), 'NOT_PERMITTED', 'denied since then');
  writeFileSync(denyFile, '');
  // The authority revokes a certificate while the server runs, and its holder keeps his connection.
  const robbed = factory.issue({ name: 'SN-4', serial: 78 });
  const kept = withCertificate(robbed);
  t.deepEqual((await ask(kept)).grantId, grant.grantId);
  writeFileSync(crlFile, factory.crl([77, 78]));
  await app.revocationLists!.reread();
  const onceMore = withCertificate(robbed);
  for (const [one, why] of [
    [kept, 'on the connection that he had'],
    [onceMore, 'on another'],
  ] as const)
    t.is(await ask(one).then(() => 'OK', codeOf), 'NOT_PERMITTED', why);
  t.deepEqual((await ask(withCertificate(factory.issue({ name: 'SN-5' })))).grantId, grant.grantId);
  for (const damaged of ['', 'no list', crl.slice(0, crl.length / 2)]) {
    writeFileSync(crlFile, damaged);
    await app.revocationLists!.reread();
    t.is(await ask(withCertificate(robbed)).then(() => 'OK', codeOf), 'NOT_PERMITTED', 'the last good list holds');
  }
  rmSync(crlFile);
  await app.revocationLists!.reread();
  t.is(await ask(withCertificate(robbed)).then(() => 'OK', codeOf), 'NOT_PERMITTED', 'and no list opens nothing');
  rmSync(denyFile);
  t.is(await ask(withCertificate(third)).then(() => 'OK', codeOf), 'BAD_STORE', 'the deny list is gone');
});

test('a list is read from CSV and JSON; secrets in it become thumbprints', (t) => {
  const key = newSigner();
  const print = hex(thumbprint(sha256, publicKeyOf(key)));
  const code = newClaimCode();
  const coded = hex(thumbprint(sha256, publicKeyOf(claimKey({ sha256 }, code).signer)));
  const read = (text: string) => readListFile({ sha256 }, text);
  const prints = (text: string) => read(text).lines.map((line) => [line.serial, line.print]);
  t.deepEqual(prints(`# line 7\nserial,key\r\nA1,${hex(key.publicKey)}\n\n`), [['A1', print]]);
  t.deepEqual(prints(`thumbprint,serial,code\n${print.toUpperCase()},A1,\n,"A2",${code}\n`), [
    ['A1', print],
    ['A2', coded],
  ]);
  t.deepEqual(prints(JSON.stringify([{ serial: 'A2', code }])), [['A2', coded]]);
  const made = read('serial\nA1\nA2\n');
  t.deepEqual(
    made.codes.map((one) => [one.serial, hex(thumbprint(sha256, publicKeyOf(claimKey({ sha256 }, one.code).signer)))]),
    made.lines.map((line) => [line.serial, line.print]),
  );
  t.not(made.lines[0]!.salt, made.lines[1]!.salt);
  for (const bad of [
    '',
    'A1,00\n',
    'serial,serial\nA1,A1\n',
    'serial,colour\nA1,red\n',
    'serial,key\nA1\n',
    'serial,key\nA1,12\n',
    `serial,key,code\nA1,${hex(key.publicKey)},${code}\n`,
    'serial,code\nA1,12\n',
    `serial,key\n,${hex(key.publicKey)}\n`,
    '[1]',
    '[{"serial":1}]',
    '[',
  ]) {
    t.is(codeOf(t.throws(() => read(bad), undefined, bad)), 'BAD_REQUEST', bad);
  }
});

test('codes: 128 bits in groups of four, read in any case, each a key and a grant of its own', (t) => {
  const code = newClaimCode();
  t.regex(code, /^([0-9a-f]{4}-){7}[0-9a-f]{4}$/);
  const key = claimKey({ sha256 }, ` ${code.toUpperCase()}\n`);
  t.deepEqual(key.grantId, claimKey({ sha256 }, code.replaceAll('-', '')).grantId);
  t.not(newClaimCode(), code);
  for (const bad of ['', 'ffff', `${code}0`, code.replace(/^./, 'g')]) {
    t.is(codeOf(t.throws(() => claimKey({ sha256 }, bad))), 'BAD_REQUEST', bad);
  }
});
