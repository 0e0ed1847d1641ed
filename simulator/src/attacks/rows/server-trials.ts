/** What a false trial record or a false passport would have to get past: further tries of rows 26 and 44. */
import {
  objectDigest,
  type PersonRole,
  productArgs,
  rejectArgs,
  revokeArgs,
} from '@countersign/broker/ledger/contract/args';
import { passportArgs, type Subject, subjectId } from '@countersign/broker/ledger/contract/passport-args';
import {
  readTrial,
  TRIAL_PROFILES_MAX,
  type TrialProfile,
  type TrialRecord,
  trialArgs,
} from '@countersign/broker/ledger/contract/trial-args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { CODES, type Code } from '@countersign/device-sdk';
import { type Signer, utf8, type Value } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import {
  act,
  CLASS,
  enrolDevices,
  enrolment,
  newDevice,
  newRelease,
  newSigner,
  PRODUCT,
  personObject,
  sha256,
  type TestRelease,
  VENDOR,
  type World,
} from '../server/ledger-world.ts';
import { contract, refused } from '../server/try.ts';

const TRIED = { ...PRODUCT, name: 'tried', requireTrial: { devices: 2, successPercent: 100 } };
const TRIED_CLASS = classId(VENDOR, TRIED.name);
const OK = [{ code: 'OK', count: 2 }];

function profile(change: Partial<TrialProfile> = {}): TrialProfile {
  return { hardware: 'A', baseDigest: null, devices: 2, outcomes: OK, ...change };
}

function recordOf({ leaf }: Pick<TestRelease, 'leaf'>, change: Partial<TrialRecord> = {}): TrialRecord {
  const faults = { lossPpm: 0, liePpm: 0, powerCut: 0 };
  const whole = { sequence: 1, seed: 'seed', faults, profiles: [profile()], logDigest: sha256(utf8('log')) };
  return { releaseLeaf: leaf, ...whole, ...change };
}

/** A release of a product that demands trials, uploaded by alice. */
async function uploaded(world: World, by: Signer = world.people.alice!): Promise<TestRelease> {
  const object = objectDigest(sha256, 'product', TRIED_CLASS);
  await act(world, world.people.alice!, 'product', object, productArgs(TRIED));
  const release = await newRelease(world, 1, undefined, { classId: TRIED_CLASS });
  await act(world, by, 'upload', release.leaf, release.args);
  return release;
}

async function hire(world: World, name: string, roles: PersonRole[]): Promise<Signer> {
  const key = newSigner();
  await world.ledger.submit(await enrolment(name, roles, key, world.people.alice!));
  await act(world, world.people.bob!, 'approve', personObject(name));
  return key;
}

const send = (world: World, by: Signer, record: TrialRecord, named = record.releaseLeaf) =>
  act(world, by, 'trial', objectDigest(sha256, 'trial', named), trialArgs(record));

/** A record of which one thing is wrong. */
function falsified(how: string, code: Code, change: Partial<TrialRecord>): Variant {
  return contract(`a trial record ${how}`, code, async (world) => {
    const release = await uploaded(world);
    return () => send(world, world.people.bob!, recordOf(release, change));
  });
}

/** An approval behind a record that is not good enough. */
function approved(how: string, change: Partial<TrialRecord>): Variant {
  return contract(`approves behind ${how}`, 'NOT_TRIED', async (world) => {
    const release = await uploaded(world);
    await send(world, world.people.bob!, recordOf(release, change));
    return () => act(world, world.people.bob!, 'approve', release.leaf);
  });
}

const LEAF = { leaf: sha256(utf8('a release')) };
const many = Array.from({ length: TRIAL_PROFILES_MAX + 1 }, (_, i) => profile({ hardware: `${i}` }));
const shaped = (how: string, code: Code, change: Partial<TrialRecord>) =>
  refused(`a trial record ${how}`, code, () => readTrial(trialArgs(recordOf(LEAF, change))));
/** As they stand in the list, where the writer would have put them in order. */
const rawOutcomes = (outcomes: Value[], devices: number): Value => {
  const [version, leaf, sequence, seed, faults, , log] = trialArgs(recordOf(LEAF)) as Value[];
  return [version!, leaf!, sequence!, seed!, faults!, [['A', null, devices, outcomes]], log!];
};
const codes = CODES.slice(0, 17).map((code) => ({ code, count: 1 }));

