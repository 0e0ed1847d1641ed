/** One row for each reason why a release applies to a device, or does not. */

import type { DeviceView, ProductView, ReleaseView, TrialView } from '@countersign/broker/ledger/contract/views';
import { agreementOf, appliesTo, type Facts } from '@countersign/broker/passport/applies';
import type { Code } from '@countersign/device-sdk';
import { hex, utf8 } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test from 'ava';

const { sha256 } = nodeVerifier();
const digest = (text: string) => sha256(utf8(text));
const CLASS = hex(digest('class').slice(0, 16));

function releaseOf(sequence: number, change: Partial<ReleaseView> = {}): ReleaseView {
  return {
    releaseLeaf: hex(digest(`leaf ${sequence}`)),
    classId: CLASS,
    sequence,
    version: `1.${sequence}.0`,
    imageDigest: hex(digest(`image ${sequence}`)),
    imageBytes: 40_000,
    state: 'confirmed',
    branches: [
      { baseDigest: hex(digest(`image ${sequence - 1}`)), baseBytes: 40_000, payloadBytes: 1_000, chainHead: '' },
      { baseDigest: null, baseBytes: null, payloadBytes: 20_000, chainHead: '' },
    ],
    ...change,
  } as ReleaseView;
}

const FIRST = releaseOf(1);
const SECOND = releaseOf(2);
const THIRD = releaseOf(3);

function factsOf(runs: number, change: Partial<Facts> = {}): Facts {
  const application = { name: 'app', version: `1.${runs}.0`, digest: digest(`image ${runs}`), bytes: 40_000 };
  return {
    passport: {
      ...{ origin: 'o', serial: 1, issuedAt: 0, hardware: 'C', bootloader: null, sdk: null },
      subject: { kind: 'product', id: Buffer.from(CLASS, 'hex') },
      components: [application],
    },
    product: { classId: CLASS, head: THIRD.releaseLeaf, sequence: 3 } as ProductView,
    releases: [FIRST, SECOND, THIRD],
    trials: new Map(),
    floor: 0,
    ...change,
  };
}

function trialOf(outcomes: Record<string, number>, hardware = 'C'): Map<string, TrialView> {
  const profiles = [{ hardware, baseDigest: null, devices: 2, outcomes }];
  return new Map([[THIRD.releaseLeaf, { profiles } as unknown as TrialView]]);
}

const oneSlot = (stagingBytes: number) =>
  ({
    classId: CLASS,
    head: THIRD.releaseLeaf,
    sequence: 3,
    frameBytes: 500,
    oneSlot: { pageBytes: 4096, stagingBytes },
  }) as ProductView;
const device = (change: Partial<DeviceView>) =>
  ({ classId: CLASS, state: 'enrolled', slotDigest: null, ...change }) as DeviceView;

const ROWS: [string, Code | 'OK', RegExp, Facts][] = [
  ['a delta from what it runs', 'OK', /a delta of 1000 bytes/, factsOf(2)],
  ['no delta from what it runs', 'OK', /full image.* of 20000 bytes/, factsOf(1)],
  ['it runs it', 'DUPLICATE', /runs 1\.3\.0 already/, factsOf(3)],
  ['below the floor', 'ROLLBACK', /floor is 4/, factsOf(2, { floor: 4 })],
  [
    'it failed on this hardware',
    'SELF_TEST_FAILED',
    /no device of hardware C/,
    factsOf(2, { trials: trialOf({ SELF_TEST_FAILED: 2 }) }),
  ],
  ['it failed on some', 'OK', /a delta/, factsOf(2, { trials: trialOf({ OK: 1, SELF_TEST_FAILED: 1 }) })],
  ['it failed on other hardware', 'OK', /a delta/, factsOf(2, { trials: trialOf({ BOOT_FAILED: 2 }, 'A') })],
  ['a delta that the staging area holds', 'OK', /a delta/, factsOf(2, { product: oneSlot(1_032) })],
  [
    'a delta with its hashes that it does not hold',
    'NO_STAGING',
    /its 1032 bytes/,
    factsOf(2, { product: oneSlot(1_031) }),
  ],
  ['a full image that it does not hold', 'NO_STAGING', /staging area of 1000/, factsOf(1, { product: oneSlot(1_000) })],
  ['a revoked device', 'REVOKED', /revoked/, factsOf(2, { device: device({ state: 'revoked' }) })],
  ['a device of another class', 'WRONG_CLASS', /is for class/, factsOf(2, { device: device({ classId: 'x' }) })],
  [
    'contradicting words',
    'CONFLICT',
    /look at the device/,
    factsOf(2, { device: device({ slotDigest: FIRST.imageDigest }) }),
  ],
  [
    'a later release by its own report',
    'DUPLICATE',
    /runs 1\.3\.0 already/,
    factsOf(2, { device: device({ slotDigest: THIRD.imageDigest, outcome: 'updated' }) }),
  ],
];

