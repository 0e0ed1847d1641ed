/** Arguments of each contract action: the fifth element of a transaction, and which object it acts upon. */
import { demand, Refusal } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  asInt,
  asText,
  asUint,
  type Cohort,
  compare,
  coseKey,
  EVERYONE,
  encode,
  ID_BYTES,
  type PublicKey,
  readCoseKey,
  type Sha256,
  type Value,
} from '@countersign/device-sdk/format';
import { readName } from './read-name.ts';

/** Devices in one enrolment: 60 bytes each, inside the entry limit. */
export const ENROL_DEVICES_MAX = 500;
export const PERSON_ROLES = ['engineer', 'approver', 'operator', 'auditor', 'tester'] as const;
export type PersonRole = (typeof PERSON_ROLES)[number];

/** The 32 bytes that name an object in a transaction. Releases are named by their leaf hash instead. */
export function objectDigest(
  sha256: Sha256,
  kind: 'person' | 'devices' | 'device' | 'product' | 'rollout' | 'trial' | 'passport' | 'identity' | 'grant',
  id: Uint8Array,
): Uint8Array {
  return sha256(encode([kind, id]));
}

/** Products of one person: whoever works on more works on all. */
export const PERSON_PRODUCTS_MAX = 32;

export interface EnrolPerson {
  name: string;
  roles: PersonRole[];
  key: PublicKey;
  /** Class ids for which the person has these roles; undefined for all products, and for what is about none. */
  products?: readonly Uint8Array[] | undefined;
}

/** In ascending order whatever was given, so that one list has one encoding. */
export function enrolPersonArgs({ name, roles, key, products }: EnrolPerson): Value {
  const four = ['person', name, [...roles], coseKey(key)];
  return products ? [...four, [...products].sort(compare)] : four;
}

/** The next key of somebody who stands on the record already. */
export interface Rekey {
  name: string;
  key: PublicKey;
}

export function rekeyArgs({ name, key }: Rekey): Value {
  return ['rekey', name, coseKey(key)];
}

export interface EnrolDevices {
  classId: Uint8Array;
  devices: { id: Uint8Array; key: PublicKey }[];
}

