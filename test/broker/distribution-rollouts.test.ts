/** Rollouts: what people decide, what the plan allows, and what a restart finds half done. */

import { join } from 'node:path';
import { evaluateWave, type WaveTally } from '@countersign/broker/distribution/rollouts/evaluate';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { Refusal } from '@countersign/device-sdk';
import { ABORTED, EVERYONE, hex, isInCohort, OPEN, PAUSED, placeOf } from '@countersign/device-sdk/format';
import test from 'ava';
import { classId } from '../support/publisher.ts';
import { sha256 } from '../support/world.ts';
import { makeBed } from './distribution-bed.ts';

const names = (count: number) => Array.from({ length: count }, (_, i) => `device ${i}`);

test('a wave that fails pauses the rollout by itself, once all of it has reported, and keeps the reason', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(names(6));
  await bed.server.registry.put(devices.map(({ id }, i) => ({ deviceId: hex(id), labels: { hw: i < 3 ? 'C' : 'A' } })));
  const leaf = await bed.publisher.release('1.0.0');
  const waves = [{ group: 'hw=C', failurePercentMax: 20, reportedPercentMin: 100 }, { percent: 100 }];
  const rolloutId = await bed.open(leaf, waves);
  for (const device of devices.slice(0, 2)) await bed.report(device, rolloutId, 'reverted');
  await bed.advance(0);
  t.is((await bed.view(rolloutId)).state, 'open', 'two of three have reported: the wave is not judged yet');
  await bed.report(devices[2]!, rolloutId, 'updated');
  await bed.told(rolloutId, PAUSED);
  const { rollout, pause, waves: tally } = await bed.server.progress(rolloutId);
  t.is(rollout.state, 'paused');
  t.is(rollout.wave, 0);
  t.regex(pause!.reason, /2 of 3 devices failed in wave 1, at most 20 %/);
  t.deepEqual(tally, [
    { devices: 3, finished: 3, failed: 2, silent: 0 },
    { devices: 3, finished: 0, failed: 0, silent: 0 },
  ]);
});

test('an operator who resumes accepts the failures he has seen, and the rollout goes on', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(names(4));
  await bed.server.registry.put([{ deviceId: hex(devices[0]!.id), labels: { hw: 'C' } }]);
  const rolloutId = await bed.open(await bed.publisher.release('1.0.0'), [{ group: 'hw=C' }, { percent: 100 }]);
  await bed.report(devices[0]!, rolloutId, 'reverted');
  await bed.told(rolloutId, PAUSED);
  await bed.restart();
  await bed.publisher.decide(rolloutId, 'resume');
  await bed.told(rolloutId, OPEN, EVERYONE);
  t.is((await bed.view(rolloutId)).wave, 1);
});

test('a wave that went well opens the next, until everybody is in', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(names(12));
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf, [{ percent: 30 }, { percent: 100 }]);
  const first = bed.said()!;
  const threshold = (first.cohorts[0] as { threshold: number }).threshold;
  const early = devices.filter(({ id }) => placeOf(sha256, rolloutId, id) < threshold);
  const { waves } = await bed.view(rolloutId);
  t.is(waves[0]!.devices, early.length);
  t.is(waves[1]!.devices, 12 - early.length, 'each wave counts its own devices');
  for (const device of early) await bed.report(device, rolloutId, 'updated');
  const open = await bed.told(rolloutId, OPEN, EVERYONE);
  t.is(open.rolloutSequence, first.rolloutSequence + 1);
  t.deepEqual(open.block2Digest, first.block2Digest);
  t.is((await bed.view(rolloutId)).wave, 1);
});

test('a brake of the engine pauses what is open, and nothing begins or goes on until it is let go', async (t) => {
  let braked: string[] = [];
  const through = (ledger: LedgerClient): LedgerClient => ({
    ...ledger,
    evaluate: async (query, ...args) =>
      query === 'getOrder' ? { outside: { block: 7, trouble: null, braked } } : ledger.evaluate(query, ...args),
  });
  const bed = await makeBed(t, { through });
  await bed.publisher.enrol(names(2));
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf);
  braked = [hex(classId)];
  await bed.told(rolloutId, PAUSED);
  const { rollout, pause } = await bed.server.progress(rolloutId);
  t.like(rollout, { state: 'paused', action: 'rollout', signer: 'command' });
  t.is(pause!.reason, 'the brake of the chain was pulled');
  await bed.publisher.decide(rolloutId, 'resume');
  await bed.spoke('rollout step failed');
  await bed.server.settled();
  t.like((await bed.server.progress(rolloutId)).problem, { code: 'NOT_OPEN' });
  t.is((await bed.view(rolloutId)).state, 'paused');
  braked = [];
  await bed.told(rolloutId, OPEN);
});

