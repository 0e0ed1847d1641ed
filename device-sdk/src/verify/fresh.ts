/** Freshness: by the clock where there is one, else by a signed answer to a nonce. A stale head only stops new installs. */
import { demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { readFresh } from '../format/messages.ts';
import type { TrustRoot } from '../format/root.ts';
import type { Verifier } from '../ports.ts';
import { verifyStatement } from './signed.ts';
import type { DeviceFacts, FreshAnswer, Proven } from './types.ts';

/**
 * A clock that is behind the head by more than the maximum age is no clock: it is wrong, or the log's own once ran ahead
 * and its heads, which never go back, would pass for fresh until the true time has caught up. Whichever it is, the nonce
 * decides then, as without a clock; so nothing is locked out, and a head looks fresh for twice the maximum age at most.
 */
export function hasClock({ headAgeMax }: TrustRoot, { head }: Proven, now: number | undefined): now is number {
  return now !== undefined && head.time - now <= headAgeMax;
}

/** @throws Refusal FREEZE; and the codes of the statement's checks */
export function checkFreshness(
  verifier: Verifier,
  root: TrustRoot,
  p: Proven,
  { now, offline }: DeviceFacts,
  fresh?: FreshAnswer,
): void {
  if (hasClock(root, p, now)) {
    // One from the near future passes: clocks differ.
    const age = now - p.head.time;
    demand(age <= root.headAgeMax, 'FREEZE', `the head is ${age} s old, at most ${root.headAgeMax} s are allowed`);
    return;
  }
  // Its owner has said that nobody may be there to answer; whoever does answer is held to it.
  if (offline && !fresh) return;
  demand(fresh, 'FREEZE', 'no clock, and no answer to the freshness request');
  const statement = verifyStatement(verifier, root, fresh.statement, 'fresh', 'command');
  const answer = readFresh(statement.payload);
  demand(equal(answer.nonce, fresh.nonce), 'FREEZE', 'the freshness answer is for another nonce');
  demand(equal(answer.headDigest, p.headDigest), 'FREEZE', 'the freshness answer names another head');
}
