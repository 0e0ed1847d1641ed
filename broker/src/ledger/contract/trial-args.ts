/** The record of a trial: what a release did to virtual devices of every profile in the field. */
import { CODES, demand } from '@countersign/device-sdk';
import {
  APPLICATION,
  asArray,
  asBytes,
  asText,
  asUint,
  COMPONENT_ID_CHARS_MAX,
  COMPONENTS_MAX,
  equal,
  HASH_BYTES,
  hex,
  type Value,
} from '@countersign/device-sdk/format';
import { TRIAL_DEVICES_MAX } from './product-args.ts';

/** Revisions times versions in the field; 64 of them with 16 codes each have 20 KB, a third of an entry. */
export const TRIAL_PROFILES_MAX = 64;
/** Ways in which the devices of one profile may end. */
export const TRIAL_CODES_MAX = 16;
/** Rates are parts in a million. */
const RATE_MAX = 1_000_000;
/** Versions of the record. Another one was made by rules that this build cannot compare. */
const VERSION = 1;

export interface TrialFaults {
  /** Share of messages that go wrong, in parts in a million. */
  lossPpm: number;
  /** Share of messages that a gateway alters or replays, in parts in a million. */
  liePpm: number;
  /** One power cut in so many operations on flash, on average; 0 for none. */
  powerCut: number;
}

export interface TrialOutcome {
  code: string;
  count: number;
}

/** Devices that have everything in common but chance. */
export interface TrialProfile {
  hardware: string;
  /** SHA-256 of the image they ran before, of the application; null for an image that no branch is from. */
  baseDigest: Uint8Array | null;
  devices: number;
  /** Devices by how they ended: OK on the new release, all of it, else the code of the reason. */
  outcomes: TrialOutcome[];
  /** Of a release of several components: how each of them ended, the application first. */
  components?: TrialComponent[];
}

export interface TrialComponent {
  /** `app`, or the name of a further component. */
  id: string;
  baseDigest: Uint8Array | null;
  /** Devices by how it ended there: OK where its image of the release runs, else why it does not. */
  outcomes: TrialOutcome[];
}

export interface TrialRecord {
  releaseLeaf: Uint8Array;
  /** Of the release's manifest. */
  sequence: number;
  seed: string;
  faults: TrialFaults;
  profiles: TrialProfile[];
  /** SHA-256 of the whole log; whoever runs the same trial again gets the same bytes. */
  logDigest: Uint8Array;
}

export function trialArgs({ releaseLeaf, sequence, seed, faults, profiles, logDigest }: TrialRecord): Value {
  const { lossPpm, liePpm, powerCut } = faults;
  const list = profiles.map(({ hardware, baseDigest, devices, outcomes, components }): Value => {
    const four: Value[] = [hardware, baseDigest, devices, outcomesValue(outcomes)];
    const each = components?.map((one): Value => [one.id, one.baseDigest, outcomesValue(one.outcomes)]);
    return each ? [...four, each] : four;
  });
  return [VERSION, releaseLeaf, sequence, seed, [lossPpm, liePpm, powerCut], list, logDigest];
}

function outcomesValue(outcomes: readonly TrialOutcome[]): Value {
  const sorted = [...outcomes].sort((a, b) => (a.code < b.code ? -1 : 1));
  return sorted.map(({ code, count }): Value => [code, count]);
}

/** @throws Refusal MALFORMED, UNSUPPORTED, TOO_LARGE; BAD_STATEMENT where its numbers contradict each other */
export function readTrial(args: Value): TrialRecord {
  const version = asArray(args, 'trial')[0];
  demand(version === VERSION, 'UNSUPPORTED', `a trial record of version ${String(version)}, this is ${VERSION}`);
  const [, releaseLeaf, sequence, seed, faults, list, logDigest] = asArray(args, 'trial', 7);
  const profiles = asArray(list, 'profiles');
  const some = profiles.length >= 1 && profiles.length <= TRIAL_PROFILES_MAX;
  demand(some, 'TOO_LARGE', `${profiles.length} profiles, 1 to ${TRIAL_PROFILES_MAX} fit a record`);
  const record = {
    releaseLeaf: asBytes(releaseLeaf, 'release leaf', HASH_BYTES),
    sequence: asUint(sequence, 'sequence'),
    seed: asText(seed, 'seed', 64),
    faults: readFaults(faults),
    profiles: profiles.map(readProfile),
    logDigest: asBytes(logDigest, 'log digest', HASH_BYTES),
  };
  demand(/^[\w.-]+$/.test(record.seed), 'MALFORMED', 'a seed is letters, digits, dots, dashes');
  const names = new Set(record.profiles.map(nameOf));
  demand(names.size === record.profiles.length, 'BAD_STATEMENT', 'a profile stands twice in the record');
  return record;
}

