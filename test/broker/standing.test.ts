/** Nothing is in progress for ever: deadlines of what devices owe, and a sentence for every last word. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fleet, tallyWaves } from '@countersign/broker/distribution/rollouts/fleet';
import { dueAt, OFFER_SECONDS, type Offer, TRIAL_SECONDS } from '@countersign/broker/distribution/rollouts/leases';
import { EXPLAINED } from '@countersign/broker/face/cli/explained';
import { lwm2mText, standingOf } from '@countersign/broker/face/cli/standing';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { CODES } from '@countersign/device-sdk';
import { EVERYONE, hex, OPEN, PAUSED } from '@countersign/device-sdk/format';
import test from 'ava';
import { repository } from '../support/repository.ts';
import { makeBed } from './distribution-bed.ts';

const DAY = 86_400;
const offer: Offer = { at: 1000, jitterSeconds: 60, window: null };

test('what a device owes has an end, and what it has said has none', (t) => {
  t.is(dueAt(undefined, offer), 1000 + 60 + OFFER_SECONDS);
  t.is(dueAt(undefined, { ...offer, window: { start: 5000, end: null } }), 5000 + 60 + OFFER_SECONDS);
  t.is(dueAt({ outcome: 'trial', code: 'OK', reportedAt: 2000 }, offer), 2000 + TRIAL_SECONDS);
  const vetoed = { outcome: 'refused', code: 'VETO', reportedAt: 9000 } as const;
  t.is(dueAt(vetoed, offer), 9000 + 60 + OFFER_SECONDS, 'whoever says not now has said something');
  for (const outcome of ['updated', 'reverted', 'refused'] as const) {
    t.is(dueAt({ outcome, code: 'OK', reportedAt: 2000 }, offer), undefined);
  }
});

test('a device whose time is over counts as failed in an open wave, and nowhere else', (t) => {
  const word = { epoch: 0, counter: 1, rolloutId: 'r', outcome: null, code: null, reportedAt: null } as const;
  const devices: Awaited<ReturnType<Fleet['devices']>> = new Map([
    ['a', { ...word, outcome: 'updated', code: 'OK' }],
    ['b', { ...word, rolloutId: 'another', outcome: 'updated', code: 'OK' }],
    ['c', { ...word, outcome: 'trial', code: 'OK', reportedAt: 1000 }],
    ['d', { ...word, rolloutId: null }],
  ]);
  const waveOf = new Map([...'abc'].map((id): [string, number] => [id, 0]).concat([['d', 1]]));
  const view = { rolloutId: 'r', wave: 0, waves: [{}, {}] } as unknown as RolloutView;
  const at = (now: number, given: Offer | undefined = offer) =>
    tallyWaves(view, waveOf, devices, { offer: given, now });
  t.deepEqual(at(2000)[0], { devices: 3, finished: 1, failed: 0, silent: 0 });
  t.deepEqual(
    at(1001 + TRIAL_SECONDS)[0],
    { devices: 3, finished: 2, failed: 1, silent: 1 },
    'the trial that never ended',
  );
  const late = at(2000 + OFFER_SECONDS);
  t.deepEqual(late[0], { devices: 3, finished: 3, failed: 2, silent: 2 });
  t.deepEqual(late[1], { devices: 1, finished: 0, failed: 0, silent: 0 }, 'a wave that is not open owes nothing');
  t.deepEqual(tallyWaves(view, waveOf, devices, { offer: undefined, now: 2 ** 40 })[0]!.silent, 0, 'nor does a pause');
});

test('a wave that falls silent pauses its rollout when the time is over, and resuming gives it time anew', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(['one', 'two', 'three']);
  await bed.server.registry.put(devices.map(({ id }) => ({ deviceId: hex(id), labels: { hw: 'A' } })));
  const waves = [{ group: 'hw=A', failurePercentMax: 20, reportedPercentMin: 100 }, { percent: 100 }];
  const rolloutId = await bed.open(await bed.publisher.release('1.0.0'), waves);
  await bed.report(devices[0]!, rolloutId, 'updated');
  await bed.advance((OFFER_SECONDS - DAY) * 1000);
  t.is((await bed.view(rolloutId)).state, 'open');
  await bed.advance(2 * DAY * 1000);
  await bed.told(rolloutId, PAUSED);
  const { pause } = await bed.server.progress(rolloutId);
  t.regex(pause!.reason, /2 of 3 devices failed in wave 1, 2 of them by saying nothing in time, at most 20 %/);

  await bed.publisher.decide(rolloutId, 'resume');
  await bed.told(rolloutId, OPEN);
  await bed.server.settled();
  const { waves: again } = await bed.server.progress(rolloutId);
  t.deepEqual(again[0], { devices: 3, finished: 1, failed: 0, silent: 0 });
  await bed.report(devices[1]!, rolloutId, 'updated');
  await bed.report(devices[2]!, rolloutId, 'updated');
  await bed.told(rolloutId, OPEN, EVERYONE);
  t.is((await bed.view(rolloutId)).wave, 1, 'a late word is taken as any other');
});

test('every last word has a sentence, and a trial without an end is called silent', (t) => {
  const word = { state: 'enrolled', outcome: null, code: null, reportedAt: null } as const;
  t.is(standingOf(word, 0).standing, 'unheard');
  t.is(standingOf({ ...word, state: 'revoked' }, 0).standing, 'revoked');
  const offered = { release: 'p@2', since: 1000, due: 2000 };
  const before = { ...word, outcome: 'updated', code: 'OK', reportedAt: 5 } as const;
  t.like(standingOf(before, 1500, offered), { standing: 'offered', due: 2000 });
  t.regex(standingOf(before, 2001, offered).explained, /^p@2 is offered .* was due by /);
  t.is(standingOf(before, 2001, offered).standing, 'silent');
  t.is(lwm2mText(0, 4), 'state 0 (idle), result 4 (connection lost)');
  t.is(standingOf({ ...word, outcome: 'updated', code: 'OK', reportedAt: 5 }, 9).standing, 'updated');
  const trial = { ...word, outcome: 'trial', code: 'OK', reportedAt: 1000 } as const;
  t.like(standingOf(trial, 2000), { standing: 'trial', due: 1000 + TRIAL_SECONDS });
  t.is(standingOf(trial, 1001 + TRIAL_SECONDS).standing, 'silent');
  for (const code of CODES) {
    const { explained, standing } = standingOf({ ...word, outcome: 'refused', code, reportedAt: 5 }, 9);
    t.is(standing, code === 'VETO' ? 'deferred' : 'refused');
    t.regex(explained, /^[A-Z].*[.!]$/, code);
  }
  const reverted = standingOf({ ...word, outcome: 'reverted', code: 'SELF_TEST_FAILED', reportedAt: 5 }, 9);
  t.regex(reverted.explained, /self-test of the new image failed.*went back/);
});

test('the command explains codes in the words of docs/REFUSALS.md', (t) => {
  const text = readFileSync(join(repository, 'docs/REFUSALS.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$/gm)].map(([, code, what, toDo]) => [
    code,
    [what, toDo],
  ]);
  t.deepEqual(EXPLAINED as object, Object.fromEntries(rows));
  t.deepEqual(Object.keys(EXPLAINED).sort(), [...CODES].sort());
});
