/**
 * Where statements are read, and that every other kind is refused there. The list is made from the sources: a new kind or a
 * new place has no row, and fails.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { enrolmentDesk } from '@countersign/broker/distribution/enrolment/desk';
import { openLists } from '@countersign/broker/distribution/enrolment/lists';
import { mergeSignatures } from '@countersign/broker/keys/root-draft';
import { objectDigest } from '@countersign/broker/ledger/contract/args';
import { issueKeyArgs, possessionValue } from '@countersign/broker/ledger/contract/issue-key-args';
import { takePassport } from '@countersign/broker/passport/desk';
import { signPassport } from '@countersign/broker/passport/passport';
import {
  ackValue,
  claimValue,
  coseKey,
  decode,
  decodeSign1,
  encodeAnnouncement,
  encodeEnvelope,
  encodeRoot,
  encodeSignedRoot,
  implicitThumbprint,
  KINDS,
  type Kind,
  leafHash,
  publicKeyOf,
  readReport,
  readSignedRoot,
  readStatement,
  type Signer,
  signDetached,
  signStatement,
  transactionValue,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { ReportStore } from '@countersign/device-sdk/host/relay/report-store';
import { openRoot, proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import { forgedSigner, issuance } from '@countersign/simulator/attacks/centre';
import { memoryBlobs } from '@countersign/simulator/virtual/blobs';
import test from 'ava';
import {
  act,
  CLASS,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  sha256,
  verifier,
} from '../broker/ledger-world.ts';
import { temporary } from '../support/command.ts';
import { codeFrom, newGrant, STRANGE, setting, triedBy } from '../support/every-kind.ts';
import { image } from '../support/hostile.ts';
import { PocketServer } from '../support/pocket.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { repository } from '../support/repository.ts';

const DEVICE = 'test/attacks/device-domains.test.ts';
const SERVER = 'test/attacks/server-domains.test.ts';
const HERE = 'test/attacks/slots.test.ts';
/** What the ledger has taken is read again; nothing is believed because of it. */
const READ_BACK = 'an entry of the ledger, read again';

/** By kind, the places that take it, each with the test that tries the others there. '*' takes any, and is judged behind. */
const PLACES: Record<Kind | '*', Record<string, string>> = {
  root: { 'device-sdk/src/format/root.ts': DEVICE, 'broker/src/keys/root-draft.ts': HERE },
  rollout: {
    'device-sdk/src/verify/release.ts': DEVICE,
    'broker/src/distribution/announcer.ts': READ_BACK,
    'broker/src/distribution/rollouts/driver.ts': READ_BACK,
    'broker/src/face/client/key-uses.ts': READ_BACK,
  },
  cmd: { 'device-sdk/src/device.ts': DEVICE },
  ack: { 'device-sdk/src/report/reports.ts': DEVICE, 'device-sdk/host/relay/report-store.ts': HERE },
  fresh: { 'device-sdk/src/verify/fresh.ts': DEVICE },
  login: { 'broker/src/distribution/delivery/login.ts': SERVER },
  report: {
    'broker/src/distribution/intake/intake.ts': SERVER,
    'broker/src/face/api/device-json.ts': READ_BACK,
    'device-sdk/host/relay/report-store.ts': HERE,
  },
  tx: {
    'device-sdk/src/format/issue-entry.ts': HERE,
    'broker/src/collection/upload.ts': SERVER,
    'broker/src/distribution/enrolment/desk.ts': HERE,
    'broker/src/face/access/door.ts': SERVER,
    'broker/src/collection/confirm.ts': READ_BACK,
    'broker/src/distribution/confirmed.ts': READ_BACK,
    'broker/src/face/client/key-uses.ts': READ_BACK,
    'broker/src/face/client/proven.ts': READ_BACK,
    'broker/src/face/watch/expectation.ts': READ_BACK,
    'broker/src/ledger/peer/holdings.ts': READ_BACK,
  },
  passport: {
    'broker/src/passport/desk.ts': HERE,
    'broker/src/passport/passport.ts': HERE,
    // Only whose key it names; what is believed, passport.ts opens.
    'broker/src/face/client/passports.ts': READ_BACK,
  },
  possession: { 'broker/src/ledger/contract/issue-key.ts': HERE },
  claim: { 'broker/src/ledger/contract/grants.ts': HERE },
  // A record of trials is put on the record by a transaction, and never stands alone.
  trial: {},
  // Its form is its own: format/head.ts.
  head: {},
  '*': {
    'device-sdk/src/verify/signed.ts': DEVICE,
    'broker/src/ledger/contract/entry.ts': SERVER,
    'broker/src/distribution/follower.ts': READ_BACK,
    'broker/src/face/events/facts.ts': READ_BACK,
  },
};

const ROOMS = ['device-sdk/src', 'device-sdk/host', 'broker/src', 'simulator/src/world', 'simulator/src/virtual'];
const DEFINED = 'device-sdk/src/format/statement.ts';

