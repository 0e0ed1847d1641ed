/** Row 44: grants that no operator may sign, or not so. */
import type { EnrolGrant, GrantKind } from '@countersign/broker/ledger/contract/grant-args';
import type { Code } from '@countersign/device-sdk';
import type { Variant } from '../attack.ts';
import { granted, grantObject, newGrant, randomBytes, revokeGrant } from '../server/grants.ts';
import { act, type World } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';

const alice = (world: World) => world.people.alice!;

/** A grant of which one thing is wrong. */
function grants(how: string, expect: Code, change: Partial<EnrolGrant>): Variant {
  return contract(`grants enrolments ${how}`, expect, async (world) => {
    const { grantId, args } = newGrant(change);
    return () => act(world, alice(world), 'enrol', grantObject(grantId), args);
  });
}

export const grantRows: Variant[] = [
  grants('in a way of his own', 'MALFORMED', { kind: 'word' as GrantKind, content: randomBytes(32) }),
  grants('by a code that has a list as well', 'MALFORMED', { content: randomBytes(32) }),
  grants('to nobody', 'MALFORMED', { devices: 0 }),
  grants('of a class that nobody registered', 'NOT_FOUND', { classId: randomBytes(16) }),
  contract('puts another grant in the place of one that is there', 'EXISTS', async (world) => {
    const { grantId } = await granted(world, newGrant());
    const { args } = newGrant({ grantId });
    return () => act(world, alice(world), 'enrol', grantObject(grantId), args);
  }),
  contract('grants enrolments under another object', 'BAD_STATEMENT', async (world) => {
    const { args } = newGrant();
    return () => act(world, alice(world), 'enrol', grantObject(randomBytes(16)), args);
  }),
  contract('revokes a grant that nobody signed', 'NOT_FOUND', async (world) => {
    return () => revokeGrant(world, randomBytes(16));
  }),
  contract('revokes a grant twice', 'BAD_STATEMENT', async (world) => {
    const { grantId } = await granted(world, newGrant());
    await revokeGrant(world, grantId);
    return () => revokeGrant(world, grantId);
  }),
];
