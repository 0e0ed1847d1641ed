/**
 * The trust root: which keys may do what, with which thresholds. A document [bstr payload, [COSE_Sign1 with detached
 * payload …]] in versions without gaps; version N+1 is accepted on the thresholds of N and of N+1 alone.
 */
import { demand } from '../errors.ts';
import { compare, equal, hex } from './bytes.ts';
import { type CborMap, decode, encode, type Value } from './cbor.ts';
import { coseKey, KID_BYTES, kidOf, type PublicKey, readCoseKey, thumbprint } from './cose.ts';
import { CLASS_BYTES } from './index-entry.ts';
import { HASH_BYTES, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asExactMap, asInt, asText, asUint, optional, sameBytes } from './shape.ts';
import { readStatement, type Statement } from './statement.ts';

/** Server roles, each with keys of its own; one key, one role. */
export const ROLES = ['collection', 'distribution', 'command', 'log', 'orderer', 'service', 'peer', 'root'] as const;
export type Role = (typeof ROLES)[number];

/** A device keeps the whole current root; 4 KB hold more than 60 keys. */
export const ROOT_BYTES_MAX = 4096;
export const KEYS_PER_ROLE_MAX = 16;
export const ROOT_SIGNATURES_MAX = 16;
export const REVOCATIONS_MAX = 64;

/** Keys of a role: how many must sign, which keys, and thumbprints of implicit (identity, point) keys. */
export interface RoleKeys {
  threshold: number;
  keys: PublicKey[];
  implicit: Uint8Array[];
}

export interface Revocation {
  /** RFC 9679 thumbprint of the key; of an implicit one the hash of its certificate. */
  thumbprint: Uint8Array;
  /** Leaves before this log size stay valid. */
  logSize: number;
}

export interface TrustRoot {
  version: number;
  origin: string;
  roles: Record<Role, RoleKeys>;
  /** Accepted COSE algorithms. */
  algorithms: number[];
  /** A device with a clock starts no install under a head older than this. Seconds. */
  headAgeMax: number;
  /** A head to restart from after a lost ledger. */
  restart?: { size: number; root: Uint8Array; indexRoot: Uint8Array };
  /** Lowest sequence that may be installed, by class. */
  floors: { classId: Uint8Array; floor: number }[];
  revocations: Revocation[];
  /** What the thumbprints of implicit keys stand for, as implicit.ts reads it: a verifier's part, not everybody's. */
  implicit?: Value;
}

export interface SignedRoot {
  root: TrustRoot;
  payload: Uint8Array;
  signatures: Statement[];
  bytes: Uint8Array;
}

export function encodeRoot(r: TrustRoot): Uint8Array {
  const roles: CborMap = new Map(ROLES.map((role) => [role, roleValue(r.roles[role])]));
  return encode([
    r.version,
    r.origin,
    roles,
    [...r.algorithms],
    r.headAgeMax,
    r.restart ? [r.restart.size, r.restart.root, r.restart.indexRoot] : null,
    r.floors.map(({ classId, floor }): Value => [classId, floor]),
    r.revocations.map((item): Value => [item.thumbprint, item.logSize]),
    ...(r.implicit === undefined ? [] : [r.implicit]),
  ]);
}

function roleValue(role: RoleKeys): Value {
  return [role.threshold, role.keys.map(coseKey), [...role.implicit]];
}

export function encodeSignedRoot(payload: Uint8Array, signatures: readonly Uint8Array[]): Uint8Array {
  return encode([payload, signatures.map((bytes) => bytes)]);
}

/** Reads shape and inner consistency; signatures are checked by verify. @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT */
export function readSignedRoot(sha256: Sha256, bytes: Uint8Array): SignedRoot {
  demand(bytes.length <= ROOT_BYTES_MAX, 'TOO_LARGE', `the trust root has ${bytes.length} bytes`);
  const [payloadValue, signatureValues] = asArray(decode(bytes), 'trust root', 2);
  const payload = asBytes(payloadValue, 'trust root payload');
  const signatures = asArray(signatureValues, 'trust root signatures');
  const count = signatures.length;
  demand(count >= 1 && count <= ROOT_SIGNATURES_MAX, 'BAD_ROOT', `the trust root has ${count} signatures`);
  const root = readRootPayload(sha256, payload);
  return {
    root,
    payload,
    signatures: signatures.map((item) => readStatement(asBytes(item, 'root signature'), 'root', payload)),
    bytes,
  };
}

