/** Trial records on every engine: whose word counts, what it must say, and what a product's rule refuses without it. */
import { rejectArgs, rekeyArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { type TrialProfile, trialArgs } from '@countersign/broker/ledger/contract/trial-args';
import type { TrialView } from '@countersign/broker/ledger/contract/views';
import { hex, publicKeyOf, utf8, type Value } from '@countersign/device-sdk/format';
import { act, enrolment, newRelease, newSigner, person, personObject, planOf, tx } from '../ledger-world.ts';
import { refuses } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';
import { BRANCHES, failing, profile, REQUIRED, recordOf, send, trialObject, uploaded } from './trial-bed.ts';

export const TRIAL_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  TRIAL_RULES.push([title, run]);
}

rule('a record is of one release, by a tester who did not upload it, and of every branch', async (t, engine) => {
  const { world, release, alice, bob } = await uploaded(t, engine, REQUIRED);
  const other = await newRelease(world, 2, release.leaf, { branches: BRANCHES });
  const record = recordOf(release);
  const as = (signer: Parameters<typeof tx>[0], args: Value, object = trialObject(release.leaf)) =>
    act(world, signer, 'trial', object, args);
  await refuses(t, world, [
    ['a service key', 'NOT_PERMITTED', () => as(world.keys.service, trialArgs(record))],
    ['the collection key', 'WRONG_ROLE', () => as(world.keys.collection, trialArgs(record))],
    ['a stranger', 'UNKNOWN_KEY', () => as(newSigner(), trialArgs(record))],
    ['who is no tester', 'NOT_PERMITTED', () => as(alice, trialArgs(record))],
    ['a record of another release', 'BAD_STATEMENT', () => as(bob, trialArgs(recordOf(other)))],
    ['of a release nobody uploaded', 'NOT_FOUND', () => send(world, bob, recordOf(other))],
    ['of another sequence', 'BAD_STATEMENT', () => as(bob, trialArgs({ ...record, sequence: 2 }))],
    ['without the full image', 'BAD_STATEMENT', () => as(bob, trialArgs({ ...record, profiles: [profile()] }))],
    [
      'without a branch',
      'BAD_STATEMENT',
      () => as(bob, trialArgs({ ...record, profiles: [profile({ baseDigest: null })] })),
    ],
    ['of a version to come', 'UNSUPPORTED', () => as(bob, [2, ...(trialArgs(record) as Value[]).slice(1)])],
    ['the release as object', 'BAD_STATEMENT', () => as(bob, trialArgs(record), other.leaf)],
  ]);
  const statement = await tx(bob, { action: 'trial', object: trialObject(release.leaf), args: trialArgs(record) });
  await world.ledger.submit(statement);
  const view = (await world.ledger.evaluate('getTrial', hex(release.leaf))) as TrialView;
  t.like(view, { by: 'bob', records: 1, recordsWithFailures: 0, logDigest: hex(record.logDigest), seed: 'seed-1' });
  t.deepEqual(view.profiles[1], { hardware: 'A', baseDigest: null, devices: 10, outcomes: { OK: 10 } });
  const stale = await tx(bob, {
    action: 'trial',
    object: trialObject(release.leaf),
    args: trialArgs(recordOf(release, { seed: 'x' })),
  });
  await refuses(t, world, [
    ['the same record again', 'DUPLICATE', () => world.ledger.submit(statement)],
    ['one over the state before', 'CONFLICT', () => world.ledger.submit(stale)],
  ]);
});

rule('who uploads does not try his own release, tester or not', async (t, engine) => {
  const { world, bob } = await uploaded(t, engine, REQUIRED);
  const tina = newSigner();
  await world.ledger.submit(await enrolment('tina', ['tester', 'engineer'], tina, world.people.alice!));
  await act(world, bob, 'approve', personObject('tina'));
  const own = await newRelease(world, 1, undefined, { branches: BRANCHES, version: 'own' });
  await act(world, tina, 'upload', own.leaf, own.args);
  await refuses(t, world, [['her own', 'SAME_PERSON', () => send(world, tina, recordOf(own))]]);
  await send(world, bob, recordOf(own));
  t.pass();
});

