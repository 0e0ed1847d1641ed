/** Who may write at all, and how people come and go. */
import { enrolPersonArgs, productArgs, rejectArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { publicKeyOf, signStatement, utf8, type Value } from '@countersign/device-sdk/format';
import {
  act,
  enrolment,
  newRelease,
  newSigner,
  PRODUCT,
  PRODUCT_OBJECT,
  personObject,
  previousOf,
  sha256,
  tx,
} from '../ledger-world.ts';
import { actOn, flippedEnd, refusesStatements, worldOf } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const PEOPLE_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  PEOPLE_RULES.push([title, run]);
}

rule('the door refuses what is no entry, and whoever may not write', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, keys } = world;
  const object = PRODUCT_OBJECT;
  const args = productArgs(PRODUCT);
  const whole = await tx(alice, { action: 'product', object, args });
  const release = await newRelease(world, 1);
  await refusesStatements(t, world, [
    ['random bytes', 'MALFORMED', Uint8Array.of(1, 2, 3)],
    ['nothing', 'MALFORMED', new Uint8Array()],
    ['a bare block 1', 'WRONG_TYPE', release.block1],
    ['an acknowledgement', 'WRONG_TYPE', signStatement(sha256, 'ack', [1], keys.command)],
    ['the trust root in force', 'DUPLICATE', world.rootBytes],
    ['61 KB', 'TOO_LARGE', new Uint8Array(61_000)],
    ['a stranger', 'UNKNOWN_KEY', tx(newSigner(), { action: 'product', object, args })],
    ['a log key', 'WRONG_ROLE', tx(keys.log, { action: 'product', object, args })],
    ['a command key', 'WRONG_ROLE', tx(keys.command, { action: 'product', object, args })],
    ['a flipped signature', 'BAD_SIGNATURE', flippedEnd(whole)],
    ['another ledger', 'BAD_STATEMENT', tx(alice, { channel: 'ledger.test/two', action: 'product', object, args })],
    ['an unknown action', 'UNSUPPORTED', tx(alice, { action: 'constructor', object, args })],
    ['a trust root by a person', 'UNSUPPORTED', tx(alice, { action: 'root', object, args })],
    ['a wrong previous', 'CONFLICT', tx(alice, { action: 'product', object, args, previous: sha256(object) })],
  ]);
});

rule('people: proposed by one, approved by another, and never fewer than two', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, ledger } = world;
  const carol = newSigner();
  const object = personObject('carol');
  const proposal = await enrolment('carol', ['approver', 'engineer'], carol, alice);
  const person = (name: string, key = carol) => enrolPersonArgs({ name, roles: ['engineer'], key: publicKeyOf(key) });
  await refusesStatements(t, world, [
    ['oneself', 'UNKNOWN_KEY', enrolment('carol', ['approver'], carol)],
    ['a service key', 'NOT_PERMITTED', tx(world.keys.service, { action: 'enrol', object, args: person('carol') })],
    ['another object', 'BAD_STATEMENT', tx(alice, { action: 'enrol', object, args: person('dora') })],
    ['a name that is there', 'CONFLICT', enrolment('bob', ['approver'], carol, alice)],
    ['a key that is there', 'EXISTS', tx(alice, { action: 'enrol', object, args: person('carol', bob) })],
    ["a server's key", 'EXISTS', tx(alice, { action: 'enrol', object, args: person('carol', world.keys.log) })],
    [
      'a key of small order',
      'BAD_KEY',
      tx(alice, {
        action: 'enrol',
        object,
        args: [
          'person',
          'carol',
          ['engineer'],
          new Map<number, Value>([
            [1, 1],
            [-1, 6],
            [-2, Uint8Array.of(1, ...new Uint8Array(31))],
          ]),
        ],
      }),
    ],
    ['no role', 'BAD_STATEMENT', enrolment('carol', [], carol, alice)],
    [
      'a revocation of one of two',
      'BAD_STATEMENT',
      tx(alice, {
        action: 'revoke',
        object: personObject('bob'),
        previous: await previousOf(world, personObject('bob')),
        args: revokeArgs('person', utf8('bob'), 'gone'),
      }),
    ],
  ]);
  await ledger.submit(proposal);
  await refusesStatements(t, world, [
    ['the proposer without the role', 'NOT_PERMITTED', actOn(world, alice, 'approve', object)],
    ['the proposed person', 'NOT_PERMITTED', actOn(world, carol, 'approve', object)],
    ['the same proposal again', 'DUPLICATE', proposal],
  ]);
  await act(world, bob, 'approve', object);
  // bob proposes, and may not approve his own proposal; carol, an approver now, may.
  const dora = newSigner();
  await act(
    world,
    bob,
    'enrol',
    personObject('dora'),
    enrolPersonArgs({ name: 'dora', roles: ['approver'], key: publicKeyOf(dora) }),
  );
  await refusesStatements(t, world, [
    ['the proposer', 'SAME_PERSON', actOn(world, bob, 'approve', personObject('dora'))],
  ]);
  await act(world, carol, 'reject', personObject('dora'), rejectArgs('no'));
  await t.throwsAsync(ledger.evaluate('getPerson', 'dora'), { code: 'NOT_FOUND' } as never);

  await act(world, bob, 'revoke', object, revokeArgs('person', utf8('carol'), 'left'));
  await refusesStatements(t, world, [
    ['the one who asked for the revocation', 'SAME_PERSON', actOn(world, bob, 'approve', object)],
    ['a second revocation', 'EXISTS', actOn(world, bob, 'revoke', object, revokeArgs('person', utf8('carol'), 'left'))],
  ]);
  await act(world, carol, 'approve', object);
  await refusesStatements(t, world, [
    [
      'a revoked person',
      'REVOKED',
      tx(carol, { action: 'product', object: PRODUCT_OBJECT, args: productArgs(PRODUCT) }),
    ],
  ]);
});
