/** Grants on every engine: devices that enrol themselves by a code, or by a list that an operator signed. */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { revokeArgs } from '@countersign/broker/ledger/contract/args';
import type { DeviceView, GrantView } from '@countersign/broker/ledger/contract/views';
import {
  type Claim,
  claimValue,
  coseKey,
  hex,
  type PublicKey,
  publicKeyOf,
  type Signer,
  signStatement,
  type Value,
} from '@countersign/device-sdk/format';
import { certificateKey, certifiedEntry } from '@countersign/device-sdk/host/certified';
import { claimEntry, enrolmentEntry } from '@countersign/device-sdk/host/claim';
import { listedEntry, serialDigest } from '@countersign/device-sdk/host/listing';
import { Authority, type Issued } from '@countersign/simulator/attacks/server/certificates';
import {
  authorityKey,
  claimOf,
  deviceObject,
  grantObject,
  newAuthorityGrant,
  newGrant,
  newList,
} from '@countersign/simulator/attacks/server/grants';
import { act, addProduct, newSigner, sha256, tx, type World } from '../ledger-world.ts';
import { type Row, refuses } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const GRANT_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  GRANT_RULES.push([title, run]);
}

const getGrant = async ({ ledger }: World, id: Uint8Array) => (await ledger.evaluate('getGrant', hex(id))) as GrantView;
const getDevice = async ({ ledger }: World, id: Uint8Array) =>
  (await ledger.evaluate('getDevice', hex(id))) as DeviceView;

rule('a claim code enrols as many new devices as its grant says, and is no word of a list', async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const { alice } = world.people;
  const grant = newGrant();
  await act(world, alice!, 'enrol', grantObject(grant.grantId), grant.args);
  const claim = claimOf(grant.grantId);
  const device = newSigner();
  const submit =
    (by: Signer, own: Signer, change: Partial<Claim> = {}) =>
    async () =>
      world.ledger.submit(await claimEntry({ sha256 }, by, own, claimOf(grant.grantId, change)));
  const listed = newSigner();
  const place = newList([listed]).placeOf(0);
  await refuses(t, world, [
    ['a stranger', 'UNKNOWN_KEY', submit(newSigner(), device)],
    ['another class', 'WRONG_CLASS', submit(grant.signer, device, { classId: new Uint8Array(16) })],
    [
      'a list that nobody signed',
      'NOT_PERMITTED',
      async () => world.ledger.submit(await listedEntry({ sha256 }, listed, device, claim, place)),
    ],
  ]);
  await world.ledger.submit(await claimEntry({ sha256 }, grant.signer, device, claim));
  t.like(await getDevice(world, claim.deviceId), { state: 'enrolled', publicKey: hex(device.publicKey) });
  await submit(grant.signer, newSigner())();
  await refuses(t, world, [['a third of two', 'CAP_REACHED', submit(grant.signer, newSigner())]]);
});