rule('no approval, confirmation or rollout without the record that the product demands', async (t, engine) => {
  const { world, release, bob } = await uploaded(t, engine, REQUIRED);
  const approve = () => act(world, bob, 'approve', release.leaf);
  const confirm = () => act(world, world.keys.service, 'confirm', release.leaf);
  await refuses(t, world, [['no record', 'NOT_TRIED', approve]]);
  const rows: [string, TrialProfile[]][] = [
    [
      'two devices of a profile',
      [profile({ devices: 2, outcomes: [{ code: 'OK', count: 2 }] }), profile({ baseDigest: null })],
    ],
    ['one profile of which two in ten failed', [failing(2), profile({ baseDigest: null })]],
    [
      'all failed on one revision',
      [
        profile(),
        profile({ baseDigest: null }),
        { ...failing(10), hardware: 'C', outcomes: [{ code: 'SELF_TEST_FAILED', count: 10 }] },
      ],
    ],
    [
      'NO_STAGING where devices have two slots',
      [profile(), profile({ baseDigest: null, outcomes: [{ code: 'NO_STAGING', count: 10 }] })],
    ],
  ];
  for (const [why, profiles] of rows) {
    await send(world, bob, recordOf(release, { profiles }));
    await refuses(t, world, [[why, 'NOT_TRIED', approve]]);
  }
  await send(world, bob, recordOf(release, { profiles: [failing(1), profile({ baseDigest: null })] }));
  await approve();
  await send(world, bob, recordOf(release, { profiles: [failing(9), profile({ baseDigest: null })] }));
  await refuses(t, world, [['a record after the approval that fails', 'NOT_TRIED', confirm]]);
  await send(world, bob, recordOf(release));
  await confirm();
  await send(
    world,
    bob,
    recordOf(release, { profiles: [failing(10, 'BOOT_FAILED'), profile({ baseDigest: null })].map(whole) }),
  );
  const plan = planOf(release);
  await refuses(t, world, [['a record before the rollout that fails', 'NOT_TRIED', () => person(world, plan, 'open')]]);
  await send(world, bob, recordOf(release));
  await person(world, plan, 'open');
  t.like(await world.ledger.evaluate('getTrial', hex(release.leaf)), { records: 9, recordsWithFailures: 6 });
  t.is(
    ((await world.ledger.evaluate('getHistory', hex(release.leaf))) as { action: string }[]).filter(
      ({ action }) => action === 'trial',
    ).length,
    9,
  );
});

rule('with one slot, whoever no branch is from and who cannot stage the full image has to stay', async (t, engine) => {
  const oneSlot = { pageBytes: 4_096, stagingBytes: 4_096 };
  const { world, release, bob } = await uploaded(t, engine, REQUIRED, oneSlot);
  const kept = [{ code: 'NO_STAGING', count: 10 }];
  await send(world, bob, recordOf(release, { profiles: [profile({ outcomes: kept }), profile({ baseDigest: null })] }));
  const approve = () => act(world, bob, 'approve', release.leaf);
  await refuses(t, world, [['those that a branch is for', 'NOT_TRIED', approve]]);
  await send(world, bob, recordOf(release, { profiles: [profile(), profile({ baseDigest: null, outcomes: kept })] }));
  await approve();
  t.like(await world.ledger.evaluate('getRelease', hex(release.leaf)), { state: 'approved' });
});

rule('the word of a tester who was revoked counts no more', async (t, engine) => {
  const { world, release, bob } = await uploaded(t, engine, REQUIRED);
  const tina = newSigner();
  await world.ledger.submit(await enrolment('tina', ['tester'], tina, world.people.alice!));
  await act(world, bob, 'approve', personObject('tina'));
  await send(world, tina, recordOf(release));
  // With the next key of the same person, too: the record may be a thief's, and the tester gives it again.
  const next = newSigner();
  const rekey = rekeyArgs({ name: 'tina', key: publicKeyOf(next) });
  await act(world, world.people.alice!, 'enrol', personObject('tina'), rekey);
  await act(world, bob, 'approve', personObject('tina'));
  await refuses(t, world, [['a former key', 'NOT_TRIED', () => act(world, bob, 'approve', release.leaf)]]);
  await send(world, next, recordOf(release));
  const { byBefore } = (await world.ledger.evaluate('getTrial', hex(release.leaf))) as TrialView;
  t.is(byBefore, 1);
  await act(world, world.people.alice!, 'revoke', personObject('tina'), revokeArgs('person', utf8('tina'), 'a test'));
  await act(world, bob, 'approve', personObject('tina'));
  await refuses(t, world, [['by nobody', 'NOT_TRIED', () => act(world, bob, 'approve', release.leaf)]]);
});

rule('without a rule a record binds nobody, and a rejected release gets none', async (t, engine) => {
  const { world, release, bob } = await uploaded(t, engine, undefined);
  await send(world, bob, recordOf(release, { profiles: [failing(9), profile({ baseDigest: null })] }));
  await act(world, bob, 'reject', release.leaf, rejectArgs('it fails'));
  await refuses(t, world, [['a rejected release', 'BAD_STATEMENT', () => send(world, bob, recordOf(release))]]);
});

/** Without a count of nobody. */
function whole(p: TrialProfile): TrialProfile {
  return { ...p, outcomes: p.outcomes.filter(({ count }) => count > 0) };
}