/** `kind file` of every call that reads a statement. */
function placesInSources(): string[] {
  const found = new Set<string>();
  for (const room of ROOMS) {
    for (const name of readdirSync(join(repository, room), { recursive: true, encoding: 'utf8' })) {
      const file = `${room}/${name.replaceAll('\\', '/')}`;
      if (!file.endsWith('.ts') || file === DEFINED) continue;
      const text = readFileSync(join(repository, file), 'utf8');
      for (const { index } of text.matchAll(/(?<!function )\b(?:readStatement|verifyStatement)\(/g)) {
        const call = callAt(text, index);
        found.add(`${KINDS.find((kind) => call.includes(`'${kind}'`)) ?? '*'} ${file}`);
      }
    }
  }
  return [...found].sort();
}

/** From the name to the bracket that closes the call. */
function callAt(text: string, from: number): string {
  let depth = 0;
  for (let at = text.indexOf('(', from); at < text.length; at++) {
    if (text[at] === '(') depth++;
    if (text[at] === ')' && --depth === 0) return text.slice(from, at);
  }
  throw new RangeError(`a call without an end at ${from}`);
}

test('every place that reads a statement has its row, every row its place, and its test is there', (t) => {
  const rows = Object.entries(PLACES).flatMap(([kind, places]) => Object.keys(places).map((file) => `${kind} ${file}`));
  t.deepEqual(placesInSources(), rows.sort());
  for (const tried of new Set(Object.values(PLACES).flatMap((places) => Object.values(places)))) {
    if (tried !== READ_BACK) t.notThrows(() => readFileSync(join(repository, tried)), tried);
  }
});

test('the proof of possession of an issued key is of its own kind and by that key', async (t) => {
  const { c1, d1, centre, implicit } = await issuance();
  const world = await newWorld({ implicit });
  t.teardown(() => world.end());
  const { alice, bob } = world.people;
  const others: [string, Signer][] = [
    ...Object.entries(world.keys),
    ...([
      ['alice', alice!],
      ['bob', bob!],
      ['d1', d1.signer],
      ['nobody', newSigner()],
    ] as [string, Signer][]),
    ['the centre', nodeKeyStore(centre.pair.alg, centre.pair.secret)],
    ['the centre, by a guess', forgedSigner(centre, c1)],
  ];
  const payload = possessionValue(new Uint8Array(16).fill(7));
  const issue = (possession: Uint8Array) =>
    codeFrom(act(world, bob!, 'issueKey', c1.object, issueKeyArgs({ key: c1.key, possession })));
  for await (const { what, bytes } of triedBy(payload, 'possession', c1.signer, { keys: others })) {
    const code = await issue(bytes);
    t.true(STRANGE.has(code), `${what}: ${code}`);
  }
  t.is(await issue(await signStatement(sha256, 'possession', payload, c1.signer)), 'OK');
});

test('a claim and its proof are of their own kinds, by the code and by the device', async (t) => {
  const all = await setting(t);
  const { world, keys } = all;
  const grant = await newGrant(world);
  const device = newDevice();
  const claim = { origin: ORIGIN, grantId: grant.grantId, deviceId: device.id, classId: CLASS };
  const entry = (proof: Uint8Array): Value =>
    transactionValue({
      ...{ channel: ORIGIN, action: 'enrol', previous: new Uint8Array(32) },
      object: objectDigest(sha256, 'device', device.id),
      args: ['claim', grant.grantId, device.id, coseKey(publicKeyOf(device.signer)), proof],
    });
  let ms = 0;
  // A second between two claims: nothing is refused for its haste.
  const clock = { now: () => world.clock.now, elapsedMs: () => (ms += 1000), after: () => () => undefined };
  const lists = await openLists(sha256, await temporary(t));
  const desk = enrolmentDesk({ ledger: world.ledger, verifier, clock, lists, named: async () => {} });
  const places = [
    (bytes: Uint8Array) => codeFrom(desk.claim('address', bytes)),
    (bytes: Uint8Array) => codeFrom(world.ledger.submit(bytes)),
  ];
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device.signer);
  const before = (await world.ledger.head()).head.size;
  for (const take of places) {
    for await (const { what, bytes } of triedBy(claimValue(claim), 'claim', device.signer, { keys })) {
      const code = await take(await signStatement(sha256, 'tx', entry(bytes), grant.signer));
      t.true(STRANGE.has(code), `a proof: ${what}: ${code}`);
    }
    for await (const { what, bytes } of triedBy(entry(proof), 'tx', grant.signer, { keys })) {
      const code = await take(bytes);
      t.true(STRANGE.has(code) || code === 'UNAUTHORIZED', `a claim: ${what}: ${code}`);
    }
  }
  t.is((await world.ledger.head()).head.size, before);
  t.is(await places[0]!(await signStatement(sha256, 'tx', entry(proof), grant.signer)), 'OK');
});

