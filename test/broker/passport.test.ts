/** Passports: whose word they are, which one is in force, and what they and a device's reports say of releases. */
import { objectDigest, rejectArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { passportArgs, type Subject, subjectId } from '@countersign/broker/ledger/contract/passport-args';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { applicability, findPassport, takePassport } from '@countersign/broker/passport/desk';
import { appliesToFleet, demandApplies, type FleetApplies } from '@countersign/broker/passport/fleet';
import { PASSPORT_BYTES_MAX, type Passport, readPassport, signPassport } from '@countersign/broker/passport/passport';
import { type Code, codeOf } from '@countersign/device-sdk';
import { type encode, hex, type Signer, signStatement, utf8 } from '@countersign/device-sdk/format';
import { memoryBlobs } from '@countersign/simulator/virtual/blobs';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  addProduct,
  CLASS,
  enrolDevices,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  publish,
  sha256,
  type TestDevice,
  type TestRelease,
  tx,
  verifier,
} from './ledger-world.ts';

async function worldOf(t: ExecutionContext) {
  const world = await newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const first = await publish(world, 1);
  const device = newDevice();
  await enrolDevices(world, [device]);
  const desk = { ledger: world.ledger, blobs: memoryBlobs(verifier), verifier };
  return { world, desk, device, first, alice: world.people.alice!, bob: world.people.bob! };
}
type Made = Awaited<ReturnType<typeof worldOf>>;

const imageOf = (sequence: number) => manifestOf(sequence).image;

function passportOf(subject: Subject, change: Partial<Passport> = {}): Passport {
  return {
    origin: ORIGIN,
    subject,
    serial: 1,
    issuedAt: 1_800_000_000,
    hardware: 'B',
    bootloader: '2.1.0',
    sdk: '0.1.0',
    components: [
      { name: 'app', version: '1.1.0', ...imageOf(1) },
      { name: 'radio', version: '7', digest: sha256(utf8('radio')), bytes: 9_000 },
    ],
    ...change,
  };
}

const ofDevice = ({ id }: TestDevice): Subject => ({ kind: 'device', id });
const OF_CLASS: Subject = { kind: 'product', id: CLASS };
const objectOf = (subject: Subject) => objectDigest(sha256, 'passport', subjectId(subject));

/** Keeps the document and puts its digest on the record. */
async function put({ world, desk, bob }: Made, passport: Passport, by: Signer = bob): Promise<Uint8Array> {
  const document = await signPassport(sha256, passport, by);
  const digest = await takePassport(desk, document);
  const { subject, serial } = passport;
  await act(world, by, 'passport', objectOf(subject), passportArgs({ subject, serial, digest }));
  return digest;
}

type Row = [why: string, code: Code, work: () => Promise<unknown>];

