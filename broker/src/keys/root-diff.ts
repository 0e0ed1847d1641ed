/** What changes from one trust root to the next, in lines that a person reads before he signs. */
import {
  encode,
  equal,
  hex,
  kidOf,
  type PublicKey,
  ROLES,
  type Role,
  revokedFrom,
  type Sha256,
  type TrustRoot,
  thumbprint,
} from '@countersign/device-sdk/format';

/** One line per change, in the order of the roles; empty where nothing but the version differs. */
export function rootDifference(sha256: Sha256, before: TrustRoot, after: TrustRoot): string[] {
  return [
    ...ROLES.flatMap((role) => roleDifference(sha256, role, before, after)),
    ...(before.headAgeMax === after.headAgeMax
      ? []
      : [`heads are valid for ${after.headAgeMax} s, were ${before.headAgeMax} s`]),
    ...implicitDifference(sha256, before, after),
    ...floorDifference(before, after),
    ...restartDifference(before, after),
  ];
}

function roleDifference(sha256: Sha256, role: Role, before: TrustRoot, after: TrustRoot): string[] {
  const [old, next] = [before.roles[role], after.roles[role]];
  const kid = (key: PublicKey) => hex(kidOf(sha256, key));
  const has = (list: readonly PublicKey[], key: PublicKey) => list.some((item) => equal(item.bytes, key.bytes));
  const lines = next.keys.filter((key) => !has(old.keys, key)).map((key) => `+ ${role} ${kid(key)}`);
  for (const key of old.keys) {
    if (!has(next.keys, key)) lines.push(`- ${role} ${kid(key)}, with all its work`);
    const [was, is] = [revokedFrom(sha256, before, key), revokedFrom(sha256, after, key)];
    if (has(next.keys, key) && was !== is) {
      lines.push(
        is === undefined
          ? `! ${role} ${kid(key)} is revoked no more`
          : `x ${role} ${kid(key)} revoked: its work counts before leaf ${is} alone`,
      );
    }
  }
  if (old.threshold !== next.threshold) lines.push(`~ ${role}: ${next.threshold} must sign, were ${old.threshold}`);
  return lines;
}

/** Implicit keys stand on no list: their thumbprints are all that can be shown of them here. */
function implicitDifference(sha256: Sha256, before: TrustRoot, after: TrustRoot): string[] {
  const listed = ROLES.flatMap((role) => after.roles[role].keys).map((key) => hex(thumbprint(sha256, key)));
  const places = new Map(before.revocations.map((item) => [hex(item.thumbprint), item.logSize]));
  const revoked = after.revocations
    .map(({ thumbprint: print, logSize }) => ({ print: hex(print), logSize }))
    .filter(({ print, logSize }) => !listed.includes(print) && places.get(print) !== logSize)
    .map(
      ({ print, logSize }) => `x implicit ${print.slice(0, 16)} revoked: its work counts before leaf ${logSize} alone`,
    );
  const value = ({ implicit }: TrustRoot) => (implicit === undefined ? '' : hex(encode(implicit)));
  return value(before) === value(after) ? revoked : [...revoked, '~ the list of key generation centres and their keys'];
}

function floorDifference(before: TrustRoot, after: TrustRoot): string[] {
  const floors = new Map(before.floors.map(({ classId, floor }) => [hex(classId), floor]));
  const lines = after.floors
    .filter(({ classId, floor }) => floors.get(hex(classId)) !== floor)
    .map(({ classId, floor }) => `~ class ${hex(classId)}: nothing below sequence ${floor} is installed`);
  for (const { classId } of after.floors) floors.delete(hex(classId));
  return [...lines, ...[...floors.keys()].map((classId) => `~ class ${classId}: no floor any more`)];
}

function restartDifference({ restart: before }: TrustRoot, { restart: after }: TrustRoot): string[] {
  if (!after) return before ? ['~ no restart head any more'] : [];
  if (before && before.size === after.size && equal(before.root, after.root)) return [];
  return [`! devices begin again from a head of ${after.size} entries, root ${hex(after.root)}`];
}
