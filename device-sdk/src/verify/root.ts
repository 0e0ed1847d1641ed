/** Trust roots: the first one a device is born with, and each next one on the thresholds of both. */
import { demand, Refusal } from '../errors.ts';
import { equal, hex } from '../format/bytes.ts';
import { kidOf, type PublicKey } from '../format/cose.ts';
import type { Head } from '../format/head.ts';
import { ROLES, type Role, readSignedRoot, revokedFrom, type SignedRoot, type TrustRoot } from '../format/root.ts';
import { checkStatement } from '../format/statement.ts';
import type { Verifier } from '../ports.ts';

/**
 * Reads a root that signs itself: the factory's, or one given from outside to an auditor.
 * @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT, BAD_KEY
 */
export function openRoot(verifier: Verifier, bytes: Uint8Array): SignedRoot {
  const signed = readSignedRoot(verifier.sha256, bytes);
  checkKeys(verifier, signed.root);
  checkThreshold(verifier, signed, signed.root);
  return signed;
}

/**
 * Accepts version N+1 on the thresholds of N and of N+1, strictly in order. Nothing is stored here: a root that fails
 * any check leaves no trace, so a half-done rotation cannot stick.
 * @throws Refusal MALFORMED, TOO_LARGE, BAD_ROOT, BAD_KEY
 */
export function nextRoot(verifier: Verifier, current: TrustRoot, bytes: Uint8Array): SignedRoot {
  const next = readSignedRoot(verifier.sha256, bytes);
  const { version, origin } = next.root;
  demand(version === current.version + 1, 'BAD_ROOT', `expected trust root ${current.version + 1}, got ${version}`);
  demand(origin === current.origin, 'BAD_ROOT', `trust root of ${origin}, expected ${current.origin}`);
  checkKeys(verifier, next.root);
  checkThreshold(verifier, next, current);
  checkThreshold(verifier, next, next.root);
  return next;
}

/**
 * The head from which a device goes on under `next`, where that root restarts the log: after a lost ledger, or after a
 * thief of the log key signed a head that no honest one can follow. A restart counts once: a later root that still
 * carries it must not throw devices back.
 */
export function restartHead(current: TrustRoot, next: TrustRoot): Head | undefined {
  const { restart, origin, version } = next;
  const before = current.restart;
  if (!restart) return undefined;
  if (before && before.size === restart.size && equal(before.root, restart.root)) return undefined;
  return { ...restart, origin, time: 0, rootVersion: version };
}

/**
 * Whether a command key that counts under `current` no longer does under `next`: then numbers of commands begin anew. A thief of
 * that key may have used the highest number that there is, and no later command would ever be heard.
 */
export function commandsBeginAnew({ sha256 }: Verifier, current: TrustRoot, next: TrustRoot): boolean {
  const [before, after] = [current, next].map((root) =>
    root.roles.command.keys
      .filter((key) => revokedFrom(sha256, root, key) === undefined)
      .map(({ bytes }) => hex(bytes)),
  );
  return before!.some((key) => !after!.includes(key));
}

/** Key checks are expensive and happen once, here, where keys enter. */
function checkKeys(verifier: Verifier, root: TrustRoot): void {
  const known = root.implicit === undefined || verifier.implicit;
  demand(known, 'UNSUPPORTED', 'the trust root has implicit keys, which this build does not know');
  for (const role of ROLES) for (const key of keysOf(verifier, root, role)) verifier.checkKey(key.alg, key.bytes);
}

function checkThreshold(verifier: Verifier, signed: SignedRoot, by: TrustRoot): void {
  const { threshold, keys } = by.roles.root;
  // Distinct keys are counted, not signatures: one key that signs twice counts once, and a revoked one never.
  const accepted = keys.filter((key) => revokedFrom(verifier.sha256, by, key) === undefined);
  const signers = accepted.filter((key) => signed.signatures.some((statement) => isSignedBy(statement, key)));
  demand(signers.length >= threshold, 'BAD_ROOT', `${signers.length} of ${threshold} root keys signed`);

  function isSignedBy(statement: SignedRoot['signatures'][number], key: PublicKey): boolean {
    if (!equal(statement.kid, kidOf(verifier.sha256, key))) return false;
    try {
      checkStatement(verifier, statement, key);
      return true;
    } catch (error) {
      if (error instanceof Refusal) return false;
      throw error;
    }
  }
}

/**
 * The key a slot demands: accepted for `role` in the root, of an accepted algorithm, and not revoked.
 * @param logSize where the work stands in the log; undefined where its place is unknown, so any revocation voids it
 * @throws Refusal UNKNOWN_KEY, WRONG_ROLE, REVOKED, UNSUPPORTED
 */
export function keyFor(verifier: Keyed, root: TrustRoot, role: Role, kid: Uint8Array, logSize?: number): PublicKey {
  const { sha256 } = verifier;
  const key = listedKey(verifier, root, role, kid);
  if (!key) throw unknownKey(verifier, root, role, kid);
  demand(root.algorithms.includes(key.alg), 'UNSUPPORTED', `algorithm ${key.alg} is not accepted by the trust root`);
  const voidFrom = revokedFrom(sha256, root, key);
  const valid = voidFrom === undefined || (logSize !== undefined && logSize < voidFrom);
  demand(valid, 'REVOKED', `${role} key ${hex(kid)} is revoked from log size ${voidFrom}`);
  return key;
}

/** What a lookup of keys needs of a verifier. */
type Keyed = Pick<Verifier, 'sha256' | 'implicit'>;

/** The key of `role` with this kid, implicit or not, revoked or not. @throws Refusal BAD_ROOT for implicit keys that are none */
export function listedKey(verifier: Keyed, root: TrustRoot, role: Role, kid: Uint8Array): PublicKey | undefined {
  return keysOf(verifier, root, role).find((key) => equal(kidOf(verifier.sha256, key), kid));
}

/** Every key of a role, the implicit ones in the form that a verifier takes. @throws Refusal BAD_ROOT, MALFORMED */
export function keysOf({ implicit }: Keyed, root: TrustRoot, role: Role): readonly PublicKey[] {
  const { keys } = root.roles[role];
  return implicit && root.implicit !== undefined ? [...keys, ...implicit.keysOf(root, role)] : keys;
}

function unknownKey(verifier: Keyed, root: TrustRoot, role: Role, kid: Uint8Array): Refusal {
  const other = (Object.keys(root.roles) as Role[]).find(
    (name) => name !== role && listedKey(verifier, root, name, kid),
  );
  if (other) return new Refusal('WRONG_ROLE', `key ${hex(kid)} is a ${other} key, a ${role} key is demanded`);
  return new Refusal('UNKNOWN_KEY', `no ${role} key ${hex(kid)} in trust root ${root.version}`);
}
