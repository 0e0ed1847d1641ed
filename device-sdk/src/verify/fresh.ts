/** Freshness: by the clock where there is one, else by a signed answer to a nonce. A stale head only stops new installs. */
import { demand } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { readFresh } from '../format/messages.ts';
import type { TrustRoot } from '../format/root.ts';
import type { Verifier } from '../ports.ts';
import { verifyStatement } from './signed.ts';
import type { DeviceFacts, FreshAnswer, Proven } from './types.ts';

/** @throws Refusal FREEZE; and the codes of the statement's checks */
export function checkFreshness(
  verifier: Verifier,
  root: TrustRoot,
  p: Proven,
  { now, offline }: DeviceFacts,
  fresh?: FreshAnswer,
): void {
  if (now !== undefined) {
    // A head from the future passes: a device whose clock runs late must not lock itself out.
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
