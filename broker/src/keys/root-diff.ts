/** What changes from one trust root to the next, in lines that a person reads before he signs. */
import {
  equal,
  hex,
  implicitKeysOf,
  implicitThumbprint,
  KID_BYTES,
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

/** Centres and the keys that they issued, each by its kid. */
function implicitDifference(sha256: Sha256, before: TrustRoot, after: TrustRoot): string[] {
  const lines: string[] = [];
  const [old, next] = [implicitLines(sha256, before), implicitLines(sha256, after)];
  const places = new Map(before.revocations.map((item) => [hex(item.thumbprint), item.logSize]));
  for (const [print, text] of next) if (!old.has(print)) lines.push(`+ ${text}`);
  for (const [print, text] of old) if (!next.has(print)) lines.push(`- ${text}`);
  for (const { thumbprint: print, logSize } of after.revocations) {
    const text = next.get(hex(print));
    if (text !== undefined && places.get(hex(print)) !== logSize)
      lines.push(`x ${text} revoked: its work counts before leaf ${logSize} alone`);
  }
  const kept = new Set(after.revocations.map((item) => hex(item.thumbprint)));
  for (const print of places.keys())
    if (next.has(print) && !kept.has(print)) lines.push(`! ${next.get(print)} is revoked no more`);
  return lines;
}

function implicitLines(sha256: Sha256, root: TrustRoot): Map<string, string> {
  const { centres, keys } = implicitKeysOf(sha256, root);
  const named: [print: Uint8Array, text: string][] = [
    ...centres.map((centre): [Uint8Array, string] => [thumbprint(sha256, centre), 'key generation centre']),
    ...keys.map((key): [Uint8Array, string] => [
      implicitThumbprint(sha256, key),
      `${key.role} ${key.name}, epoch ${key.epoch},`,
    ]),
  ];
  return new Map(named.map(([print, text]) => [hex(print), `${text} ${hex(print.slice(0, KID_BYTES))}`]));
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
