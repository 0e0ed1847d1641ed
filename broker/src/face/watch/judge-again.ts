/** Entries that were verified before, held against what is expected now. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { equal, hex, utf8 } from '@countersign/device-sdk/format';
import { Frontier } from '../../ledger/log/frontier.ts';
import { type Claim, type Finding, judgeClaims } from './claims.ts';
import type { Expectation, Seen } from './expectation.ts';
import type { LogClient } from './log-client.ts';

/** Names what is expected: two files that say the same have one name. Products and keys in another order have another. */
export function nameOf({ sha256 }: Verifier, { products }: Expectation): string {
  const said = products.map((item) => [item.name, item.classId, item.uploaders.map(({ bytes }) => hex(bytes))]);
  return hex(sha256(utf8(JSON.stringify(said))));
}

/**
 * Reads every entry of the verified tree again. A server that gives other ones than it did is set apart: their tree is another.
 * @throws Refusal UNREACHABLE, UNAUTHORIZED and the others of a server that does not give them
 */
export async function judgeAgain(
  verifier: Verifier,
  clients: readonly LogClient[],
  tree: Frontier,
  expectation: Expectation,
  elapsedMs?: () => number,
): Promise<Seen & { findings: Finding[]; apart?: Claim | undefined }> {
  if (tree.size === 0) return { uploads: new Map(), issued: new Map(), findings: [] };
  const client = clients.find(({ readsEntries }) => readsEntries);
  demand(client, 'UNAUTHORIZED', 'entries were verified before, and no server gives them now');
  const root = tree.root();
  const claim: Claim = {
    ...{ client, what: 'verified tree', size: tree.size, root, evidence: { size: tree.size, root: hex(root) } },
    holds: (found) => equal(found, root),
  };
  const start = { tree: new Frontier(verifier.sha256), uploads: new Map(), issued: new Map() };
  const { verified, findings, apart, open } = await judgeClaims(verifier, [claim], start, expectation, elapsedMs);
  if (open[0]) throw open[0].error;
  return { uploads: verified.uploads, issued: verified.issued, findings, apart: apart[0] };
}
