/** What people call things, and the one thing in the ledger that is meant by it. */
import { demand } from '@countersign/device-sdk';
import { findProduct } from '../../collection/product.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { ReleaseView, RolloutView } from '../../ledger/contract/views.ts';

/** Fewer digits would soon mean two things. */
const PREFIX_CHARS_MIN = 8;
const NAME_CHARS_MAX = 128;

/**
 * @param name leaf hash, at least its first 8 digits, or PRODUCT@VERSION: of several uploads of one version the one
 * that stands, or the newest
 * @throws Refusal NOT_FOUND, BAD_REQUEST
 */
export async function findRelease(ledger: LedgerClient, name: string): Promise<ReleaseView> {
  demand(name.length <= NAME_CHARS_MAX, 'BAD_REQUEST', 'a release has a shorter name');
  if (/^[0-9a-f]{64}$/.test(name)) return (await ledger.evaluate('getRelease', name)) as ReleaseView;
  const at = name.lastIndexOf('@');
  return at > 0 ? byVersion(ledger, name.slice(0, at), name.slice(at + 1)) : byPrefix(ledger, name);
}

/** @throws Refusal NOT_FOUND, BAD_REQUEST */
export async function findRollout(ledger: LedgerClient, name: string): Promise<RolloutView> {
  if (/^[0-9a-f]{32}$/.test(name)) return (await ledger.evaluate('getRollout', name)) as RolloutView;
  checkPrefix(name, 'a rollout');
  const all = (await ledger.evaluate('listRollouts')) as RolloutView[];
  return only(
    all.filter(({ rolloutId }) => rolloutId.startsWith(name)),
    `rollout ${name}`,
  );
}

async function byVersion(ledger: LedgerClient, product: string, version: string): Promise<ReleaseView> {
  const { classId } = await findProduct(ledger, product);
  const all = (await ledger.evaluate('listReleases', classId)) as ReleaseView[];
  const named = all.filter((release) => release.version === version);
  const standing = named.filter(({ state }) => state !== 'rejected');
  const found = (standing.length > 0 ? standing : named).sort((a, b) => b.sequence - a.sequence)[0];
  demand(found, 'NOT_FOUND', `${product} has no release ${version}`);
  return found;
}

async function byPrefix(ledger: LedgerClient, name: string): Promise<ReleaseView> {
  checkPrefix(name, 'a release');
  const all = (await ledger.evaluate('listReleases')) as ReleaseView[];
  return only(
    all.filter(({ releaseLeaf }) => releaseLeaf.startsWith(name)),
    `release ${name}`,
  );
}

function checkPrefix(name: string, what: string): void {
  const good = name.length >= PREFIX_CHARS_MIN && /^[0-9a-f]+$/.test(name);
  demand(good, 'BAD_REQUEST', `${what} is named by at least ${PREFIX_CHARS_MIN} hex digits, or PRODUCT@VERSION`);
}

function only<T>(found: T[], what: string): T {
  demand(found.length <= 1, 'BAD_REQUEST', `${what} may mean ${found.length} things: write more digits`);
  demand(found[0] !== undefined, 'NOT_FOUND', `there is no ${what}`);
  return found[0];
}