test('pause, resume and abort by a person are carried out and announced in this order', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(names(2));
  const rolloutId = await bed.open(await bed.publisher.release('1.0.0'));
  await bed.publisher.decide(rolloutId, 'pause');
  const paused = await bed.told(rolloutId, PAUSED);
  await bed.publisher.decide(rolloutId, 'resume');
  const resumed = await bed.told(rolloutId, OPEN);
  t.is(resumed.rolloutSequence, paused.rolloutSequence + 1);
  await bed.publisher.decide(rolloutId, 'abort');
  const aborted = await bed.told(rolloutId, ABORTED);
  t.is(aborted.rolloutSequence, resumed.rolloutSequence + 1);
  t.deepEqual(aborted.cohorts, paused.cohorts);
  t.is((await bed.view(rolloutId)).state, 'aborted');
});

test('members of a group get a proof with the announcement, others get none', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(names(5));
  await bed.server.registry.put(
    devices.slice(0, 3).map(({ id }) => ({ deviceId: hex(id), labels: { site: 'north' } })),
  );
  await bed.open(await bed.publisher.release('1.0.0'), [{ group: 'site=north' }]);
  const rollout = bed.said()!;
  for (const [i, device] of devices.entries()) {
    const [answer] = await bed.delivery.ask(device.id, { id: 1, kind: 6 });
    if (answer?.kind !== 6) return t.fail('no announcement');
    t.is(isInCohort(sha256, rollout, device.id, answer.membership ?? undefined), i < 3);
    t.is(answer.membership === null, i >= 3);
    const other = devices[(i + 1) % 5]!.id;
    t.false(isInCohort(sha256, rollout, other, answer.membership ?? undefined), 'a proof is for one device');
  }
});

test('a rollout is opened only when the payloads are held, and as soon as they are', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(names(1));
  const leaf = await bed.publisher.release('1.0.0');
  const plan = await bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] });
  await bed.server.close();
  const { frames } = bed.blobs;
  bed.blobs.frames = async () => {
    throw new Refusal('UNREACHABLE', 'the collection server is away');
  };
  // A folder without the content: as if it had not been fetched ahead.
  const { dir } = bed;
  bed.dir = join(dir, 'anew');
  await bed.start();
  bed.dir = dir;
  await bed.publisher.open(plan);
  await bed.spoke('rollout step failed');
  t.is((await bed.server.progress(plan.rolloutId)).problem?.code, 'UNREACHABLE');
  t.is(bed.delivery.announcements, 0);
  bed.blobs.frames = frames;
  await bed.advance(10_000);
  await bed.told(plan.rolloutId, OPEN);
  await bed.server.settled();
  t.is((await bed.server.progress(plan.rolloutId)).problem, null);
});

test('a server that dies between statement and announcement announces at its next start, with no second statement', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(names(1));
  const leaf = await bed.publisher.release('1.0.0');
  const plan = await bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }] });
  await bed.server.close();
  await bed.publisher.open(plan);
  await bed.start({
    through: (ledger) => ({
      ...ledger,
      // The statement is logged, and the server never hears of it, nor of anything afterwards.
      follow: () => ({ stop: () => undefined }),
      async submit(statement) {
        await ledger.submit(statement);
        throw new Refusal('UNREACHABLE', 'the answer is lost');
      },
    }),
  });
  await bed.server.settled();
  t.is((await bed.view(plan.rolloutId)).rolloutSequence, 1);
  t.is(bed.delivery.announcements, 0);
  await bed.restart();
  await bed.told(plan.rolloutId, OPEN);
  await bed.server.settled();
  const view = await bed.view(plan.rolloutId);
  t.is(view.rolloutSequence, 1);
  t.is(view.pending, null);
});

test('a statement whose answer was lost is not made twice', async (t) => {
  const bed = await makeBed(t);
  await bed.publisher.enrol(names(1));
  const leaf = await bed.publisher.release('1.0.0');
  let lost = 0;
  await bed.restart({
    through: (ledger) => ({
      ...ledger,
      async submit(statement) {
        const answer = await ledger.submit(statement);
        if (lost++ === 0) throw new Refusal('UNREACHABLE', 'the answer is lost');
        return answer;
      },
    }),
  });
  const rolloutId = await bed.open(leaf);
  await bed.advance(10_000);
  t.is((await bed.view(rolloutId)).rolloutSequence, 1);
  t.is(lost, 1);
  t.is((await bed.server.progress(rolloutId)).problem, null);
});

