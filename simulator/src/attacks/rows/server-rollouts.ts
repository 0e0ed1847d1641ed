/** Row 44: rollouts that nobody opened so, and plans that could not be carried out. */
import { rolloutArgs } from '@countersign/broker/ledger/contract/args';
import { OPEN, PAUSED, utf8 } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { act, command, person, planOf, publish, rolloutObject, sha256, statementOf } from '../server/ledger-world.ts';
import { bob, hire, OTHER } from '../server/people.ts';
import { contract } from '../server/try.ts';

/** A plan that could not be carried out as it stands. */
function planned(
  how: string,
  change: (plan: ReturnType<typeof planOf>) => Partial<ReturnType<typeof planOf>>,
): Variant {
  return contract(how, 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    return () => person(world, { ...plan, ...change(plan) }, 'open');
  });
}

const group = (i: number) => ({ root: sha256(utf8(`group ${i}`)) });
const groups = (count: number) => Array.from({ length: count }, (_, i) => group(i));

const planRows: Variant[] = [
  contract('opens a wave more than the plan has', 'BAD_STATEMENT', async (world) => {
    const release = await publish(world, 1);
    const plan = planOf(release, { waves: planOf(release).waves.slice(0, 1) });
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    return () => command(world, statementOf(plan, 2, OPEN, { cohorts: [{ threshold: 2 ** 32 }] }));
  }),
  planned('plans a wave for nobody', ({ waves }) => ({ waves: [{ ...waves[0]!, cohorts: [] }] })),
  planned('plans a wave of nine groups', ({ waves }) => ({ waves: [{ ...waves[0]!, cohorts: groups(9) }] })),
  planned('plans the same wave twice', ({ waves }) => ({ waves: [waves[0]!, waves[0]!] })),
  planned('plans waves of nine groups together', ({ waves }) => ({
    waves: [
      { ...waves[0]!, cohorts: groups(8) },
      { ...waves[0]!, cohorts: [group(9)] },
    ],
  })),
  planned('plans a window that ends before it starts', () => ({ window: { start: 2, end: 1 } })),
  planned('plans no attempt', () => ({ attemptsMax: 0 })),
  contract('opens a rollout of nothing', 'NOT_FOUND', async (world) => {
    const plan = planOf(await publish(world, 1), { releaseLeaf: sha256(utf8('x')) });
    return () => person(world, plan, 'open');
  }),
  contract('opens a rollout twice', 'EXISTS', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => person(world, plan, 'open');
  }),
  contract('pauses a rollout that is not there', 'NOT_FOUND', async (world) => {
    const plan = planOf(await publish(world, 1));
    return () => person(world, plan, 'pause');
  }),
  contract('repeats a rollout statement', 'DUPLICATE', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    return () => command(world, statementOf(plan, 1, OPEN));
  }),
  contract('pauses a rollout that was never opened', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, PAUSED));
  }),
];

export const rolloutRows: Variant[] = [
  contract('opens a rollout as an approver', 'NOT_PERMITTED', async (world) => {
    const release = await publish(world, 1);
    const carol = await hire(world, 'carol', ['approver']);
    world.people.bob = carol;
    return () => person(world, planOf(release), 'open');
  }),
  contract('opens a rollout with the command key', 'NOT_FOUND', async (world) => {
    const plan = planOf(await publish(world, 1));
    return () => command(world, statementOf(plan, 1, OPEN));
  }),
  contract('widens a rollout with the command key', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN, { cohorts: [{ threshold: 2 ** 32 }] }));
  }),
  contract('opens a rollout with another release', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN, { releaseLeaf: new Uint8Array(32) }));
  }),
  contract('opens a rollout for another class', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN, { classId: OTHER }));
  }),
  contract('opens a rollout in another window', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN, { window: { start: 0, end: null } }));
  }),
  contract('opens a rollout without its jitter', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN, { jitterSeconds: 0 }));
  }),
  contract('signs a rollout with the distribution key', 'WRONG_ROLE', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 1, OPEN), world.keys.distribution);
  }),
  contract('leaves a rollout number out', 'BAD_COUNTER', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => command(world, statementOf(plan, 5, OPEN));
  }),
  contract('resumes a paused rollout with the command key', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    await command(world, statementOf(plan, 2, 1));
    return () => command(world, statementOf(plan, 3, OPEN));
  }),
  contract('aborts a rollout with the command key', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    return () => command(world, statementOf(plan, 2, 2));
  }),
  contract('opens what was aborted', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    await person(world, plan, 'abort');
    await command(world, statementOf(plan, 2, 2));
    return () => command(world, statementOf(plan, 3, OPEN));
  }),
  contract('opens although a person asked for a pause', 'NOT_PERMITTED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    await command(world, statementOf(plan, 1, OPEN));
    await person(world, plan, 'pause');
    return () => command(world, statementOf(plan, 2, OPEN));
  }),
  contract('decides about a rollout under another object', 'BAD_STATEMENT', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    const other = rolloutObject({ ...plan, rolloutId: OTHER });
    return () =>
      act(
        world,
        world.people.bob!,
        'rollout',
        other,
        rolloutArgs({ op: 'abort', rolloutId: plan.rolloutId, reason: 'x' }),
      );
  }),
  contract('does with a rollout what the contract does not know', 'MALFORMED', async (world) => {
    const plan = planOf(await publish(world, 1));
    await person(world, plan, 'open');
    return () => act(world, bob(world), 'rollout', rolloutObject(plan), ['explode', plan.rolloutId, 'x']);
  }),
  ...planRows,
];
