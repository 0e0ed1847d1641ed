/** Rollouts: opened, stopped and ended by people, and carried out by the command key. */
import { rolloutArgs } from '@countersign/broker/ledger/contract/args';
import { unionOfWaves } from '@countersign/broker/ledger/contract/plan';
import {
  ABORTED,
  EVERYONE,
  hex,
  OPEN,
  PAUSED,
  type Rollout,
  rolloutValue,
  signStatement,
  utf8,
} from '@countersign/device-sdk/format';
import {
  act,
  addProduct,
  command,
  newRelease,
  person,
  planOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
} from '../ledger-world.ts';
import { actOn, type Person, refusesStatements, worldOf } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const ROLLOUT_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  ROLLOUT_RULES.push([title, run]);
}

rule('a rollout is opened, stopped and ended by people; the command key only carries out', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  await addProduct(world);
  const release = await publish(world, 1);
  const pending = await newRelease(world, 2, release.leaf);
  await act(world, alice, 'upload', pending.leaf, pending.args);
  const plan = planOf(release);
  const object = rolloutObject(plan);
  const open = (p = plan, signer: Person = bob) =>
    actOn(world, signer, 'rollout', rolloutObject(p), rolloutArgs({ op: 'open', plan: p }));
  const say = (rollout: Rollout, signer = keys.command) =>
    signStatement(sha256, 'rollout', rolloutValue(rollout), signer);
  await refusesStatements(t, world, [
    ['a statement about nothing', 'NOT_FOUND', say(statementOf(plan, 1, OPEN))],
    ['a service key', 'NOT_PERMITTED', open(plan, keys.service)],
    ['an unconfirmed release', 'NOT_APPROVED', open({ ...plan, releaseLeaf: pending.leaf })],
    ['no release', 'NOT_FOUND', open({ ...plan, releaseLeaf: sha256(object) })],
    ['a wave of nobody', 'BAD_STATEMENT', open({ ...plan, waves: [{ ...plan.waves[0]!, cohorts: [] }] })],
    ['no attempts', 'BAD_STATEMENT', open({ ...plan, attemptsMax: 0 })],
    ['a window that ends first', 'BAD_STATEMENT', open({ ...plan, window: { start: 2, end: 1 } })],
    [
      'another object',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', sha256(object), rolloutArgs({ op: 'open', plan })),
    ],
    [
      'a pause of nothing',
      'NOT_FOUND',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'pause', rolloutId: plan.rolloutId, reason: '' })),
    ],
  ]);
  await person(world, plan, 'open');
  const all = { cohorts: unionOfWaves(plan.waves, 2) };
  await refusesStatements(t, world, [
    ['opened twice', 'EXISTS', open()],
    [
      'a resume before it is open',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'resume', rolloutId: plan.rolloutId, reason: '' })),
    ],
    ['by the distribution key', 'WRONG_ROLE', say(statementOf(plan, 1, OPEN), keys.distribution)],
    ['a skipped sequence', 'BAD_COUNTER', say(statementOf(plan, 2, OPEN))],
    ['another release', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { releaseLeaf: pending.leaf }))],
    ['another class', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { classId: new Uint8Array(16) }))],
    ['another window', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { window: undefined }))],
    ['other attempts', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { attemptsMax: 9 }))],
    ['everybody at once', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, { cohorts: [{ threshold: EVERYONE }] }))],
    ['all waves at once', 'BAD_STATEMENT', say(statementOf(plan, 1, OPEN, all))],
    ['a pause before it is open', 'NOT_PERMITTED', say(statementOf(plan, 1, PAUSED))],
    ['an abort that nobody asked for', 'NOT_PERMITTED', say(statementOf(plan, 1, ABORTED))],
  ]);
  await command(world, statementOf(plan, 1, OPEN));
  const second = { cohorts: unionOfWaves(plan.waves, 1) };
  await refusesStatements(t, world, [
    ['the same statement again', 'DUPLICATE', say(statementOf(plan, 1, OPEN))],
    ['two waves at once', 'BAD_STATEMENT', say(statementOf(plan, 2, OPEN, all))],
    ['an abort that nobody asked for', 'NOT_PERMITTED', say(statementOf(plan, 2, ABORTED))],
  ]);
  await command(world, statementOf(plan, 2, OPEN, second));
  await command(world, statementOf(plan, 3, PAUSED, second));
  await refusesStatements(t, world, [
    ['reopened after the pause', 'NOT_PERMITTED', say(statementOf(plan, 4, OPEN, second))],
    ['the old open replayed', 'BAD_COUNTER', say(statementOf(plan, 2, OPEN, second))],
  ]);
  await person(world, plan, 'resume');
  await refusesStatements(t, world, [
    ['resumed with a wave more', 'BAD_STATEMENT', say(statementOf(plan, 4, OPEN, all))],
  ]);
  await command(world, statementOf(plan, 4, OPEN, second));
  await person(world, plan, 'pause');
  await refusesStatements(t, world, [
    ['advanced against a pause', 'NOT_PERMITTED', say(statementOf(plan, 5, OPEN, all))],
  ]);
  await person(world, plan, 'abort');
  await refusesStatements(t, world, [
    ['advanced against an abort', 'NOT_PERMITTED', say(statementOf(plan, 5, OPEN, all))],
    [
      'a resume after an abort',
      'BAD_STATEMENT',
      actOn(world, bob, 'rollout', object, rolloutArgs({ op: 'resume', rolloutId: plan.rolloutId, reason: '' })),
    ],
  ]);
  await command(world, statementOf(plan, 5, ABORTED, second));
  await refusesStatements(t, world, [
    ['opened after the abort', 'NOT_PERMITTED', say(statementOf(plan, 6, OPEN, second))],
    ['paused after the abort', 'NOT_PERMITTED', say(statementOf(plan, 6, PAUSED, second))],
  ]);
});

rule('a rollout that takes the place of another ends it for good', async (t, engine) => {
  const world = await worldOf(t, engine);
  await addProduct(world);
  const release = await publish(world, 1);
  const first = planOf(release);
  const forgotten = planOf(release, { rolloutId: sha256(utf8('forgotten')).slice(0, 16) });
  const second = planOf(release, { rolloutId: sha256(utf8('second')).slice(0, 16) });
  await person(world, first, 'open');
  await command(world, statementOf(first, 1, OPEN));
  await person(world, forgotten, 'open');
  await person(world, second, 'open');
  await command(world, statementOf(second, 2, OPEN));
  await refusesStatements(t, world, [
    [
      'the former advanced',
      'NOT_PERMITTED',
      signStatement(
        sha256,
        'rollout',
        rolloutValue(statementOf(first, 3, OPEN, { cohorts: unionOfWaves(first.waves, 1) })),
        world.keys.command,
      ),
    ],
    [
      'the former paused',
      'NOT_PERMITTED',
      signStatement(sha256, 'rollout', rolloutValue(statementOf(first, 3, PAUSED)), world.keys.command),
    ],
    [
      'a plan never carried out',
      'NOT_PERMITTED',
      signStatement(sha256, 'rollout', rolloutValue(statementOf(forgotten, 3, OPEN)), world.keys.command),
    ],
  ]);
  const rows = (await world.ledger.evaluate('listRollouts')) as { rolloutId: string; state: string; reason: string }[];
  const state = new Map(rows.map((row) => [row.rolloutId, `${row.state} ${row.reason}`]));
  t.regex(state.get(hex(first.rolloutId))!, /^aborted superseded by/);
  t.regex(state.get(hex(forgotten.rolloutId))!, /^aborted superseded by/);
});