test('what was pending while the server was down is carried out at its start', async (t) => {
  const bed = await makeBed(t);
  const devices = await bed.publisher.enrol(names(2));
  await bed.server.registry.put([{ deviceId: hex(devices[0]!.id), labels: { ring: 'canary' } }]);
  const rolloutId = await bed.open(await bed.publisher.release('1.0.0'), [{ group: 'ring=canary' }, { percent: 100 }]);
  await bed.server.close();
  await bed.publisher.decide(rolloutId, 'pause');
  await bed.start();
  await bed.told(rolloutId, PAUSED);
  await bed.server.close();
  await bed.publisher.decide(rolloutId, 'resume');
  await bed.start();
  await bed.told(rolloutId, OPEN);
  t.is((await bed.view(rolloutId)).wave, 0);
});

test('a window that has not begun keeps the announcement back, and begins it', async (t) => {
  const bed = await makeBed(t);
  const [device] = await bed.publisher.enrol(names(1));
  const leaf = await bed.publisher.release('1.0.0');
  const window = { start: bed.clock.now() + 3000, end: bed.clock.now() + 6000 };
  const plan = await bed.server.planWaves({ releaseLeaf: leaf, waves: [{ percent: 100 }], window });
  await bed.publisher.open(plan);
  await bed.spoke('rollout statement logged');
  while (!bed.server.announcement(bed.server.releases.get(leaf)!.release.manifest.classId)) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.is(bed.delivery.announcements, 0);
  const [early] = await bed.delivery.ask(device!.id, { id: 3, kind: 5, nonce: new Uint8Array(16) });
  t.like(early, { kind: 0, code: 'NOT_OPEN' });
  bed.clock.advance(3_000_000);
  await bed.told(plan.rolloutId, OPEN);
  const [fresh] = await bed.delivery.ask(device!.id, { id: 4, kind: 5, nonce: new Uint8Array(16) });
  t.is(fresh?.kind, 5);
  bed.clock.advance(3_001_000);
  const [late] = await bed.delivery.ask(device!.id, { id: 5, kind: 5, nonce: new Uint8Array(16) });
  t.like(late, { kind: 0, code: 'NOT_OPEN' });
});

const view = (wave: number, devices: number[]): RolloutView =>
  ({
    wave,
    waves: devices.map((count) => ({ cohorts: [], failurePercentMax: 10, reportedPercentMin: 50, devices: count })),
  }) as unknown as RolloutView;

const tally = (devices: number, finished: number, failed: number): WaveTally => {
  return { devices, finished, failed, silent: 0 };
};

for (const [why, decision, args] of [
  ['nothing reported yet', 'wait', [view(0, [10, 10]), [tally(10, 0, 0)], 20]],
  ['one short of the share that must report', 'wait', [view(0, [10, 10]), [tally(10, 4, 4)], 20]],
  ['failures at the limit', 'advance', [view(0, [10, 10]), [tally(10, 10, 1)], 20]],
  ['failures over the limit', 'pause', [view(0, [10, 10]), [tally(10, 10, 2)], 20]],
  ['the last wave went well', 'wait', [view(1, [10, 10]), [tally(10, 10, 0), tally(10, 10, 0)], 20]],
  ['the last wave fails', 'pause', [view(1, [10, 10]), [tally(10, 10, 0), tally(10, 5, 5)], 20]],
  ['a wave of nobody in a fleet', 'advance', [view(0, [0, 10]), [tally(0, 0, 0)], 20]],
  ['no fleet yet', 'wait', [view(0, [0, 0]), [tally(0, 0, 0)], 0]],
  ['devices revoked since the plan', 'advance', [view(0, [10, 10]), [tally(2, 1, 0)], 12]],
  [
    'failures that were accepted',
    'advance',
    [view(0, [10, 1]), [tally(10, 10, 5)], 20, { wave: 0, finished: 10, failed: 5 }],
  ],
  [
    'new failures after those',
    'pause',
    [view(0, [10, 1]), [tally(10, 10, 6)], 20, { wave: 0, finished: 9, failed: 5 }],
  ],
] as const) {
  test(`${why}: ${decision}`, (t) => {
    t.is(evaluateWave(...(args as unknown as Parameters<typeof evaluateWave>)).op, decision);
  });
}