function readFaults(value: Value | undefined): TrialFaults {
  const [loss, lie, powerCut] = asArray(value, 'faults', 3);
  return {
    lossPpm: asUint(loss, 'loss', RATE_MAX),
    liePpm: asUint(lie, 'lies', RATE_MAX),
    powerCut: asUint(powerCut, 'power cut', 0xffffffff),
  };
}

function nameOf({ hardware, baseDigest, components = [] }: TrialProfile): string {
  const bases = [baseDigest, ...components.map((one) => one.baseDigest)];
  return [hardware, ...bases.map((base) => base && hex(base))].join(' ');
}

function readProfile(value: Value): TrialProfile {
  const items = asArray(value, 'profile', Array.isArray(value) && value.length === 5 ? 5 : 4);
  const [hardware, base, devices, list, each] = items;
  const count = asUint(devices, 'devices', TRIAL_DEVICES_MAX);
  const profile = {
    hardware: asText(hardware, 'hardware revision', 32),
    baseDigest: readBase(base),
    devices: count,
    outcomes: readOutcomes(list, count),
  };
  return items.length === 5 ? { ...profile, components: readComponents(each, profile) } : profile;
}

function readBase(value: Value | undefined): Uint8Array | null {
  return value === null ? null : asBytes(value, 'digest of the base', HASH_BYTES);
}

/** A device that ended on the release has every component of it: whoever counts otherwise contradicts himself. */
function readComponents(value: Value | undefined, profile: TrialProfile): TrialComponent[] {
  const items = asArray(value, 'components');
  demand(items.length > 1 && items.length <= COMPONENTS_MAX, 'MALFORMED', `${items.length} components`);
  const components = items.map((item): TrialComponent => {
    const [id, base, list] = asArray(item, 'component', 3);
    const name = asText(id, 'component id', COMPONENT_ID_CHARS_MAX);
    return { id: name, baseDigest: readBase(base), outcomes: readOutcomes(list, profile.devices) };
  });
  const [own] = components;
  const first = own!.id === APPLICATION && sameBase(own!.baseDigest, profile.baseDigest);
  demand(first, 'BAD_STATEMENT', 'the first component of a profile is the application with the base of the profile');
  const good = okOf(profile.outcomes);
  const fits = components.every(({ outcomes }) => okOf(outcomes) >= good);
  demand(fits, 'BAD_STATEMENT', `${good} devices ended on the release, and fewer with one of its components`);
  return components;
}

function sameBase(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}

function okOf(outcomes: readonly TrialOutcome[]): number {
  return outcomes.find(({ code }) => code === 'OK')?.count ?? 0;
}

function readOutcomes(value: Value | undefined, devices: number): TrialOutcome[] {
  const outcomes = asArray(value, 'outcomes').map(readOutcome);
  demand(outcomes.length <= TRIAL_CODES_MAX, 'TOO_LARGE', `${outcomes.length} outcomes of one profile`);
  const sorted = outcomes.every(({ code }, i) => i === 0 || outcomes[i - 1]!.code < code);
  demand(sorted, 'MALFORMED', 'outcomes stand in the order of their codes, each once');
  const ended = outcomes.reduce((sum, { count }) => sum + count, 0);
  demand(devices >= 1 && ended === devices, 'BAD_STATEMENT', `${ended} outcomes of ${devices} devices`);
  return outcomes;
}

const KNOWN = new Set<string>(['OK', ...CODES]);

function readOutcome(value: Value): TrialOutcome {
  const [name, count] = asArray(value, 'outcome', 2);
  const code = asText(name, 'code', 32);
  demand(KNOWN.has(code), 'MALFORMED', `${code} is not in the closed list`);
  const outcome = { code, count: asUint(count, 'devices with an outcome', TRIAL_DEVICES_MAX) };
  demand(outcome.count >= 1, 'MALFORMED', `nobody ended with ${code}`);
  return outcome;
}
