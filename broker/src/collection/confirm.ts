/** `confirm` carries no authority: it asks the contract to look whether the approvals are met. */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import {
  hex,
  readStatement,
  readTransaction,
  type Sha256,
  type Signer,
  type Transaction,
  unhex,
} from '@countersign/device-sdk/format';
import { signTransaction } from '../keys/tx.ts';
import type { LedgerClient } from '../ledger/client.ts';
import { noArgs } from '../ledger/contract/args.ts';
import { readTrial } from '../ledger/contract/trial-args.ts';
import type { ProductView, ReleaseView } from '../ledger/contract/views.ts';

export interface ConfirmParts {
  ledger: LedgerClient;
  sha256: Sha256;
  /** The service key: it signs machine transactions and nothing else. */
  service: Signer;
  /** The ledger's origin. */
  origin: string;
}

/**
 * Confirms an approved release; returns it as it stands afterwards. Repeating it is harmless.
 * @throws Refusal NOT_FOUND, NOT_APPROVED; CONFLICT where another release was confirmed meanwhile: it has to be
 * prepared again
 */
export async function confirmRelease(parts: ConfirmParts, releaseLeaf: Uint8Array): Promise<ReleaseView> {
  const release = await getRelease(parts.ledger, releaseLeaf);
  if (release.state === 'confirmed') return release;
  demand(release.state === 'approved', 'NOT_APPROVED', `release ${release.version} is ${release.state}`);
  const statement = await signTransaction(parts.sha256, parts.service, {
    channel: parts.origin,
    action: 'confirm',
    object: releaseLeaf,
    previous: unhex(release.previous)!,
    args: noArgs(),
  });
  try {
    await parts.ledger.submit(statement);
  } catch (error) {
    await explain(parts.ledger, release, error);
  }
  return getRelease(parts.ledger, releaseLeaf);
}

/** A failed step may nevertheless have happened: by another service key, or by us before an answer was lost. */
async function explain(ledger: LedgerClient, release: ReleaseView, error: unknown): Promise<void> {
  const now = await getRelease(ledger, unhex(release.releaseLeaf)!);
  if (now.state === 'confirmed') return;
  const product = (await ledger.evaluate('getProduct', release.classId)) as ProductView;
  if (product.head === release.previousLeaf || codeOf(error) !== 'CONFLICT') throw error;
  const text = `${product.name} is at sequence ${product.sequence} now: prepare version ${release.version} again`;
  throw new Refusal('CONFLICT', text, { cause: error });
}

async function getRelease(ledger: LedgerClient, releaseLeaf: Uint8Array): Promise<ReleaseView> {
  return (await ledger.evaluate('getRelease', hex(releaseLeaf))) as ReleaseView;
}

/** Time between looks while the ledger does not answer or is busy. */
export const RETRY_MS = 5_000;

export interface ConfirmerEvents {
  confirmed(release: ReleaseView): void;
  /** A release that is approved and could not be confirmed. UNREACHABLE and BUSY are tried again. */
  failed(releaseLeaf: Uint8Array, error: unknown): void;
}

/**
 * Confirms every approved release by itself, from now on. It keeps no position of its own: at the start, and after
 * every trouble with the ledger, it looks at all releases, so nothing is missed over a restart.
 */
export function followApprovals(parts: ConfirmParts, on: ConfirmerEvents): { stop(): void } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let following: { stop(): void } | undefined;
  void start();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      following?.stop();
    },
  };

  /** The size first, then the look, then the events from that size on: no approval falls between. */
  async function start(): Promise<void> {
    try {
      const { head } = await parts.ledger.head();
      if (!(await sweep()) || stopped) return;
      following = parts.ledger.follow(head.size, async (event) => {
        const leaf = await waitingBy(event.bytes);
        if (leaf && !stopped && (await attempt(leaf)) === 'later') again();
      });
    } catch (error) {
      if (!stopped) on.failed(new Uint8Array(), error);
      again();
    }
  }

  function again(): void {
    if (stopped) return;
    following?.stop();
    following = undefined;
    clearTimeout(timer);
    timer = setTimeout(start, RETRY_MS);
    timer.unref();
  }

  /** @returns false where it has to be done again */
  async function sweep(): Promise<boolean> {
    const releases = (await parts.ledger.evaluate('listReleases')) as ReleaseView[];
    for (const release of releases) {
      if (stopped) return false;
      if (release.state !== 'approved' || (await attempt(unhex(release.releaseLeaf)!)) === 'done') continue;
      again();
      return false;
    }
    return true;
  }

  /**
   * The release that an entry may have made ready: approved by it, or tried, where it waited for such a record. The approval
   * of a person is an entry of the same kind, of no release.
   */
  async function waitingBy(entry: Uint8Array): Promise<Uint8Array | undefined> {
    const approved = approvedBy(entry);
    const releaseLeaf = approved ?? trialOf(entry);
    if (!releaseLeaf) return undefined;
    try {
      const { state } = await getRelease(parts.ledger, releaseLeaf);
      return approved || state === 'approved' ? releaseLeaf : undefined;
    } catch (error) {
      // A follower that throws ends the process: the attempt meets the same trouble, and is made again.
      return codeOf(error) === 'NOT_FOUND' ? undefined : releaseLeaf;
    }
  }

  async function attempt(releaseLeaf: Uint8Array): Promise<'done' | 'later'> {
    try {
      const release = await confirmRelease(parts, releaseLeaf);
      on.confirmed(release);
    } catch (error) {
      const code = codeOf(error);
      // The first of several approvals: there will be another event.
      if (code === 'NOT_APPROVED') return 'done';
      if (stopped) return 'done';
      on.failed(releaseLeaf, error);
      if (code === 'UNREACHABLE' || code === 'BUSY') return 'later';
    }
    return 'done';
  }
}

/** The release or person that an entry approves; undefined for every other entry. */
function approvedBy(entry: Uint8Array): Uint8Array | undefined {
  const transaction = transactionOf(entry);
  return transaction?.action === 'approve' ? transaction.object : undefined;
}

/** The release that an entry is a trial record of; undefined for every other entry. */
function trialOf(entry: Uint8Array): Uint8Array | undefined {
  const transaction = transactionOf(entry);
  return transaction?.action === 'trial' ? readTrial(transaction.args).releaseLeaf : undefined;
}

function transactionOf(entry: Uint8Array): Transaction | undefined {
  try {
    return readTransaction(readStatement(entry, 'tx').payload);
  } catch {
    return undefined; // a leaf of another kind
  }
}
