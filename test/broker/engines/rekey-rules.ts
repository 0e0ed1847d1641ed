/** A person's next key on every engine: the same name and roles, the former key at its end, and what it signed kept. */
import {
  enrolPersonArgs,
  productArgs,
  rejectArgs,
  rekeyArgs,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import type { HistoryItem, PersonView } from '@countersign/broker/ledger/contract/views';
import { hex, publicKeyOf, type Signer, utf8 } from '@countersign/device-sdk/format';
import { act, addProduct, newSigner, PRODUCT, PRODUCT_OBJECT, personObject, publish, tx } from '../ledger-world.ts';
import { refuses } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const REKEY_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  REKEY_RULES.push([title, run]);
}

rule("a person's key is replaced by two people, and the former one ends", async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  const { ledger } = world;
  const [alice, bob] = [world.people.alice!, world.people.bob!];
  const [carol, dana] = [newSigner(), newSigner()];
  const person = (name: string, roles: ('approver' | 'engineer')[], key: Signer) =>
    enrolPersonArgs({ name, roles, key: publicKeyOf(key) });
  for (const [name, roles, key] of [
    ['carol', ['engineer'], carol],
    ['dana', ['approver'], dana],
  ] as const) {
    await act(world, alice, 'enrol', personObject(name), person(name, [...roles], key));
    await act(world, bob, 'approve', personObject(name));
  }
  await addProduct(world);
  const { leaf } = await publish(world, 1);
  const [next, other, third] = [newSigner(), newSigner(), newSigner()];
  const object = personObject('carol');
  const rekey = (key: Signer, name = 'carol') => rekeyArgs({ name, key: publicKeyOf(key) });
  const view = async (name = 'carol') => (await ledger.evaluate('getPerson', name)) as PersonView;
  const say =
    (by: Signer, action: string, args: Parameters<typeof act>[4] = undefined, about = object) =>
    () =>
      act(world, by, action, about, args);
  await refuses(t, world, [
    ['an engineer about somebody else', 'NOT_PERMITTED', say(carol, 'enrol', rekey(next, 'bob'), personObject('bob'))],
    ['a service key', 'NOT_PERMITTED', say(world.keys.service, 'enrol', rekey(next))],
    ['another object', 'BAD_STATEMENT', say(alice, 'enrol', rekey(next, 'bob'))],
    ['nobody', 'NOT_FOUND', say(alice, 'enrol', rekey(next, 'erin'), personObject('erin'))],
    ["somebody else's key", 'EXISTS', say(alice, 'enrol', rekey(bob))],
    ['the key that it is', 'EXISTS', say(alice, 'enrol', rekey(carol))],
    ["a server's key", 'EXISTS', say(alice, 'enrol', rekey(world.keys.log))],
  ]);
  // Her own proposal, whatever her roles; an operator's takes its place, and frees the key that waited.
  await act(world, carol, 'enrol', object, rekey(other));
  await act(world, alice, 'enrol', object, rekey(next));
  await act(world, alice, 'enrol', object, rekey(next));
  t.is((await view()).newKey?.publicKey, hex(next.publicKey));
  const product = (by: Signer) => async () =>
    ledger.submit(await tx(by, { action: 'product', object: PRODUCT_OBJECT, args: productArgs(PRODUCT) }));
  await refuses(t, world, [
    ['the new key before it is approved', 'NOT_PERMITTED', product(next)],
    ['the key whose proposal was replaced', 'UNKNOWN_KEY', product(other)],
    ['an approval by no approver', 'NOT_PERMITTED', say(alice, 'approve')],
    [
      'the proposed key for somebody else',
      'EXISTS',
      say(alice, 'enrol', person('erin', ['engineer'], next), personObject('erin')),
    ],
  ]);
  await act(world, bob, 'approve', object);
  const now = await view();
  t.deepEqual(
    [now.publicKey, now.state, now.newKey, now.roles],
    [hex(next.publicKey), 'active', undefined, ['engineer']],
  );
  t.deepEqual(
    now.formerKeys?.map(({ publicKey }) => publicKey),
    [hex(carol.publicKey)],
  );
  await refuses(t, world, [
    ['the former key', 'REVOKED', product(carol)],
    ['the former key for somebody else', 'EXISTS', say(alice, 'enrol', rekey(carol, 'dana'), personObject('dana'))],
    ['the former key again', 'EXISTS', say(alice, 'enrol', rekey(carol))],
    ['nothing proposed', 'BAD_STATEMENT', say(bob, 'approve')],
  ]);
  const history = (await ledger.evaluate('getHistory', 'carol')) as HistoryItem[];
  const newest = [...history].sort((a, b) => a.leafIndex - b.leafIndex);
  t.deepEqual(
    newest.map(({ action, signer }) => `${action} ${signer}`),
    ['enrol alice', 'approve bob', 'enrol carol', 'enrol alice', 'enrol alice', 'approve bob'],
  );

  // The proposer does not approve, also an approver about himself; another one may reject, and the key is free again.
  const dances = personObject('dana');
  await act(world, dana, 'enrol', dances, rekey(third, 'dana'));
  await refuses(t, world, [
    ['the person who proposed it', 'SAME_PERSON', say(dana, 'approve', undefined, dances)],
    ['a rejection by the person', 'SAME_PERSON', say(dana, 'reject', rejectArgs('no'), dances)],
  ]);
  await act(world, bob, 'reject', dances, rejectArgs('no'));
  t.is((await view('dana')).newKey, undefined);
  // A revocation ends what a thief proposed for himself.
  await act(world, dana, 'enrol', dances, rekey(third, 'dana'));
  await act(world, alice, 'revoke', dances, revokeArgs('person', utf8('dana'), 'stolen'));
  await refuses(t, world, [['a new key meanwhile', 'EXISTS', say(dana, 'enrol', rekey(other, 'dana'), dances)]]);
  await act(world, bob, 'approve', dances);
  t.deepEqual([(await view('dana')).state, (await view('dana')).newKey], ['revoked', undefined]);
  await refuses(t, world, [
    ['a next key for who is revoked', 'BAD_STATEMENT', say(alice, 'enrol', rekey(other, 'dana'), dances)],
    ['the key that was proposed', 'UNKNOWN_KEY', product(third)],
  ]);
  t.truthy(await ledger.receipt(leaf));
});
