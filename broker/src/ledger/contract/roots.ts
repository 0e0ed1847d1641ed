/**
 * The next trust root, logged as the signed document itself. Nobody's permission is asked beside the thresholds of both
 * versions: whoever submits it has no say in it. What devices would accept and nobody could live with is refused here.
 */
import { demand, type Verifier } from '@countersign/device-sdk';
import { equal, implicitKeysOf, kidOf, ROLES, revokedFrom, type TrustRoot } from '@countersign/device-sdk/format';
import { keysOf, nextRoot } from '@countersign/device-sdk/verify';
import { type Call, rootOf } from './call.ts';
import type { RootEntry } from './entry.ts';
import { rootName } from './genesis.ts';
import { read, toHex, write } from './state.ts';

/**
 * @throws Refusal DUPLICATE for the root in force; BAD_ROOT for any version but the next, too few signatures, a role that
 * nobody could fill, a revocation that is taken back; BAD_KEY; EXISTS for a key that is a person's or a device's
 */
export async function nextTrustRoot(call: Call, entry: RootEntry): Promise<void> {
  demand(!call.genesis, 'NOT_PERMITTED', 'block 0 has one trust root, its first entry');
  const current = await rootOf(call);
  const leaf = toHex(entry.leafHash);
  const stored = await read(call.stub, 'root', 'current');
  demand(stored?.leaf !== leaf, 'DUPLICATE', `trust root ${current.version} has been logged already`);
  const { root } = nextRoot(call.verifier, current, entry.bytes);
  checkRolesFilled(call.verifier, root);
  checkStillRevoked(call.verifier, current, root);
  await checkNobodyElses(call, current, root);
  const state = { version: root.version, bytes: toHex(entry.bytes), leaf };
  await write(call.stub, 'root', ['current'], state);
  await write(call.stub, 'root', ['version', rootName(root.version)], state);
}

/** Devices would accept it and then nothing any more: no head, no release, or no further root. */
function checkRolesFilled(verifier: Verifier, root: TrustRoot): void {
  const { sha256 } = verifier;
  for (const role of ROLES) {
    const { threshold } = root.roles[role];
    const keys = keysOf(verifier, root, role);
    const usable = keys.filter((key) => revokedFrom(sha256, root, key) === undefined).length;
    const text = `${role}: a threshold of ${threshold}, and ${usable} of ${keys.length} keys are not revoked`;
    demand(usable >= threshold, 'BAD_ROOT', text);
  }
}

/** A key that is still listed stays revoked, and from no later place on: a forgotten line must not let a thief in again. */
function checkStillRevoked(verifier: Verifier, current: TrustRoot, next: TrustRoot): void {
  const { sha256 } = verifier;
  const centres = implicitKeysOf(sha256, next).centres;
  for (const key of [...ROLES.flatMap((role) => keysOf(verifier, next, role)), ...centres]) {
    const before = revokedFrom(sha256, current, key);
    const now = revokedFrom(sha256, next, key);
    const kept = before === undefined || (now !== undefined && now <= before);
    demand(kept, 'BAD_ROOT', `the revocation of key ${toHex(kidOf(sha256, key))} from log size ${before} is missing`);
  }
}

/** One key, one role: a person's or a device's key becomes no server's. */
async function checkNobodyElses(call: Call, current: TrustRoot, next: TrustRoot): Promise<void> {
  const { sha256 } = call.verifier;
  for (const role of ROLES) {
    for (const key of next.roles[role].keys) {
      if (current.roles[role].keys.some((known) => equal(known.bytes, key.bytes))) continue;
      const kid = toHex(kidOf(sha256, key));
      demand(!(await read(call.stub, 'key', kid)), 'EXISTS', `key ${kid} is somebody's already`);
    }
  }
}
