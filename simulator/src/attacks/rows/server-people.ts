/** Row 44: who comes in, who goes, and who decides it. */
import { enrolPersonArgs, rejectArgs } from '@countersign/broker/ledger/contract/args';
import { publicKeyOf } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { act, newRelease, newSigner, personObject } from '../server/ledger-world.ts';
import { alice, bob, dismiss, hire, proposed } from '../server/people.ts';
import { contract } from '../server/try.ts';

export const peopleRows: Variant[] = [
  contract('enrols a person with a server’s key', 'NOT_PERMITTED', async (world) => {
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()) });
    return () => act(world, world.keys.service, 'enrol', personObject('mallory'), args);
  }),
  contract('approves a person whom he proposed', 'SAME_PERSON', async (world) => {
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()) });
    await act(world, bob(world), 'enrol', personObject('mallory'), args);
    return () => act(world, bob(world), 'approve', personObject('mallory'));
  }),
  contract('acts before he is approved', 'NOT_PERMITTED', async (world) => {
    const mallory = newSigner();
    const args = enrolPersonArgs({ name: 'mallory', roles: ['engineer'], key: publicKeyOf(mallory) });
    await act(world, bob(world), 'enrol', personObject('mallory'), args);
    const release = await newRelease(world, 1);
    return () => act(world, mallory, 'upload', release.leaf, release.args);
  }),
  contract('enrols himself under a name that is taken', 'EXISTS', async (world) => {
    const args = enrolPersonArgs({ name: 'bob', roles: ['approver'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('bob'), args);
  }),
  contract('enrols a server’s key as a person', 'EXISTS', async (world) => {
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(world.keys.service) });
    return () => act(world, alice(world), 'enrol', personObject('mallory'), args);
  }),
  contract('enrols one key for two people', 'EXISTS', async (world) => {
    const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(alice(world)) });
    return () => act(world, bob(world), 'enrol', personObject('mallory'), args);
  }),
  contract('calls a person like a server', 'BAD_STATEMENT', async (world) => {
    const args = enrolPersonArgs({ name: 'service', roles: ['approver'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('service'), args);
  }),
  contract('revokes the only approver', 'BAD_STATEMENT', async (world) => {
    await hire(world, 'carol', ['engineer']);
    return () => dismiss(world, 'bob');
  }),
  contract('fends off the revocation of his own key', 'SAME_PERSON', async (world) => {
    const carol = await hire(world, 'carol', ['approver']);
    await dismiss(world, 'carol');
    return () => act(world, carol, 'reject', personObject('carol'), rejectArgs('I stay'));
  }),
  contract('enrols a person under a name that no file may have', 'MALFORMED', async (world) => {
    const args = enrolPersonArgs({ name: '../carol', roles: ['engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('../carol'), args);
  }),
  contract(
    'approves a person about whom nothing is proposed',
    'BAD_STATEMENT',
    async (world) => () => act(world, bob(world), 'approve', personObject('alice')),
  ),
  contract(
    'rejects a person about whom nothing is proposed',
    'BAD_STATEMENT',
    async (world) => () => act(world, bob(world), 'reject', personObject('alice'), rejectArgs('x')),
  ),
  contract('enrols a person under another object', 'BAD_STATEMENT', async (world) => {
    const args = enrolPersonArgs({ name: 'carol', roles: ['engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('dora'), args);
  }),
  contract('enrols a person with one role twice', 'BAD_STATEMENT', async (world) => {
    const args = enrolPersonArgs({ name: 'carol', roles: ['engineer', 'engineer'], key: publicKeyOf(newSigner()) });
    return () => act(world, alice(world), 'enrol', personObject('carol'), args);
  }),
  contract('revokes a person who is not active', 'BAD_STATEMENT', async (world) => {
    await proposed(world, 'carol');
    return () => dismiss(world, 'carol');
  }),
  contract('proposes a revocation twice', 'EXISTS', async (world) => {
    for (const name of ['carol', 'dora']) {
      await proposed(world, name);
      await act(world, bob(world), 'approve', personObject(name));
    }
    await dismiss(world, 'carol');
    return () => dismiss(world, 'carol');
  }),
  contract('revokes a person whom nobody knows', 'NOT_FOUND', async (world) => () => dismiss(world, 'nobody')),
];
