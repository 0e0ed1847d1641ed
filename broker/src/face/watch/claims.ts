/** What servers say of the log's tree, held against the tree that the watch has verified itself, leaf by leaf. */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { checkConsistency, equal, hex, leafHash } from '@countersign/device-sdk/format';
import type { Frontier } from '../../ledger/log/frontier.ts';
import { type Expectation, judgeEntry, type SeenUploads, type Unexpected } from './expectation.ts';
import type { SeenPoints } from './issued.ts';
import type { LogClient } from './log-client.ts';

/** A tree that somebody signed for. */
export interface Claim {
  client: LogClient;
  what: string;
  size: number;
  /** Whether this is the root that was signed. */
  holds(root: Uint8Array): boolean;
  /** The root where it is known beforehand; that of a head from outside is not. */
  root: Uint8Array | undefined;
  /** Of the trust root under which it was signed, where it says so: the tree holds every root up to it. */
  rootVersion?: number;
  evidence: Record<string, string | number>;
}

/** A trust root from outside that is later than the first one: somewhere in the tree it must be an entry. */
export interface SoughtRoot {
  version: number;
  /** Leaf hash in hex. */
  leaf: string;
}

/** The verified tree, and what its entries tell about uploads. */
export interface Verified {
  tree: Frontier;
  uploads: SeenUploads;
  issued: SeenPoints;
  /** Until it was met. */
  sought?: SoughtRoot | undefined;
}

export type Finding = Unexpected & { client: LogClient; index: number };

export interface Judgement {
  verified: Verified;
  findings: Finding[];
  /** Claims that are not of one history with what was verified. */
  apart: Claim[];
  /** Claims about which nothing could be found out now, and why. */
  open: { claim: Claim; error: Refusal }[];
}

/**
 * Reading one tree takes no longer: 10 million entries of 500 bytes at 1 MB a second are an hour and a half. Whoever has
 * the log's key can sign a size that nobody ever reads to its end, and no other server would be looked at again.
 */
export const GROWN_MS_MAX = 6 * 3_600_000;

/**
 * Takes claims from the smallest tree to the largest. The first that leads on from the verified tree is followed; one
 * that contradicts it is set apart and leads nowhere.
 */
export async function judgeClaims(
  verifier: Verifier,
  claims: readonly Claim[],
  start: Verified,
  expectation: Expectation | undefined,
  elapsedMs: () => number = () => performance.now(),
): Promise<Judgement> {
  const done: Judgement = { verified: start, findings: [], apart: [], open: [] };
  const known = new Map([[start.tree.size, start.tree.root()]]);
  for (const claim of [...claims].sort((a, b) => a.size - b.size)) {
    try {
      await judgeOne(claim);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      done.open.push({ claim, error });
    }
  }
  return done;

  async function judgeOne(claim: Claim): Promise<void> {
    const root = known.get(claim.size);
    if (root) {
      const whole = claim.size !== done.verified.tree.size || !lacks(claim, done.verified);
      if (!claim.holds(root) || !whole) done.apart.push(claim);
    } else if (claim.size > done.verified.tree.size) await follow(claim);
    else if (!(await begins(claim))) done.apart.push(claim);
  }

  async function follow(claim: Claim): Promise<void> {
    // Without its entries a log may be seen to grow, but not to hold what is expected: that part is read again later.
    const reads = expectation !== undefined && claim.client.readsEntries;
    const end = elapsedMs() + GROWN_MS_MAX;
    const inTime = () =>
      demand(elapsedMs() < end, 'UNREACHABLE', `${claim.client.url} gives its ${claim.size} entries too slowly`);
    const next = await grown(verifier, claim, done.verified, reads ? expectation : undefined, inTime).catch(
      async (error) => {
        if (error instanceof Refusal && (await contradicts(claim))) return undefined;
        throw error;
      },
    );
    if (!next) {
      done.apart.push(claim);
      return;
    }
    if (!claim.holds(next.verified.tree.root()) || lacks(claim, next.verified)) {
      done.apart.push(claim);
      return;
    }
    known.set(claim.size, next.verified.tree.root());
    if (expectation !== undefined && !reads) return;
    done.verified = next.verified;
    done.findings.push(...next.findings);
  }

  /** A larger tree whose leaves are kept back: does the server at least prove that it goes on from here? */
  async function contradicts({ client, size, root }: Claim): Promise<boolean> {
    const { tree } = done.verified;
    if (!root || tree.size === 0) return false;
    try {
      checkConsistency(verifier.sha256, tree.size, size, tree.root(), root, await client.consistency(tree.size, size));
      return false;
    } catch (error) {
      return codeOf(error) === 'SPLIT_VIEW';
    }
  }

  /** A smaller tree that was not met on the way: somebody must prove that the verified one begins with it. */
  async function begins({ root, size, client }: Claim): Promise<boolean> {
    if (!root) return true;
    const { tree } = start.tree.size > size ? start : done.verified;
    let unanswered: Refusal | undefined;
    let refuted = false;
    for (const asked of new Set([client, ...claims.map((item) => item.client)])) {
      try {
        const path = await asked.consistency(size, tree.size);
        checkConsistency(verifier.sha256, size, tree.size, root, tree.root(), path);
        return true;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        // A server that lags behind has no such proof, and one that lies would rather not give it.
        if (error.code === 'SPLIT_VIEW') refuted = true;
        else unanswered = error;
      }
    }
    if (!refuted && unanswered) throw unanswered;
    return false;
  }
}

