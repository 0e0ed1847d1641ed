/** Fetches what a proven announcement still needs: consistency, skipped entries, freshness, membership, trust roots. */
import { demand, Refusal } from '../errors.ts';
import { NONCE_BYTES } from '../format/messages.ts';
import { ANNOUNCE, type Answer, CONSISTENCY, ENTRIES, FRESHNESS, ROOTS } from '../format/requests.ts';
import type { Cohort, Membership } from '../format/rollout.ts';
import type { SignedRoot } from '../format/root.ts';
import type { Entropy, Verifier } from '../ports.ts';
import { nextRoot } from '../verify/root.ts';
import type { FreshAnswer, Needs, Proofs } from '../verify/types.ts';
import type { Asker } from './asker.ts';

/** A device a year behind has missed a few; beyond this the answer is made up. */
const ROOT_ROUNDS_MAX = 16;

/** @throws Refusal LINK_LOST; the server's refusal */
export async function fetchProofs(
  asker: Asker,
  entropy: Entropy,
  needs: Needs,
  cohorts: readonly Cohort[],
  offline = false,
): Promise<Proofs> {
  const proofs: Proofs = {};
  if (needs.consistency) {
    proofs.consistency = expect(await asker.ask({ kind: CONSISTENCY, ...needs.consistency }), CONSISTENCY).path;
  }
  if (needs.entries) proofs.entries = expect(await asker.ask({ kind: ENTRIES, ...needs.entries }), ENTRIES).entries;
  if (needs.freshness) proofs.fresh = await fetchFresh(asker, entropy, offline);
  const membership = cohorts.some((cohort) => 'root' in cohort) ? await fetchMembership(asker) : undefined;
  return membership ? { ...proofs, membership } : proofs;
}

/**
 * Asks which head is announced now, under a nonce that nobody has seen before.
 * @returns undefined for a device that may be offline, where nobody answers
 */
export async function fetchFresh(asker: Asker, entropy: Entropy, offline = false): Promise<FreshAnswer | undefined> {
  const nonce = entropy.random(NONCE_BYTES);
  try {
    return { nonce, statement: expect(await asker.ask({ kind: FRESHNESS, nonce }), FRESHNESS).statement };
  } catch (error) {
    if (offline && error instanceof Refusal) return undefined;
    throw error;
  }
}

/** Group members ask for their proof; everybody else is told there is none. */
async function fetchMembership(asker: Asker): Promise<Membership | undefined> {
  return expect(await asker.ask({ kind: ANNOUNCE }), ANNOUNCE).membership ?? undefined;
}

/** The current announcement of the device's class, as the answer to a question of its own. */
export async function fetchAnnouncement(asker: Asker): Promise<Uint8Array | undefined> {
  return expect(await asker.ask({ kind: ANNOUNCE }), ANNOUNCE).announcement ?? undefined;
}

/**
 * Follows the trust roots from the stored one, each on the thresholds of both.
 * @param store called with each root that holds, before the next is asked for
 * @throws Refusal BAD_ROOT, LINK_LOST
 */
export async function fetchRoots(
  asker: Asker,
  verifier: Verifier,
  current: SignedRoot,
  wanted: number,
  store: (root: SignedRoot) => void,
): Promise<void> {
  let root = current;
  for (let round = 0; root.root.version < wanted; round++) {
    demand(round < ROOT_ROUNDS_MAX, 'BAD_ROOT', `trust root ${wanted} is out of reach`);
    const { roots } = expect(await asker.ask({ kind: ROOTS, from: root.root.version + 1 }), ROOTS);
    demand(roots.length > 0, 'BAD_ROOT', `the server has no trust root ${root.root.version + 1}`);
    for (const bytes of roots) {
      root = nextRoot(verifier, root.root, bytes);
      store(root);
    }
  }
}

function expect<K extends Answer['kind']>(answer: Answer, kind: K): Extract<Answer, { kind: K }> {
  if (answer.kind !== kind) throw new Refusal('MALFORMED', `expected an answer of kind ${kind}, got ${answer.kind}`);
  return answer as Extract<Answer, { kind: K }>;
}