/** What is signed, before anybody has: for those who are to sign it. @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT */
export function readRootPayload(sha256: Sha256, payload: Uint8Array): TrustRoot {
  const items = asArray(decode(payload), 'trust root payload');
  demand(items.length === 8 || items.length === 9, 'MALFORMED', `a trust root of ${items.length} fields`);
  const roles = asExactMap(items[2], 'roles', ROLES);
  const root: TrustRoot = {
    version: asUint(items[0], 'trust root version'),
    origin: asText(items[1], 'origin'),
    roles: Object.fromEntries(ROLES.map((role) => [role, readRole(roles.get(role)!, role)])) as Record<Role, RoleKeys>,
    algorithms: asArray(items[3], 'algorithms').map((alg) => asInt(alg, 'algorithm')),
    headAgeMax: asUint(items[4], 'maximum head age'),
    restart: optional(items[5], readRestart),
    floors: asArray(items[6], 'floors').map(readFloor),
    revocations: asArray(items[7], 'revocations').map(readRevocation),
    ...(items.length === 9 && { implicit: items[8]! }),
  };
  demand(root.version >= 1, 'BAD_ROOT', 'trust roots are numbered from 1');
  demandDistinct(
    root.floors.map((item) => item.classId),
    'two floors for one class',
  );
  demandDistinct(
    root.revocations.map((item) => item.thumbprint),
    'two revocations of one key',
  );
  demand(root.revocations.length <= REVOCATIONS_MAX, 'TOO_LARGE', `${root.revocations.length} revocations`);
  sameBytes(encodeRoot(root), payload, 'trust root');
  checkKeysDistinct(sha256, root);
  return root;
}

function readRole(value: Value, role: string): RoleKeys {
  const [threshold, keys, implicit] = asArray(value, role, 3);
  const read = {
    threshold: asUint(threshold, `${role} threshold`, KEYS_PER_ROLE_MAX),
    keys: asArray(keys, `${role} keys`).map(readCoseKey),
    implicit: asArray(implicit, `${role} implicit keys`).map((item) => asBytes(item, 'thumbprint', HASH_BYTES)),
  };
  const count = read.keys.length + read.implicit.length;
  demand(
    count <= KEYS_PER_ROLE_MAX && read.threshold <= count,
    'BAD_ROOT',
    `${role}: ${read.threshold} of ${count} keys`,
  );
  demand(read.threshold >= 1 || role === 'peer', 'BAD_ROOT', `${role}: a threshold of zero`);
  return read;
}

function readRestart(value: Value): { size: number; root: Uint8Array; indexRoot: Uint8Array } {
  const [size, root, indexRoot] = asArray(value, 'restart head', 3);
  return {
    size: asUint(size, 'size'),
    root: asBytes(root, 'root', HASH_BYTES),
    indexRoot: asBytes(indexRoot, 'index root', HASH_BYTES),
  };
}

function readFloor(value: Value): { classId: Uint8Array; floor: number } {
  const [classId, floor] = asArray(value, 'floor', 2);
  return { classId: asBytes(classId, 'class id', CLASS_BYTES), floor: asUint(floor, 'floor') };
}

function readRevocation(value: Value): Revocation {
  const [print, logSize] = asArray(value, 'revocation', 2);
  return { thumbprint: asBytes(print, 'thumbprint', HASH_BYTES), logSize: asUint(logSize, 'log size') };
}

/** One key, one role; and two keys with one kid would make the kid ambiguous. */
function checkKeysDistinct(sha256: Sha256, root: TrustRoot): void {
  const kids = ROLES.flatMap((role) => {
    const { keys, implicit } = root.roles[role];
    return [...keys.map((key) => kidOf(sha256, key)), ...implicit.map((print) => print.slice(0, KID_BYTES))];
  });
  demandDistinct(kids, 'one key stands twice in the trust root');
}

/** Of two entries for one thing a reader would obey the first and another the last. */
function demandDistinct(names: Uint8Array[], text: string): void {
  demand(new Set(names.map(hex)).size === names.length, 'BAD_ROOT', text);
}

/** The explicit key of `role` that carries this kid, revoked or not: see {@link revokedFrom}. */
export function findKey(sha256: Sha256, root: TrustRoot, role: Role, kid: Uint8Array): PublicKey | undefined {
  return root.roles[role].keys.find((key) => equal(kidOf(sha256, key), kid));
}

/** The log size from which a key's work is void, or undefined where it is not revoked. */
export function revokedFrom(sha256: Sha256, root: TrustRoot, key: PublicKey): number | undefined {
  const print = thumbprint(sha256, key);
  return root.revocations.find((item) => equal(item.thumbprint, print))?.logSize;
}

export function floorOf(root: TrustRoot, classId: Uint8Array): number {
  return root.floors.find((item) => compare(item.classId, classId) === 0)?.floor ?? 0;
}
