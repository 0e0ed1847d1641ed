/** What people call things, and the one thing in the ledger that is meant by it. */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { findProduct } from '../../collection/product.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { DeviceView, ReleaseView, RolloutView } from '../../ledger/contract/views.ts';

/** Fewer digits would soon mean two things. */
const PREFIX_CHARS_MIN = 8;
const DIGITS_SHOWN = 12;
/** Whoever wrote too few digits reads this many ids to find the one that was meant. */
const NAMED_MAX = 8;
const NAME_CHARS_MAX = 128;

/**
 * @param name leaf hash, at least its first 8 digits, or PRODUCT@VERSION: of several uploads of one version the one
 * that somebody approved
 * @throws Refusal NOT_FOUND; BAD_REQUEST where the name may mean several
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

/** @throws Refusal NOT_FOUND, BAD_REQUEST */
export async function findDevice(ledger: LedgerClient, name: string): Promise<DeviceView> {
  if (/^[0-9a-f]{32}$/.test(name)) return (await ledger.evaluate('getDevice', name)) as DeviceView;
  checkPrefix(name, 'a device');
  const all = (await ledger.evaluate('listDevices')) as DeviceView[];
  const found = all.filter(({ deviceId }) => deviceId.startsWith(name));
  const ids = found.slice(0, NAMED_MAX).map(({ deviceId }) => deviceId);
  const text = `device ${name} may mean ${found.length} devices: ${ids.join(', ')}${found.length > NAMED_MAX ? ', …' : ''}`;
  demand(found.length <= 1, 'BAD_REQUEST', text);
  return only(found, `device ${name}`);
}

/**
 * The ledger's own key of whatever has a history.
 * @param name a person, a product, PRODUCT@VERSION, or the id of a release, product, device or rollout, whole or from
 * its first 8 digits on
 * @throws Refusal NOT_FOUND, BAD_REQUEST
 */
export async function findHistoryKey(ledger: LedgerClient, name: string): Promise<string> {
  demand(name.length <= NAME_CHARS_MAX, 'BAD_REQUEST', 'nothing has so long a name');
  if (/^([0-9a-f]{32}|[0-9a-f]{64})$/.test(name)) return name;
  if (name.lastIndexOf('@') > 0) return (await findRelease(ledger, name)).releaseLeaf;
  for (const look of [personKey, productKey, idKey]) {
    const key = await look(ledger, name);
    if (key !== undefined) return key;
  }
  throw new Refusal(
    'NOT_FOUND',
    `nothing is called ${name}: name a person, a product, PRODUCT@VERSION, or the id of a release, device or rollout`,
  );
}

async function personKey(ledger: LedgerClient, name: string): Promise<string | undefined> {
  return found(ledger.evaluate('getPerson', name), () => name);
}

async function productKey(ledger: LedgerClient, name: string): Promise<string | undefined> {
  return found(findProduct(ledger, name), ({ classId }) => classId);
}

async function idKey(ledger: LedgerClient, name: string): Promise<string | undefined> {
  if (!isPrefix(name)) return undefined;
  const releases = (await ledger.evaluate('listReleases')) as ReleaseView[];
  const devices = (await ledger.evaluate('listDevices')) as DeviceView[];
  const rollouts = (await ledger.evaluate('listRollouts')) as RolloutView[];
  const ids = [
    ...releases.map(({ releaseLeaf }) => releaseLeaf),
    ...devices.map(({ deviceId }) => deviceId),
    ...rollouts.map(({ rolloutId }) => rolloutId),
  ];
  return only(
    ids.filter((id) => id.startsWith(name)),
    `id ${name}`,
  );
}

async function found<T>(asked: Promise<T>, keyOf: (value: T) => string): Promise<string | undefined> {
  try {
    return keyOf(await asked);
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}

async function byVersion(ledger: LedgerClient, product: string, version: string): Promise<ReleaseView> {
  const { classId } = await findProduct(ledger, product);
  const all = (await ledger.evaluate('listReleases', classId)) as ReleaseView[];
  const named = all.filter((release) => release.version === version);
  const standing = named.filter(({ state }) => state !== 'rejected');
  const decided = standing.filter(({ state }) => state !== 'uploaded');
  // Nobody shall approve one of two uploads by a name that both bear.
  if (decided.length === 0 && standing.length > 1) return ambiguous(`${product}@${version}`, standing);
  const found = firstNonEmpty(decided, standing, named).sort((a, b) => b.sequence - a.sequence)[0];
  demand(found, 'NOT_FOUND', `${product} has no release ${version}`);
  return found;
}

function ambiguous(name: string, uploads: ReleaseView[]): never {
  const digits = uploads.map(({ releaseLeaf }) => releaseLeaf.slice(0, DIGITS_SHOWN));
  throw new Refusal(
    'BAD_REQUEST',
    `${name} may mean ${uploads.length} uploads: ${digits.join(', ')}; name one by its digits`,
  );
}

function firstNonEmpty<T>(...lists: T[][]): T[] {
  return lists.find(({ length }) => length > 0) ?? [];
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
  const other = what === 'a release' ? ', or PRODUCT@VERSION' : '';
  demand(
    isPrefix(name),
    'BAD_REQUEST',
    `${what} is named by at least ${PREFIX_CHARS_MIN} hex digits${other}, not by ${name}`,
  );
}

function isPrefix(name: string): boolean {
  return name.length >= PREFIX_CHARS_MIN && /^[0-9a-f]+$/.test(name);
}

function only<T>(found: T[], what: string): T {
  demand(found.length <= 1, 'BAD_REQUEST', `${what} may mean ${found.length} things: write more digits`);
  demand(found[0] !== undefined, 'NOT_FOUND', `there is no ${what}`);
  return found[0];
}