test('a passport is a passport, by an operator', async (t) => {
  const { world, device, keys } = await setting(t);
  const parts = { ledger: world.ledger, blobs: memoryBlobs(verifier), verifier };
  const { alice, bob } = world.people;
  const passport = {
    ...{ origin: ORIGIN, subject: { kind: 'device', id: device.id } as const, serial: 1, issuedAt: 1, hardware: 'B' },
    ...{ bootloader: null, sdk: null },
    components: [{ name: 'app', version: '1', digest: new Uint8Array(32), bytes: 1 }],
  };
  const signed = await signPassport(sha256, passport, alice!);
  const payload = decode(readStatement(signed, 'passport').payload);
  const take = (bytes: Uint8Array) => codeFrom(takePassport(parts, bytes));
  const others = keys.filter(([, key]) => key !== bob);
  for await (const { what, bytes } of triedBy(payload, 'passport', alice!, { keys: others })) {
    const code = await take(bytes);
    t.true(STRANGE.has(code), `${what}: ${code}`);
  }
  t.is(await take(signed), 'OK');
});

test('a next trust root is signed as a root by root keys, in a draft and at the ledger', async (t) => {
  const { world, keys } = await setting(t);
  const current = world.rootBytes;
  const next = { ...readSignedRoot(sha256, current).root, version: 2 };
  const payload = encodeRoot(next);
  const draft = { current, next, signatures: [] };
  const before = (await world.ledger.head()).head.size;
  const tried = async (kind: Kind, key: Signer, what: string) => {
    const signature = await signDetached(sha256, kind, payload, key);
    t.is(mergeSignatures(verifier, draft, [signature]).signatures.length, 0, what);
    const code = await codeFrom(world.ledger.submit(encodeSignedRoot(payload, [signature])));
    t.true(STRANGE.has(code) || code === 'BAD_ROOT', `${what}: ${code}`);
  };
  for (const kind of KINDS) if (kind !== 'root') await tried(kind, world.keys.root, `${kind} by root`);
  for (const [who, key] of keys) if (who !== 'root') await tried('root', key, `root by ${who}`);
  t.is((await world.ledger.head()).head.size, before);
  const honest = await signDetached(sha256, 'root', payload, world.keys.root);
  t.is(mergeSignatures(verifier, draft, [honest]).signatures.length, 1);
  t.is(await codeFrom(world.ledger.submit(encodeSignedRoot(payload, [honest]))), 'OK');
});

test('at a device, no statement is the entry of an issued key but a transaction, and none is a block', async (t) => {
  const { c1 } = await issuance();
  const server = await PocketServer.create('M');
  const release = await server.publish(image(3));
  const { root } = openRoot(verifier, server.rootBytes);
  const print = implicitThumbprint(sha256, c1.key);
  const args = { channel: server.origin, action: 'issueKey', object: c1.object, previous: new Uint8Array(32) };
  const parts = await server.parts(release);
  const { manifestBytes, leaf, block2 } = release;
  const codeUnder = (first: Uint8Array, second: Uint8Array) =>
    codeOfRefusal(() => {
      const envelope = encodeEnvelope(sha256, manifestBytes, first, second);
      return proveRelease(verifier, shapeAnnouncement(verifier, encodeAnnouncement({ ...parts, envelope })), { root });
    });
  const digest = decode(decodeSign1(leaf).payload!);
  for (const kind of KINDS) {
    const entry = await signStatement(
      sha256,
      kind,
      transactionValue({ ...args, args: c1.args }),
      server.signers.service,
    );
    const is = codeOfRefusal(() => verifier.implicit!.isIssue(entry, print, { revocations: [] }, 0));
    t.is(is, kind === 'tx' ? 'accepted' : is === 'TOO_LARGE' ? is : 'WRONG_TYPE', kind);
    const asFirst = await signStatement(sha256, kind, digest, server.signers.collection);
    const asSecond = await signStatement(sha256, kind, digest, server.signers.distribution);
    t.true(STRANGE.has(codeUnder(asFirst, block2)), `${kind} as block 1: ${codeUnder(asFirst, block2)}`);
    t.true(STRANGE.has(codeUnder(leaf, asSecond)), `${kind} as block 2: ${codeUnder(leaf, asSecond)}`);
  }
  t.is(codeUnder(leaf, block2), 'accepted');
});

test('a gateway, which has no key to check with, tells reports and acknowledgements from all other kinds', async (t) => {
  const device = newDevice();
  const store = new ReportStore(await temporary(t), sha256);
  const report = await nextReport({ ...device });
  store.put(device.id, report);
  const { counter } = readReport(readStatement(report, 'report').payload);
  const ack = ackValue({ deviceId: device.id, counter, leafHash: leafHash(sha256, report) });
  for (const kind of KINDS) {
    const brought = await signStatement(sha256, kind, decode(readStatement(report, 'report').payload), device.signer);
    const said = await signStatement(sha256, kind, ack, device.signer);
    if (kind !== 'report') t.true(STRANGE.has(codeOfRefusal(() => store.put(device.id, brought))), kind);
    if (kind !== 'ack') t.true(STRANGE.has(codeOfRefusal(() => store.acknowledged(said))), kind);
    t.deepEqual(store.of(device.id), [report], kind);
  }
  store.acknowledged(await signStatement(sha256, 'ack', ack, device.signer));
  t.deepEqual(store.of(device.id), []);
});
