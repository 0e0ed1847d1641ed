/** Passports on every engine: what the contract asks before one is on the record. */
import { objectDigest, revokeArgs } from '@countersign/broker/ledger/contract/args';
import {
  passportArgs,
  readPassportArgs,
  type Subject,
  subjectId,
} from '@countersign/broker/ledger/contract/passport-args';
import { hex, type Signer, utf8 } from '@countersign/device-sdk/format';
import {
  act,
  addProduct,
  CLASS,
  enrolDevices,
  newDevice,
  newSigner,
  sha256,
  type TestDevice,
  tx,
} from '../ledger-world.ts';
import { refuses } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

const ofDevice = ({ id }: TestDevice): Subject => ({ kind: 'device', id });
const objectOf = (subject: Subject) => objectDigest(sha256, 'passport', subjectId(subject));

export const PASSPORT_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  PASSPORT_RULES.push([title, run]);
}

rule('an operator puts a passport on the record, one after the other, for what is enrolled', async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  await addProduct(world);
  const bob = world.people.bob!;
  const device = newDevice();
  await enrolDevices(world, [device]);
  const subject = ofDevice(device);
  const digest = sha256(utf8('a document'));
  const send = (by: Signer, of: Subject, serial: number, object = objectOf(of)) =>
    act(world, by, 'passport', object, passportArgs({ subject: of, serial, digest }));
  const stranger = ofDevice(newDevice());
  await refuses(t, world, [
    ['a service key', 'NOT_PERMITTED', () => send(world.keys.service, subject, 1)],
    ['the device itself', 'WRONG_ROLE', () => send(device.signer, subject, 1)],
    ['a stranger', 'UNKNOWN_KEY', () => send(newSigner(), subject, 1)],
    ['a device nobody enrolled', 'NOT_FOUND', () => send(bob, stranger, 1)],
    ['a class nobody registered', 'NOT_FOUND', () => send(bob, { kind: 'product', id: device.id }, 1)],
    ["another device's object", 'BAD_STATEMENT', () => send(bob, subject, 1, objectOf(stranger))],
    ['the second before the first', 'BAD_COUNTER', () => send(bob, subject, 2)],
    ['serial 0', 'MALFORMED', () => send(bob, subject, 0)],
  ]);
  const statement = await tx(bob, {
    action: 'passport',
    object: objectOf(subject),
    args: passportArgs({ subject, serial: 1, digest }),
  });
  await world.ledger.submit(statement);
  await refuses(t, world, [
    ['the same again', 'DUPLICATE', () => world.ledger.submit(statement)],
    ['an older one', 'BAD_COUNTER', () => send(bob, subject, 1)],
  ]);
  await send(bob, subject, 2);
  const held = await world.ledger.evaluate('getPassport', 'device', hex(device.id));
  t.like(held, { serial: 2, by: 'bob', classId: hex(CLASS) });
  t.deepEqual(await world.ledger.evaluate('listPassports', hex(CLASS)), [held]);
  t.deepEqual(await world.ledger.evaluate('listPassports', '0'.repeat(32)), []);
  t.deepEqual(readPassportArgs(passportArgs({ subject, serial: 2, digest })), { subject, serial: 2, digest });
  await act(world, bob, 'revoke', objectDigest(sha256, 'device', device.id), revokeArgs('device', device.id, 'a test'));
  await refuses(t, world, [['a device that is revoked', 'REVOKED', () => send(bob, subject, 3)]]);
});
