/** Trial records in the ledger: whose word counts, what it must say, and what a product's rule refuses without it. */
import { followApprovals } from '@countersign/broker/collection/confirm';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import {
  objectDigest,
  type Product,
  productArgs,
  readProduct,
  rejectArgs,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import {
  readTrial,
  TRIAL_CODES_MAX,
  TRIAL_PROFILES_MAX,
  type TrialProfile,
  type TrialRecord,
  trialArgs,
} from '@countersign/broker/ledger/contract/trial-args';
import type { TrialView } from '@countersign/broker/ledger/contract/views';
import { CODES, type Code, codeOf, Refusal } from '@countersign/device-sdk';
import { hex, type Manifest, utf8, type Value } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import {
  act,
  enrolment,
  newRelease,
  newSigner,
  newWorld,
  ORIGIN,
  PRODUCT,
  PRODUCT_OBJECT,
  person,
  personObject,
  planOf,
  previousOf,
  sha256,
  type TestRelease,
  tx,
  type World,
} from './ledger-world.ts';

const REQUIRED = { devices: 3, successPercent: 90 };
const BASE = { digest: sha256(utf8('image 0')), bytes: 40_000 };

/** From one base, and the full image. */
const BRANCHES: Manifest['branches'] = [BASE, undefined].map((base, i) => ({
  ...(base && { base }),
  payload: { bytes: 2_000, chainHead: sha256(utf8(`chain ${i}`)), frameBytes: 1024, frameCount: 2 },
  memoryClass: 'M' as const,
  workspaceBytes: 8192,
}));

async function uploaded(t: ExecutionContext, requireTrial: typeof REQUIRED | undefined, oneSlot?: Product['oneSlot']) {
  const world = await newWorld();
  t.teardown(() => world.end());
  const { alice, bob } = world.people;
  await act(world, alice!, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, requireTrial, oneSlot }));
  const release = await newRelease(world, 1, undefined, { branches: BRANCHES });
  await act(world, alice!, 'upload', release.leaf, release.args);
  return { world, release, alice: alice!, bob: bob! };
}

function profile(change: Partial<TrialProfile> = {}): TrialProfile {
  return { hardware: 'A', baseDigest: BASE.digest, devices: 10, outcomes: [{ code: 'OK', count: 10 }], ...change };
}

function recordOf({ leaf }: TestRelease, change: Partial<TrialRecord> = {}): TrialRecord {
  return {
    releaseLeaf: leaf,
    sequence: 1,
    seed: 'seed-1',
    faults: { lossPpm: 30_000, liePpm: 0, powerCut: 400 },
    profiles: [profile(), profile({ baseDigest: null })],
    logDigest: sha256(utf8('log')),
    ...change,
  };
}

const failing = (failed: number, code = 'SELF_TEST_FAILED') =>
  profile({
    outcomes: [
      { code: 'OK', count: 10 - failed },
      { code, count: failed },
    ],
  });

const trialObject = (leaf: Uint8Array) => objectDigest(sha256, 'trial', leaf);

async function send(world: World, signer: Parameters<typeof tx>[0], record: TrialRecord) {
  return act(world, signer, 'trial', trialObject(record.releaseLeaf), trialArgs(record));
}

type Row = [why: string, code: Code, submitted: () => Promise<unknown>];

async function refuses(t: ExecutionContext, world: World, rows: Row[]): Promise<void> {
  const { size } = (await world.ledger.head()).head;
  for (const [why, code, submitted] of rows) {
    const error = await t.throwsAsync(submitted(), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
  t.is((await world.ledger.head()).head.size, size);
}

test('a record is of one release, by a tester who did not upload it, and of every branch', async (t) => {
  const { world, release, alice, bob } = await uploaded(t, REQUIRED);
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

test('who uploads does not try his own release, tester or not', async (t) => {
  const { world, bob } = await uploaded(t, REQUIRED);
  const tina = newSigner();
  await world.ledger.submit(await enrolment('tina', ['tester', 'engineer'], tina, world.people.alice!));
  await act(world, bob, 'approve', personObject('tina'));
  const own = await newRelease(world, 1, undefined, { branches: BRANCHES, version: 'own' });
  await act(world, tina, 'upload', own.leaf, own.args);
  await refuses(t, world, [['her own', 'SAME_PERSON', () => send(world, tina, recordOf(own))]]);
  await send(world, bob, recordOf(own));
  t.pass();
});

test('no approval, confirmation or rollout without the record that the product demands', async (t) => {
  const { world, release, bob } = await uploaded(t, REQUIRED);
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

/** Without a count of nobody. */
function whole(p: TrialProfile): TrialProfile {
  return { ...p, outcomes: p.outcomes.filter(({ count }) => count > 0) };
}

test('an approved release that waits for a better record is confirmed when it comes', async (t) => {
  const { world, release, bob } = await uploaded(t, REQUIRED);
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
  const { world, release, bob } = await uploaded(t, REQUIRED);
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

test('with one slot, whoever no branch is from and who cannot stage the full image has to stay', async (t) => {
  const oneSlot = { pageBytes: 4_096, stagingBytes: 4_096 };
  const { world, release, bob } = await uploaded(t, REQUIRED, oneSlot);
  const kept = [{ code: 'NO_STAGING', count: 10 }];
  await send(world, bob, recordOf(release, { profiles: [profile({ outcomes: kept }), profile({ baseDigest: null })] }));
  const approve = () => act(world, bob, 'approve', release.leaf);
  await refuses(t, world, [['those that a branch is for', 'NOT_TRIED', approve]]);
  await send(world, bob, recordOf(release, { profiles: [profile(), profile({ baseDigest: null, outcomes: kept })] }));
  await approve();
  t.like(await world.ledger.evaluate('getRelease', hex(release.leaf)), { state: 'approved' });
});

test('the word of a tester who was revoked counts no more', async (t) => {
  const { world, release, bob } = await uploaded(t, REQUIRED);
  const tina = newSigner();
  await world.ledger.submit(await enrolment('tina', ['tester'], tina, world.people.alice!));
  await act(world, bob, 'approve', personObject('tina'));
  await send(world, tina, recordOf(release));
  await act(world, world.people.alice!, 'revoke', personObject('tina'), revokeArgs('person', utf8('tina'), 'a test'));
  await act(world, bob, 'approve', personObject('tina'));
  await refuses(t, world, [['by nobody', 'NOT_TRIED', () => act(world, bob, 'approve', release.leaf)]]);
});

test('without a rule a record binds nobody, and a rejected release gets none', async (t) => {
  const { world, release, bob } = await uploaded(t, undefined);
  await send(world, bob, recordOf(release, { profiles: [failing(9), profile({ baseDigest: null })] }));
  await act(world, bob, 'reject', release.leaf, rejectArgs('it fails'));
  await refuses(t, world, [['a rejected release', 'BAD_STATEMENT', () => send(world, bob, recordOf(release))]]);
});

test('a record is read strictly and has bounds', async (t) => {
  const { release } = await uploaded(t, REQUIRED);
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