async function refuses(t: ExecutionContext, rows: Row[]): Promise<void> {
  for (const [why, code, work] of rows) {
    const error = await t.throwsAsync(work(), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
}

test('a document comes back whole and is read strictly', async (t) => {
  const subject = ofDevice(newDevice());
  const passport = passportOf(subject);
  const bob = newSigner();
  t.deepEqual(readPassport(await signPassport(sha256, passport, bob)), passport);
  const [application, radio] = passport.components;
  const many = Array.from({ length: 17 }, (_, i) => ({
    ...application!,
    name: i === 0 ? 'app' : `c${i + 10}`,
  }));
  const raw = (value: Parameters<typeof encode>[0]) => signStatement(sha256, 'passport', value, bob);
  const rows: Row[] = [
    [
      'no application',
      'BAD_STATEMENT',
      async () => readPassport(await signPassport(sha256, passportOf(subject, { components: [radio!] }), bob)),
    ],
    [
      'a component twice',
      'MALFORMED',
      async () =>
        readPassport(
          await signPassport(sha256, passportOf(subject, { components: [application!, application!] }), bob),
        ),
    ],
    [
      'too many',
      'TOO_LARGE',
      async () => readPassport(await signPassport(sha256, passportOf(subject, { components: many }), bob)),
    ],
    ['a version to come', 'UNSUPPORTED', async () => readPassport(await raw([2]))],
    ['another list', 'MALFORMED', async () => readPassport(await raw([1, ORIGIN]))],
    [
      'a transaction',
      'WRONG_TYPE',
      async () => readPassport(await tx(bob, { action: 'passport', object: sha256(utf8('x')) })),
    ],
    ['4 KB and more', 'TOO_LARGE', async () => readPassport(new Uint8Array(PASSPORT_BYTES_MAX + 1))],
  ];
  await refuses(t, rows);
});

test('the desk keeps what an operator signed for this ledger, and nothing else', async (t) => {
  const { world, desk, device, bob } = await worldOf(t);
  const passport = passportOf(ofDevice(device));
  const signed = (by: Signer, change: Partial<Passport> = {}) => signPassport(sha256, { ...passport, ...change }, by);
  const flipped = await signed(bob);
  flipped[flipped.length - 1]! ^= 1;
  const { blob } = desk.blobs;
  await refuses(t, [
    ['a stranger', 'UNKNOWN_KEY', async () => takePassport(desk, await signed(newSigner()))],
    ['a device', 'UNKNOWN_KEY', async () => takePassport(desk, await signed(device.signer))],
    ['another ledger', 'BAD_STATEMENT', async () => takePassport(desk, await signed(bob, { origin: 'other' }))],
    ['a flipped signature', 'BAD_SIGNATURE', () => takePassport(desk, flipped)],
    [
      'a server that keeps none',
      'UNSUPPORTED',
      async () => takePassport({ ...desk, blobs: { blob } }, await signed(bob)),
    ],
    ['nothing yet', 'NOT_FOUND', () => findPassport(desk, 'device', hex(device.id))],
  ]);
  const kept = await takePassport(desk, await signed(bob));
  t.like(readPassport(await desk.blobs.blob(kept)), { hardware: 'B' });
  await refuses(t, [['kept, and not on the record', 'NOT_FOUND', () => findPassport(desk, 'device', hex(device.id))]]);
  const none = await t.throwsAsync(() => findPassport(desk, 'device', hex(device.id)));
  t.regex(none!.message, new RegExp(`neither device ${hex(device.id)} nor its product`));
  t.is((await world.ledger.head()).head.origin, ORIGIN);
});

test('a digest of another document, device or serial puts nothing in force', async (t) => {
  const made = await worldOf(t);
  const { world, desk, device, bob } = made;
  const other = newDevice();
  await enrolDevices(world, [other]);
  const subject = ofDevice(device);
  const record = async (document: Uint8Array, serial: number) => {
    const args = passportArgs({ subject, serial, digest: sha256(document) });
    await act(world, bob, 'passport', objectOf(subject), args);
  };
  const foreign = await signPassport(sha256, passportOf(ofDevice(other)), bob);
  await desk.blobs.put(foreign);
  await record(foreign, 1);
  const find = () => findPassport(desk, 'device', hex(device.id));
  await refuses(t, [['the passport of another device', 'BAD_STATEMENT', find]]);
  const stale = await signPassport(sha256, passportOf(subject, { serial: 1 }), bob);
  await desk.blobs.put(stale);
  await record(stale, 2);
  await refuses(t, [['an older document under a new serial', 'BAD_STATEMENT', find]]);
  await record(await signPassport(sha256, passportOf(subject, { serial: 3 }), bob), 3);
  await refuses(t, [['a document that nobody kept', 'NOT_FOUND', find]]);
  const document = await signPassport(sha256, passportOf(subject, { serial: 4 }), bob);
  await desk.blobs.put(document);
  await record(document, 4);
  t.is((await find()).passport.serial, 4);
});

test('what applies follows from passport, reports and trial, with a sentence for each release', async (t) => {
  const made = await worldOf(t);
  const { world, desk, device, first } = made;
  const second = await publish(world, 2, first.leaf);
  const subject = ofDevice(device);
  await put(made, passportOf(OF_CLASS));
  const judged = async () => {
    const { agreement, releases } = await applicability(
      desk,
      await findPassport(desk, 'device', hex(device.id)),
      hex(device.id),
    );
    return [agreement.state, ...releases.map(({ code }) => code)];
  };
  t.deepEqual(await judged(), ['unreported', 'OK', 'DUPLICATE'], "the class's passport stands in");
  await put(made, passportOf(subject));
  t.deepEqual(await judged(), ['unreported', 'OK', 'DUPLICATE']);
  const says = async (sequence: number, image: Uint8Array, change = {}) =>
    world.ledger.submit(
      await nextReport(device, {
        slotDigest: image,
        manifestDigest: sha256(releaseOf(sequence, first, second).manifest),
        ...change,
      }),
    );
  await says(1, imageOf(1).digest);
  t.deepEqual(await judged(), ['agrees', 'OK', 'DUPLICATE']);
  await says(2, imageOf(2).digest);
  t.deepEqual(await judged(), ['outdated', 'DUPLICATE', 'ROLLBACK'], 'it has confirmed the second release since');
  const { agreement } = await applicability(desk, await findPassport(desk, 'device', hex(device.id)), hex(device.id));
  t.regex(agreement.text, /renew the passport/);
  await says(2, sha256(utf8('nobody knows this')));
  t.deepEqual(await judged(), ['differs', 'CONFLICT', 'CONFLICT'], 'nothing applies before somebody has looked');
  const newer = { name: 'app', version: '1.2.0', ...imageOf(2) };
  await put(made, passportOf(subject, { serial: 2, components: [newer] }));
  await says(1, imageOf(1).digest);
  t.is((await judged())[0], 'differs', 'a device that reports less than its passport says');
  const alone = await applicability(desk, await findPassport(desk, 'product', hex(CLASS)));
  t.deepEqual([alone.agreement.state, alone.releases[0]!.applies], ['unreported', true]);
});

test('of a fleet it is counted to whom a release applies, to whom not and why, and of whom nothing is known', async (t) => {
  const made = await worldOf(t);
  const { world, desk, device, first, alice, bob } = made;
  const second = await publish(world, 2, first.leaf);
  const [done, silent, unread, gone] = Array.from({ length: 4 }, () => newDevice()) as [
    TestDevice,
    TestDevice,
    TestDevice,
    TestDevice,
  ];
  await enrolDevices(world, [done, silent, unread, gone]);
  const judged = async ({ leaf } = second) =>
    appliesToFleet(desk, (await world.ledger.evaluate('getRelease', hex(leaf))) as ReleaseView);
  const refusedOf = ({ refused }: FleetApplies) => refused.map(({ code, devices }) => [code, devices]);
  const nobody = await judged();
  t.like(nobody, { devices: 5, applies: 0, refused: [], withoutPassport: 5, unread: 0 });
  t.notThrows(() => demandApplies(nobody), 'nothing is known of any');

  const runs = (sequence: number) => [{ name: 'app', version: `1.${sequence}.0`, ...imageOf(sequence) }];
  await put(made, passportOf(ofDevice(done), { components: runs(2) }));
  const none = await judged();
  t.deepEqual(refusedOf(none), [['DUPLICATE', 1]]);
  t.is(codeOf(t.throws(() => demandApplies(none))), 'DUPLICATE');

  await put(made, passportOf(ofDevice(device)));
  await put(made, passportOf(ofDevice(gone)));
  const object = objectDigest(sha256, 'device', gone.id);
  await act(world, bob, 'revoke', object, revokeArgs('device', gone.id, 'lost'));
  const lost = await signPassport(sha256, passportOf(ofDevice(unread)), bob);
  const args = passportArgs({ subject: ofDevice(unread), serial: 1, digest: sha256(lost) });
  await act(world, bob, 'passport', objectOf(ofDevice(unread)), args);
  const some = await judged();
  t.like(some, { devices: 4, applies: 1, withoutPassport: 1, unread: 1 });
  t.deepEqual(refusedOf(some), [['DUPLICATE', 1]]);
  t.notThrows(() => demandApplies(some));

  await put(made, passportOf(OF_CLASS));
  t.like(await judged(), { applies: 2, withoutPassport: 0, unread: 1 });
  t.deepEqual(refusedOf(await judged(first)), [
    ['DUPLICATE', 2],
    ['ROLLBACK', 1],
  ]);

  const third = await newRelease(world, 3, second.leaf);
  await act(world, alice, 'upload', third.leaf, third.args);
  t.is((await judged(third)).applies, 3, 'as if it were confirmed');
  t.is((await judged()).applies, 2, 'and nothing is changed by that');
  await act(world, bob, 'reject', third.leaf, rejectArgs('no'));
  t.is(codeOf(await t.throwsAsync(judged(third))), 'NOT_APPROVED');
});

function releaseOf(sequence: number, first: TestRelease, second: TestRelease): TestRelease {
  return sequence === 1 ? first : second;
}