rule('a list enrols each of its serials once, by the key beside it, and nothing else', async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const { people, ledger } = world;
  const alice = people.alice!;
  // Made in the factory; made of a secret that the device was given; and three that are not there yet.
  const [factory, secret, third, fourth] = [newSigner(), newSigner(), newSigner(), newSigner()];
  const list = newList([factory, secret, third, fourth, alice]);
  const other = newList([newSigner(), newSigner()]);
  for (const { grantId, args } of [list, other]) await act(world, alice, 'enrol', grantObject(grantId), args);
  const { grantId, placeOf } = list;
  const entryOf = (by: Signer, own: Signer, at: number, change: Partial<Claim> = {}, place = placeOf(at)) =>
    listedEntry({ sha256 }, by, own, claimOf(grantId, change), place);
  const submit =
    (...asked: Parameters<typeof entryOf>) =>
    async () =>
      ledger.submit(await entryOf(...asked));
  /** Its own args, with one element changed. */
  const twisted =
    (at: number, value: Value, action = 'enrol') =>
    async () => {
      const claim = claimOf(grantId);
      const proof = await signStatement(sha256, 'claim', claimValue(claim), factory);
      const { serial, listing } = placeOf(0);
      const key = coseKey(publicKeyOf(factory));
      const digest = serialDigest(sha256, listing.salt, serial);
      const args: Value[] = ['listed', grantId, claim.deviceId, key, proof, digest, key, 0, listing.path];
      args[at] = value;
      if (action === 'enrol') return ledger.submit(await enrolmentEntry({ sha256 }, factory, claim, args));
      return ledger.submit(await tx(factory, { action, object: deviceObject(claim.deviceId), args }));
    };
  const rows: Row[] = [
    ["a stranger with a serial's place", 'NOT_PERMITTED', submit(newSigner(), newSigner(), 0)],
    ["another's place", 'NOT_PERMITTED', submit(factory, factory, 1)],
    ['another serial', 'NOT_PERMITTED', submit(factory, factory, 0, {}, { ...placeOf(0), serial: 'SN-9' })],
    ['a line beyond the end', 'NOT_PERMITTED', twisted(7, 5)],
    ['a path cut short', 'NOT_PERMITTED', twisted(8, placeOf(0).listing.path.slice(1))],
    [
      'a path too long',
      'MALFORMED',
      twisted(
        8,
        Array.from({ length: 18 }, () => new Uint8Array(32)),
      ),
    ],
    ['a listed key that did not sign', 'UNKNOWN_KEY', twisted(6, coseKey(publicKeyOf(secret)))],
    ['a device key without its proof', 'UNKNOWN_KEY', twisted(3, coseKey(publicKeyOf(secret)))],
    ['the list of another grant', 'NOT_PERMITTED', twisted(1, other.grantId)],
    ['no grant', 'NOT_FOUND', twisted(1, new Uint8Array(16))],
    ['another action', 'NOT_PERMITTED', twisted(0, 'listed', 'revoke')],
    ['another ledger', 'BAD_STATEMENT', submit(factory, factory, 0, { origin: 'ledger.test/two' })],
    ['another class', 'WRONG_CLASS', submit(factory, factory, 0, { classId: new Uint8Array(16) })],
    ["a person's key that a list has", 'EXISTS', submit(alice, newSigner(), 4)],
    [
      "the key of the list's grant, as a code",
      'MALFORMED',
      async () => ledger.submit(await claimEntry({ sha256 }, list.signer, newSigner(), claimOf(grantId))),
    ],
  ];
  await refuses(t, world, rows);

  const first = claimOf(grantId);
  const entry = await listedEntry({ sha256 }, factory, factory, first, placeOf(0));
  await ledger.submit(entry);
  t.like(await getDevice(world, first.deviceId), { state: 'enrolled', publicKey: hex(factory.publicKey) });
  await refuses(t, world, [
    ['the same again', 'DUPLICATE', () => ledger.submit(entry)],
    ['its line for another device', 'EXISTS', submit(factory, newSigner(), 0)],
  ]);
  const own = newSigner();
  const second = claimOf(grantId);
  await ledger.submit(await listedEntry({ sha256 }, secret, own, second, placeOf(1)));
  t.like(await getDevice(world, second.deviceId), { state: 'enrolled', publicKey: hex(own.publicKey) });
  await refuses(t, world, [
    ['its secret for another device', 'EXISTS', submit(secret, newSigner(), 1)],
    ['the id of a device that is there', 'CONFLICT', submit(third, third, 2, { deviceId: second.deviceId })],
    ['the key of a device that is there', 'EXISTS', submit(third, own, 2)],
  ]);
  t.like(await getGrant(world, grantId), { used: 2, devices: 5, kind: 'list', state: 'open' });
  await act(world, alice, 'revoke', grantObject(grantId), revokeArgs('grant', grantId, 'the list was wrong'));
  await refuses(t, world, [['after the list was revoked', 'REVOKED', submit(fourth, fourth, 3)]]);
  t.is((await getDevice(world, second.deviceId)).state, 'enrolled');
});