export function enrolDevicesArgs(e: EnrolDevices): Value {
  return ['devices', e.classId, e.devices.map(({ id, key }): Value => [id, coseKey(key)])];
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readEnrol(
  args: Value,
): ({ kind: 'person' } & EnrolPerson) | ({ kind: 'rekey' } & Rekey) | ({ kind: 'devices' } & EnrolDevices) {
  const items = asArray(args, 'enrol');
  if (items[0] === 'rekey') {
    const [, name, key] = asArray(args, 'enrol rekey', 3);
    return { kind: 'rekey', name: readName(name), key: readCoseKey(key!) };
  }
  if (items[0] === 'person') {
    const [, name, roles, key, products] = asArray(args, 'enrol person', items.length === 5 ? 5 : 4);
    return {
      kind: 'person',
      name: readName(name),
      roles: asArray(roles, 'roles').map(readPersonRole),
      key: readCoseKey(key!),
      ...(items.length === 5 && { products: readPersonProducts(products) }),
    };
  }
  demand(items[0] === 'devices', 'MALFORMED', 'enrol is for a person or for devices');
  const [, classId, list] = asArray(args, 'enrol devices', 3);
  const devices = asArray(list, 'devices');
  demand(
    devices.length >= 1 && devices.length <= ENROL_DEVICES_MAX,
    'TOO_LARGE',
    `${devices.length} devices in one enrolment`,
  );
  return {
    kind: 'devices',
    classId: asBytes(classId, 'class id', 16),
    devices: devices.map((item) => {
      const [id, key] = asArray(item, 'device', 2);
      return { id: asBytes(id, 'device id', ID_BYTES), key: readCoseKey(key!) };
    }),
  };
}

function readPersonProducts(value: Value | undefined): Uint8Array[] {
  const ids = asArray(value, 'products of a person').map((id) => asBytes(id, 'class id', 16));
  demand(ids.length >= 1 && ids.length <= PERSON_PRODUCTS_MAX, 'MALFORMED', `a person of ${ids.length} products`);
  const ascending = ids.every((id, i) => i === 0 || compare(ids[i - 1]!, id) < 0);
  demand(ascending, 'MALFORMED', 'products of a person are not in ascending order, each once');
  return ids;
}

function readPersonRole(value: Value): PersonRole {
  const role = PERSON_ROLES.find((known) => known === value);
  demand(role, 'MALFORMED', `${String(value)} is not a role`);
  return role;
}

export type Revocable = 'person' | 'device' | 'grant';

/** Revokes a device, a person or a grant. */
export function revokeArgs(kind: Revocable, id: Uint8Array, reason: string): Value {
  return [kind, id, reason];
}

export function readRevoke(args: Value): { kind: Revocable; id: Uint8Array; reason: string } {
  const [kind, id, reason] = asArray(args, 'revoke', 3);
  const known = kind === 'person' || kind === 'device' || kind === 'grant';
  demand(known, 'MALFORMED', 'revoke is for a person, a device or a grant');
  return { kind, id: asBytes(id, 'id'), reason: asText(reason, 'reason', 128) };
}

export {
  APPROVALS_MAX,
  type ComponentSlotSize,
  type OneSlotFlashSizes,
  PAGE_BYTES_MIN,
  type Product,
  productArgs,
  type RequireTrial,
  readProduct,
  TRIAL_DEVICES_MAX,
} from './product-args.ts';

/** The patch file set of an upload; version, policy and sizes are derived from the manifest. */
export interface Upload {
  block1: Uint8Array;
  manifest: Uint8Array;
  fileName: string;
  /** CIDv1 (raw, sha2-256) of the image. */
  contentId: string;
}

export function uploadArgs(u: Upload): Value {
  return [u.block1, u.manifest, u.fileName, u.contentId];
}

export function readUpload(args: Value): Upload {
  const [block1, manifest, fileName, contentId] = asArray(args, 'upload', 4);
  return {
    block1: asBytes(block1, 'block 1'),
    manifest: asBytes(manifest, 'manifest'),
    fileName: asText(fileName, 'file name', 128),
    contentId: asText(contentId, 'content id', 128),
  };
}

/** approve and confirm say everything by their object. */
export function noArgs(): Value {
  return [];
}

export function readNoArgs(args: Value): void {
  if (args !== null) asArray(args, 'arguments', 0);
}

export function rejectArgs(reason: string): Value {
  return [reason];
}

export function readRejection(args: Value): string {
  const [reason] = asArray(args, 'reject', 1);
  return asText(reason, 'reason', 128);
}

/** One wave of a plan: who is in, and what ends or stops it. Percentages are whole numbers. */
export interface Wave {
  cohorts: Cohort[];
  /** Pause when more than this share of the wave's finished devices failed. */
  failurePercentMax: number;
  /** Advance when at least this share of the wave's devices has reported. */
  reportedPercentMin: number;
  /** Devices in the wave when the plan was made (the denominator). */
  devices: number;
}

/** The whole plan that a person signs when he opens a rollout. */
export interface Plan {
  rolloutId: Uint8Array;
  releaseLeaf: Uint8Array;
  waves: Wave[];
  /** Seconds since the epoch, inclusive; end null for none. */
  window?: { start: number; end: number | null };
  jitterSeconds: number;
  attemptsMax: number;
}

export const WAVES_MAX = 16;

export type RolloutAction =
  | { op: 'open'; plan: Plan }
  | { op: 'pause' | 'resume' | 'abort' | 'advance'; rolloutId: Uint8Array; reason: string };

export function rolloutArgs(action: RolloutAction): Value {
  if (action.op !== 'open') return [action.op, action.rolloutId, action.reason];
  const { plan } = action;
  const waves = plan.waves.map(
    (wave): Value => [wave.cohorts.map(cohortValue), wave.failurePercentMax, wave.reportedPercentMin, wave.devices],
  );
  const window = plan.window ? [plan.window.start, plan.window.end] : null;
  return ['open', plan.rolloutId, plan.releaseLeaf, waves, window, [plan.jitterSeconds, plan.attemptsMax]];
}

function cohortValue(cohort: Cohort): Value {
  return 'root' in cohort ? [1, cohort.root] : [0, cohort.threshold];
}

export function readRolloutArgs(args: Value): RolloutAction {
  const op = asText(asArray(args, 'rollout')[0], 'operation', 8);
  if (op !== 'open') {
    demand(op === 'pause' || op === 'resume' || op === 'abort' || op === 'advance', 'MALFORMED', `rollout ${op}`);
    const [, rolloutId, reason] = asArray(args, 'rollout', 3);
    return { op, rolloutId: asBytes(rolloutId, 'rollout id', ID_BYTES), reason: asText(reason, 'reason', 128) };
  }
  const [, rolloutId, releaseLeaf, waves, window, policy] = asArray(args, 'rollout open', 6);
  const [jitter, attempts] = asArray(policy, 'policy', 2);
  const list = asArray(waves, 'waves');
  demand(list.length >= 1 && list.length <= WAVES_MAX, 'MALFORMED', `${list.length} waves`);
  const plan: Plan = {
    rolloutId: asBytes(rolloutId, 'rollout id', ID_BYTES),
    releaseLeaf: asBytes(releaseLeaf, 'release leaf', 32),
    waves: list.map(readWave),
    jitterSeconds: asUint(jitter, 'jitter', 86_400),
    attemptsMax: asUint(attempts, 'attempts', 255),
  };
  if (window !== null) {
    const [start, end] = asArray(window, 'window', 2);
    plan.window = { start: asUint(start, 'start'), end: end === null ? null : asUint(end, 'end') };
  }
  return { op, plan };
}

function readWave(value: Value): Wave {
  const [cohorts, failure, reported, devices] = asArray(value, 'wave', 4);
  return {
    cohorts: asArray(cohorts, 'cohorts').map(readCohort),
    failurePercentMax: asUint(failure, 'failure percent', 100),
    reportedPercentMin: asUint(reported, 'reported percent', 100),
    devices: asUint(devices, 'devices'),
  };
}

function readCohort(value: Value): Cohort {
  const [kind, argument] = asArray(value, 'cohort', 2);
  if (asInt(kind, 'cohort kind') === 0) return { threshold: asUint(argument, 'threshold', EVERYONE) };
  if (kind === 1) return { root: asBytes(argument, 'cohort root', 32) };
  throw new Refusal('UNSUPPORTED', `cohort kind ${String(kind)}`);
}

/** A download on the record: who took which content of a release. */
export function downloadArgs(contentId: string, by: string): Value {
  return [contentId, by];
}

export function readDownload(args: Value): { contentId: string; by: string } {
  const [contentId, by] = asArray(args, 'download', 2);
  return { contentId: asText(contentId, 'content id', 128), by: asText(by, 'by', 64) };
}