/** Whether a tree that was signed under the root from outside, or a later one, has no such entry. */
function lacks({ rootVersion = 0 }: Claim, { sought }: Verified): boolean {
  return sought !== undefined && rootVersion >= sought.version;
}

/** The tree with the leaves that the claim's own server gives. Nothing of it is believed before its root is compared. */
async function grown(
  verifier: Verifier,
  claim: Claim,
  { tree, uploads, issued, sought }: Verified,
  expectation: Expectation | undefined,
  inTime: () => void,
) {
  const verified: Verified = { tree: tree.copy(), uploads: new Map(uploads), issued: new Map(issued), sought };
  const findings: Finding[] = [];
  const { client, size } = claim;
  if (expectation === undefined) {
    for await (const hashes of client.leafHashes(tree.size, size, size)) {
      inTime();
      for (const leaf of hashes) append(leaf);
    }
    return { verified, findings };
  }
  for await (const entries of client.entries(tree.size, size, size)) {
    inTime();
    for (const entry of entries) {
      const index = verified.tree.size;
      const leaf = leafHash(verifier.sha256, entry);
      const found = judged(entry, index, hex(leaf));
      if (found) findings.push({ ...found, client, index });
      append(leaf);
    }
  }
  return { verified, findings };

  function append(leaf: Uint8Array): void {
    if (verified.sought && verified.sought.leaf === hex(leaf)) verified.sought = undefined;
    verified.tree.append(leaf);
  }

  /** The ledger takes nothing that cannot be read; if it did, its owner should know. */
  function judged(entry: Uint8Array, index: number, leaf: string): Unexpected | undefined {
    try {
      return judgeEntry(verifier, expectation!, entry, index, verified);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { release: leaf, text: `entry ${index} cannot be read: ${error.message}` };
    }
  }
}

/** A head in hex, a checkpoint with sixteen signatures. */
const EVIDENCE_CHARS_MAX = 4_096;

export function claimOf(client: LogClient, what: string, size: number, root: Uint8Array, evidence: string): Claim {
  const holds = (found: Uint8Array) => equal(found, root);
  const shown = evidence.slice(0, EVIDENCE_CHARS_MAX);
  return { client, what, size, root, holds, evidence: { [what]: shown, size, root: hex(root) } };
}