rule('a certificate of the authority that a grant names enrols one device, once', async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const { people, ledger } = world;
  const alice = people.alice!;
  const [factory, foreign, edwards] = [
    new Authority('factory'),
    new Authority('foreign'),
    new Authority('ed', 'Ed25519'),
  ];
  const [grant, other] = [newAuthorityGrant(factory), newAuthorityGrant(edwards)];
  for (const { grantId, args } of [grant, other]) await act(world, alice, 'enrol', grantObject(grantId), args);
  const entryOf = (
    { cert, key }: Issued,
    { device = newSigner(), grantId = grant.grantId, authority = authorityKey(factory), ...change }: Asked = {},
  ) => certifiedEntry({ sha256 }, certificateKey(cert, key), device, claimOf(grantId, change), authority);
  const submit =
    (...asked: Parameters<typeof entryOf>) =>
    async () =>
      ledger.submit(await entryOf(...asked));
  const own = factory.issue({ name: 'SN-1' });
  const twisted =
    (change: (certificate: Uint8Array) => Uint8Array, key = certificateKey(own.cert, own.key)) =>
    async () =>
      ledger.submit(
        await certifiedEntry(
          { sha256 },
          { ...key, certificate: change(own.der.slice()) },
          newSigner(),
          claimOf(grant.grantId),
          authorityKey(factory),
        ),
      );
  const flip = (at: number) => (bytes: Uint8Array) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await refuses(t, world, [
    ['by another authority', 'BAD_SIGNATURE', submit(foreign.issue({ name: 'SN-1' }))],
    [
      'by another authority, which is named',
      'NOT_PERMITTED',
      submit(foreign.issue(), { authority: authorityKey(foreign) }),
    ],
    ['by an authority of another algorithm', 'BAD_SIGNATURE', submit(edwards.issue())],
    ['another serial number', 'BAD_SIGNATURE', twisted(flip(14))],
    ['a signature of another', 'BAD_SIGNATURE', twisted(flip(own.der.length - 1))],
    ['cut short', 'MALFORMED', twisted((bytes) => bytes.slice(0, -1))],
    ['a byte more', 'MALFORMED', twisted((bytes) => Uint8Array.of(...bytes, 0))],
    ['nothing', 'MALFORMED', twisted(() => new Uint8Array())],
    ['too large', 'TOO_LARGE', twisted(() => new Uint8Array(1_025))],
    ['a key of RSA', 'UNSUPPORTED', twisted(() => factory.issue({ pair: rsa }).der)],
    [
      "another's certificate",
      'UNKNOWN_KEY',
      twisted((bytes) => bytes, { ...certificateKey(own.cert, own.key), signer: newSigner() }),
    ],
    ['a grant of a code', 'NOT_FOUND', submit(own, { grantId: new Uint8Array(16) })],
    ['another class', 'WRONG_CLASS', submit(own, { classId: new Uint8Array(16) })],
    ['another ledger', 'BAD_STATEMENT', submit(own, { origin: 'ledger.test/two' })],
    [
      'the key of the grant, as a code',
      'MALFORMED',
      async () => ledger.submit(await claimEntry({ sha256 }, grant.signer, newSigner(), claimOf(grant.grantId))),
    ],
  ]);
  const device = newSigner();
  const claim = claimOf(grant.grantId);
  const entry = await entryOf(own, { device, ...claim });
  await ledger.submit(entry);
  t.like(await getDevice(world, claim.deviceId), { state: 'enrolled', publicKey: hex(device.publicKey) });
  const pair = { publicKey: createPublicKey(own.key), privateKey: createPrivateKey(own.key) };
  await refuses(t, world, [
    ['the same again', 'DUPLICATE', () => ledger.submit(entry)],
    ['for another device', 'EXISTS', submit(own)],
    ['renewed, with its key', 'EXISTS', submit(factory.issue({ name: 'SN-1', serial: 2, pair }))],
  ]);
  const third = edwards.issue({ curve: 'Ed25519' });
  await submit(third, { grantId: other.grantId, authority: authorityKey(edwards) })();
  await submit(factory.issue({ curve: 'Ed25519' }))();
  t.like(await getGrant(world, grant.grantId), { used: 2, kind: 'authority' });
  await act(
    world,
    alice,
    'revoke',
    grantObject(grant.grantId),
    revokeArgs('grant', grant.grantId, 'the authority was robbed'),
  );
  await refuses(t, world, [['after the grant was revoked', 'REVOKED', submit(factory.issue())]]);
});

type Asked = Partial<Claim> & { device?: Signer; authority?: PublicKey };
