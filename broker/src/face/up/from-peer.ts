/**
 * Brings an orderer back from the copies of its peers. A copy alone proves that everything in it was signed; it does not
 * prove that nothing came after it. Going on from a copy that is too short would be a second history, so as many peers
 * are asked as it takes for one of them to know every head that ever had a quorum.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { hex, kidOf, type TrustRoot } from '@countersign/device-sdk/format';
import { nextRoot, openRoot } from '@countersign/device-sdk/verify';
import { activeKeys } from '../../keys/next-root.ts';
import { auditFolder } from '../../ledger/audit.ts';
import { readStoredHead } from '../../ledger/embedded/head-file.ts';
import { httpLedger } from '../../ledger/http-client.ts';
import { httpPeerLink } from '../../ledger/peer/link.ts';
import { flush, makeFolder, writeDurable } from '../../store/durable.ts';
import { apiClient } from '../client/api-client.ts';
import { fetchFiles } from '../client/audit.ts';
import { serverFolder, trustRootPath } from './folders.ts';
import { openServerKeys } from './identities.ts';
import { readTrustRoot } from './ledger.ts';
import type { Other } from './start-one.ts';

export interface BringBackOptions {
  data: string;
  peers: readonly Other[];
  /** A signed head, or head file, that was kept elsewhere: the copy must contain it. */
  head?: Uint8Array | undefined;
  /** Trust root 1, where the folder does not have it. */
  trustRoot?: Uint8Array | undefined;
  passphrase?: string | undefined;
  verifier: Verifier;
  tell: (text: string) => void;
}

/**
 * Puts the longest copy into `data`/ledger, wholly verified, or nothing.
 * @throws Refusal EXISTS where there is a ledger; BAD_STORE without the orderer's keys; BAD_REQUEST without a trust root,
 * or where nothing shows how far the ledger had come; NO_QUORUM where too few peers answer; BAD_HEAD, SPLIT_VIEW and
 * other codes where the copies, or the head from elsewhere, contradict each other
 */
export async function bringBack(options: BringBackOptions): Promise<void> {
  const { data, verifier, tell } = options;
  const folder = serverFolder(data, 'ledger');
  demand(!existsSync(folder), 'EXISTS', `${folder} is there: a ledger is brought back only where there is none`);
  await openServerKeys(data, 'ledger', { create: false, passphrase: options.passphrase });
  const trust = await trustRootOf(options);
  const answers = await askAll(options.peers, tell);
  const root = newestRoot(verifier, openRoot(verifier, trust).root, answers);
  checkEnough(verifier, root, answers, options.head);
  const longest = answers.reduce((best, one) => (one.size > best.size ? one : best));
  const temporary = `${folder}.new-${randomBytes(4).toString('hex')}`;
  await makeFolder(temporary);
  try {
    await fetchFiles(apiClient(longest.from.url, longest.from.token), join(temporary, 'ledger'), tell);
    await checkCopy(temporary, trust, options, answers);
    await rename(join(temporary, 'ledger'), folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  await flush(data);
  tell(`the ledger was copied from ${longest.from.url}: ${longest.size} entries, verified`);
}

interface Answered {
  from: Other;
  /** Id of the peer's key, in hex, as it says itself. */
  kid: string;
  size: number;
  /** The peer's head file. */
  newest: Uint8Array;
  /** Trust roots from version 2 on, as the peer says. */
  roots: Uint8Array[];
}

async function askAll(peers: readonly Other[], tell: (text: string) => void): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (const from of peers) {
    const link = httpPeerLink(from.url, from.token);
    const ledger = httpLedger(from.url, from.token);
    try {
      const { newest } = await link.blocks(0, 0, 0);
      const { kid } = (await apiClient(from.url, from.token).get('/api/v1/peer')) as { kid?: unknown };
      const roots = await ledger.roots(2);
      answers.push({ from, kid: String(kid), size: readStoredHead(newest).head.size, newest, roots });
    } catch (error) {
      tell(`${from.url} does not answer: ${codeOf(error)}`);
    } finally {
      link.close();
      await ledger.close();
    }
  }
  demand(answers.length > 0, 'UNREACHABLE', 'no peer answers');
  return answers;
}

/**
 * The newest trust root that one of those who answered can show, each version signed on the thresholds of itself and the
 * one before. Who names another peer set without these signatures is not believed; who hides a root shows a shorter copy.
 */
function newestRoot(verifier: Verifier, first: TrustRoot, answers: readonly Answered[]): TrustRoot {
  let newest = first;
  for (const { roots } of answers) {
    let root = first;
    try {
      for (const bytes of roots) root = nextRoot(verifier, root, bytes).root;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error; // as far as they follow one another; the audit of the copy judges the rest
    }
    if (root.version > newest.version) newest = root;
  }
  return newest;
}

/**
 * Of n peers k have signed each published head, so among any n - k + 1 there is one that knows the newest. Peers are
 * counted by their keys: one at two addresses is one, and whoever follows without being listed has signed nothing.
 */
function checkEnough(
  verifier: Verifier,
  root: TrustRoot,
  answers: readonly Answered[],
  head: Uint8Array | undefined,
): void {
  const { threshold } = root.roles.peer;
  const keys = activeKeys(verifier, root, 'peer');
  const text = 'with quorum 0 no peer need know the newest head: give the one that was kept elsewhere, --head FILE';
  demand(threshold > 0 || head !== undefined, 'BAD_REQUEST', text);
  if (threshold === 0) return;
  // A head from elsewhere says what the copy must contain, and nothing of what came after it.
  const needed = keys.length - threshold + 1;
  const answered = keys.filter((key) => answers.some(({ kid }) => kid === hex(kidOf(verifier.sha256, key)))).length;
  const enough = `${answered} peers of the trust root answer; ${needed} must, for one of them to know every head with a quorum`;
  demand(answered >= needed, 'NO_QUORUM', enough);
}

async function checkCopy(
  dir: string,
  trust: Uint8Array,
  { head, verifier }: BringBackOptions,
  answers: readonly Answered[],
): Promise<void> {
  const others = answers.map(({ newest }) => newest);
  const { problems } = await auditFolder(dir, { trust, ...(head && { head }), others, verifier });
  const [first] = problems;
  if (first) throw new Refusal(first.code, `the copy is not taken: ${first.where}: ${first.text}`);
}

async function trustRootOf({ data, trustRoot }: BringBackOptions): Promise<Uint8Array> {
  const path = trustRootPath(data);
  if (existsSync(path)) return readTrustRoot(path);
  demand(trustRoot, 'BAD_REQUEST', `${path} is missing: give trust root 1 with --trust FILE, never the peer's word`);
  await writeDurable(path, trustRoot);
  return trustRoot;
}
