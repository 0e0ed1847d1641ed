/** Trial records: how they are read, and who waits for a better one. What the contract makes of them: engines/trial-rules. */
import { followApprovals } from '@countersign/broker/collection/confirm';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import { productArgs, readProduct } from '@countersign/broker/ledger/contract/args';
import {
  readTrial,
  TRIAL_CODES_MAX,
  TRIAL_PROFILES_MAX,
  type TrialRecord,
  trialArgs,
} from '@countersign/broker/ledger/contract/trial-args';
import { CODES, type Code, codeOf, Refusal } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import test from 'ava';
import { refuses } from './engines/bed.ts';
import { embedded } from './engines/engine.ts';
import { failing, profile, REQUIRED, recordOf, send, uploaded } from './engines/trial-bed.ts';
import { act, newWorld, ORIGIN, PRODUCT, PRODUCT_OBJECT, previousOf, sha256 } from './ledger-world.ts';

test('an approved release that waits for a better record is confirmed when it comes', async (t) => {
  const { world, release, bob } = await uploaded(t, embedded, REQUIRED);
  await send(world, bob, recordOf(release));
  await act(world, bob, 'approve', release.leaf);
  await send(world, bob, recordOf(release, { profiles: [failing(9), profile({ baseDigest: null })] }));
  const codes: Code[] = [];
  let following = { stop() {} };
  t.teardown(() => following.stop());
  await new Promise<void>((resolve) => {
    const parts = { ledger: world.ledger, sha256, service: world.keys.service, origin: ORIGIN };
    following = followApprovals(parts, {
      confirmed: () => resolve(),
      failed(_leaf, error) {
        codes.push(codeOf(error));
        if (codes.length === 1) void send(world, bob, recordOf(release, { seed: 'again' }));
      },
    });
  });
  t.deepEqual(codes, ['NOT_TRIED']);
  t.like(await world.ledger.evaluate('getRelease', hex(release.leaf)), { state: 'confirmed' });
});

test('a ledger that does not answer when a trial record comes ends no server', async (t) => {
  const { world, release, bob } = await uploaded(t, embedded, REQUIRED);
  await send(world, bob, recordOf(release));
  await act(world, bob, 'approve', release.leaf);
  await send(world, bob, recordOf(release, { profiles: [failing(9), profile({ baseDigest: null })] }));
  const codes: Code[] = [];
  let away = false;
  let following = { stop() {} };
  t.teardown(() => following.stop());
  await new Promise<void>((resolve, reject) => {
    const ledger: LedgerClient = {
      ...world.ledger,
      async evaluate(query, ...args) {
        if (away) throw new Refusal('UNREACHABLE', 'away');
        return world.ledger.evaluate(query, ...args);
      },
      // As everywhere, but for the end of the process.
      follow: (from, call) => world.ledger.follow(from, call, reject),
    };
    const parts = { ledger, sha256, service: world.keys.service, origin: ORIGIN };
    following = followApprovals(parts, {
      confirmed: () => undefined,
      failed(_leaf, error) {
        codes.push(codeOf(error));
        if (codes.length === 2) return resolve();
        away = true;
        void send(world, bob, recordOf(release, { seed: 'again' }));
      },
    });
  });
  t.deepEqual(codes, ['NOT_TRIED', 'UNREACHABLE']);
});

test('a record is read strictly and has bounds', async (t) => {
  const { release } = await uploaded(t, embedded, REQUIRED);
  const good = recordOf(release);
  t.deepEqual(readTrial(trialArgs(good)), good);
  const most = Array.from({ length: TRIAL_PROFILES_MAX }, (_, i) => profile({ hardware: `revision-${i}` }));
  t.is(readTrial(trialArgs({ ...good, profiles: most })).profiles.length, TRIAL_PROFILES_MAX);
  const codes = CODES.slice(0, TRIAL_CODES_MAX + 1).map((code) => ({ code, count: 1 }));
  const rows: [string, Code, Partial<TrialRecord>][] = [
    ['no profile', 'TOO_LARGE', { profiles: [] }],
    ['too many profiles', 'TOO_LARGE', { profiles: [...most, profile()] }],
    ['a profile twice', 'BAD_STATEMENT', { profiles: [profile(), profile()] }],
    ['fewer outcomes than devices', 'BAD_STATEMENT', { profiles: [profile({ devices: 11 })] }],
    ['no device', 'BAD_STATEMENT', { profiles: [profile({ devices: 0, outcomes: [] })] }],
    ['more devices than a trial has', 'MALFORMED', { profiles: [profile({ devices: 1_001 })] }],
    ['a code of its own', 'MALFORMED', { profiles: [profile({ outcomes: [{ code: 'FINE', count: 10 }] })] }],
    [
      'an outcome of nobody',
      'MALFORMED',
      {
        profiles: [
          profile({
            outcomes: [
              { code: 'OK', count: 10 },
              { code: 'VETO', count: 0 },
            ],
          }),
        ],
      },
    ],
    [
      'an outcome twice',
      'MALFORMED',
      {
        profiles: [
          profile({
            outcomes: [
              { code: 'OK', count: 5 },
              { code: 'OK', count: 5 },
            ],
          }),
        ],
      },
    ],
    ['too many outcomes', 'TOO_LARGE', { profiles: [profile({ devices: codes.length, outcomes: codes })] }],
    ['a seed with a space', 'MALFORMED', { seed: 'a b' }],
    ['a short log digest', 'MALFORMED', { logDigest: new Uint8Array(31) }],
  ];
  for (const [why, code, change] of rows) {
    const error = t.throws(() => readTrial(trialArgs({ ...good, ...change })), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
});

test('a product says its rule in one form', async (t) => {
  const world = await newWorld();
  t.teardown(() => world.end());
  const oneSlot = { pageBytes: 4096, stagingBytes: 20_000 };
  for (const product of [
    { ...PRODUCT, requireTrial: REQUIRED },
    { ...PRODUCT, cpu: 'thumb' as const, requireTrial: REQUIRED },
    { ...PRODUCT, cpu: 'thumb' as const, oneSlot, requireTrial: REQUIRED },
    { ...PRODUCT, cpu: 'thumb' as const, oneSlot },
  ]) {
    t.deepEqual(readProduct(productArgs(product)), product);
  }
  const none = productArgs({ ...PRODUCT, requireTrial: { devices: 0, successPercent: 90 } });
  const more = productArgs({ ...PRODUCT, requireTrial: { devices: 1, successPercent: 101 } });
  await refuses(t, world, [
    ['no device', 'BAD_STATEMENT', () => act(world, world.people.alice!, 'product', PRODUCT_OBJECT, none)],
    ['more than all', 'MALFORMED', () => act(world, world.people.alice!, 'product', PRODUCT_OBJECT, more)],
  ]);
  t.deepEqual(await previousOf(world, PRODUCT_OBJECT), new Uint8Array(32));
});