for (const [why, code, reason, facts] of ROWS) {
  test(`the newest release: ${why}`, (t) => {
    const [newest] = appliesTo(facts);
    t.is(newest!.sequence, 3);
    t.deepEqual([newest!.code, newest!.applies], [code, code === 'OK']);
    t.regex(newest!.reason, reason);
  });
}

test('of several components each is compared and counted, and a foreign one is said', (t) => {
  const component = (text: string, from: string) => ({
    ...{ id: 'radio', imageDigest: hex(digest(text)), imageBytes: 9_000, contentId: '' },
    branches: [{ baseDigest: hex(digest(from)), baseBytes: 9_000, payloadBytes: 500, chainHead: '' }],
  });
  const second = releaseOf(2, { components: [component('radio 1', 'radio 0')] });
  const third = releaseOf(3, { components: [component('radio 2', 'radio 1')] });
  const facts = (radio: string, slot: string, reported: string): Facts => {
    const base = factsOf(2, { releases: [second, third] });
    const part = { name: 'radio', version: '1', digest: digest(radio), bytes: 9_000 };
    const passport = { ...base.passport, components: [...base.passport.components, part] };
    const components = [{ id: 'radio', digest: hex(digest(reported)), code: 'OK' }];
    return { ...base, passport, device: device({ slotDigest: hex(digest(slot)), components }) };
  };
  const judged = (f: Facts) => [agreementOf(f).state, appliesTo(f)[0]!.code];
  const whole = facts('radio 1', 'image 2', 'radio 1');
  t.deepEqual(judged(whole), ['agrees', 'OK']);
  t.regex(appliesTo(whole)[0]!.reason, /1000 bytes for app; a delta of 500 bytes for radio/);
  t.deepEqual(judged(facts('radio 1', 'image 3', 'radio 2')), ['outdated', 'DUPLICATE']);
  t.deepEqual(judged(facts('radio 1', 'image 3', 'radio 1')), ['differs', 'CONFLICT'], 'half of a release');
  const foreign = facts('radio 1', 'image 2', 'radio x');
  t.deepEqual(judged(foreign), ['differs', 'CONFLICT']);
  t.regex(agreementOf(foreign).text, /^radio is .{12} in the passport and .{12} in the report$/);
  t.deepEqual(judged(facts('radio x', 'image 2', 'radio x')), ['agrees', 'WRONG_BASE']);
  const { device: _, ...alone } = whole;
  const without = { ...alone, passport: { ...whole.passport, components: whole.passport.components.slice(0, 1) } };
  t.deepEqual(judged(without), ['unreported', 'WRONG_COMPONENTS']);
});

test('older ones are not current, and what nobody confirmed is not listed', (t) => {
  const uploaded = releaseOf(4, { state: 'uploaded' });
  const rows = appliesTo(factsOf(1, { releases: [THIRD, uploaded, FIRST, SECOND] }));
  t.deepEqual(
    rows.map(({ sequence, code }) => [sequence, code]),
    [
      [3, 'OK'],
      [2, 'NOT_CURRENT'],
      [1, 'DUPLICATE'],
    ],
  );
});