export const trialRows: Variant[] = [
  contract('approves what nobody has tried', 'NOT_TRIED', async (world) => {
    const { leaf } = await uploaded(world);
    return () => act(world, world.people.bob!, 'approve', leaf);
  }),
  approved('a trial of too few', { profiles: [profile({ devices: 1, outcomes: [{ code: 'OK', count: 1 }] })] }),
  approved('a trial that failed', { profiles: [profile({ outcomes: [{ code: 'BOOT_FAILED', count: 2 }] })] }),
  contract('approves behind the record of a tester who was revoked', 'NOT_TRIED', async (world) => {
    const release = await uploaded(world);
    const carol = await hire(world, 'carol', ['tester']);
    await send(world, carol, recordOf(release));
    const args = revokeArgs('person', utf8('carol'), 'stolen');
    await act(world, world.people.alice!, 'revoke', personObject('carol'), args);
    await act(world, world.people.bob!, 'approve', personObject('carol'));
    return () => act(world, world.people.bob!, 'approve', release.leaf);
  }),
  contract('tries what he uploaded', 'SAME_PERSON', async (world) => {
    const carol = await hire(world, 'carol', ['engineer', 'tester']);
    const release = await uploaded(world, carol);
    return () => send(world, carol, recordOf(release));
  }),
  contract('the trial record of another release', 'BAD_STATEMENT', async (world) => {
    const release = await uploaded(world);
    return () => send(world, world.people.bob!, recordOf(release), LEAF.leaf);
  }),
  contract('the trial record of no release', 'NOT_FOUND', async (world) => {
    return () => send(world, world.people.bob!, recordOf(LEAF));
  }),
  contract('a trial record behind a rejection', 'BAD_STATEMENT', async (world) => {
    const release = await uploaded(world);
    await act(world, world.people.bob!, 'reject', release.leaf, rejectArgs('no'));
    return () => send(world, world.people.bob!, recordOf(release));
  }),
  falsified('of another sequence', 'BAD_STATEMENT', { sequence: 2 }),
  contract('a trial record that leaves out a branch', 'BAD_STATEMENT', async (world) => {
    const base = { digest: sha256(utf8('image 0')), bytes: 1_000 };
    const payload = { bytes: 1_000, chainHead: sha256(utf8('chain')), frameBytes: 1024, frameCount: 1 };
    const full = {
      payload: { ...payload, chainHead: sha256(utf8('full')) },
      memoryClass: 'M',
      workspaceBytes: 8192,
    } as const;
    const branches = [{ ...full, base, payload }, full];
    const release = await newRelease(world, 1, undefined, { branches });
    await act(world, world.people.alice!, 'upload', release.leaf, release.args);
    return () => send(world, world.people.bob!, recordOf(release));
  }),
  refused('a trial record of another version', 'UNSUPPORTED', () => readTrial([2])),
  shaped('of more profiles than fit', 'TOO_LARGE', { profiles: many }),
  shaped('with a seed of another form', 'MALFORMED', { seed: 'a seed' }),
  shaped('with a profile twice', 'BAD_STATEMENT', { profiles: [profile(), profile()] }),
  shaped('with more ends than fit', 'TOO_LARGE', { profiles: [profile({ devices: 17, outcomes: codes })] }),
  shaped('with more devices than ends', 'BAD_STATEMENT', { profiles: [profile({ devices: 3 })] }),
  shaped('with an end of its own', 'MALFORMED', { profiles: [profile({ outcomes: [{ code: 'FINE', count: 2 }] })] }),
  refused('a trial record with an end of nobody', 'MALFORMED', () =>
    readTrial(
      rawOutcomes(
        [
          ['OK', 2],
          ['VETO', 0],
        ],
        2,
      ),
    ),
  ),
  refused('a trial record with an end twice', 'MALFORMED', () =>
    readTrial(
      rawOutcomes(
        [
          ['OK', 1],
          ['OK', 1],
        ],
        2,
      ),
    ),
  ),
  contract('a product that demands a trial of nobody', 'BAD_STATEMENT', async (world) => {
    const object = objectDigest(sha256, 'product', TRIED_CLASS);
    const args = productArgs({ ...TRIED, requireTrial: { devices: 0, successPercent: 0 } });
    return () => act(world, world.people.alice!, 'product', object, args);
  }),
];

const put = (world: World, subject: Subject, serial: number, named = subject) => {
  const args = passportArgs({ subject, serial, digest: sha256(utf8('document')) });
  return act(world, world.people.bob!, 'passport', objectDigest(sha256, 'passport', subjectId(named)), args);
};

function passport(how: string, code: Code, attempt: (world: World, own: Subject) => Promise<unknown>): Variant {
  return contract(`a passport ${how}`, code, async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const own: Subject = { kind: 'device', id: device.id };
    await put(world, own, 1);
    return () => attempt(world, own);
  });
}

const NOBODY: Subject = { kind: 'device', id: sha256(utf8('nobody')).slice(0, 16) };

export const passportRows: Variant[] = [
  passport("under another's name", 'BAD_STATEMENT', (world, own) => put(world, { kind: 'product', id: CLASS }, 1, own)),
  passport('that was in force before', 'BAD_COUNTER', (world, own) => put(world, own, 1)),
  passport('before the first', 'MALFORMED', (world, own) => put(world, own, 0)),
  passport('of a device that nobody enrolled', 'NOT_FOUND', (world) => put(world, NOBODY, 1)),
  passport('of a class that nobody registered', 'NOT_FOUND', (world) => put(world, { ...NOBODY, kind: 'product' }, 1)),
  contract('a passport of a device that is revoked', 'REVOKED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const args = revokeArgs('device', device.id, 'stolen');
    await act(world, world.people.bob!, 'revoke', objectDigest(sha256, 'device', device.id), args);
    return () => put(world, { kind: 'device', id: device.id }, 1);
  }),
];
