/**
 * What the owner of a product expects: that his own keys sign its uploads. A release is one that nobody expects when its
 * upload is signed by another key, or when it is confirmed without an upload that was seen.
 */
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  ALG_ESP256,
  checkStatement,
  decodeSign1,
  HEADER_TYP,
  hex,
  kidOf,
  leafHash,
  type PublicKey,
  readManifest,
  readStatement,
  readTransaction,
  type Statement,
  typOf,
  unhex,
} from '@countersign/device-sdk/format';
import { readUpload } from '../../ledger/contract/args.ts';
import { isRoot } from '../../ledger/contract/entry.ts';
import { classId, vendorId } from '../../ledger/contract/uuid.ts';
import { type Conviction, judgeIssued, type SeenPoints } from './issued.ts';

const EXPECTATION_BYTES_MAX = 64 * 1024;
const DIGEST = /^[0-9a-f]{64}$/;

export interface Expectation {
  /** SHA-256 of the signed trust roots that one expects, in hex. */
  trustRoots: string[];
  products: { name: string; vendorDomain: string; classId: string; uploaders: PublicKey[] }[];
}

/**
 * `{"products": [{"vendorDomain": "example.com", "name": "node", "uploaders": ["<public key in hex>"]}]}`, and where
 * trust roots are expected, `"trustRoots": ["<SHA-256 in hex>"]` beside it
 * @throws Refusal BAD_REQUEST, BAD_KEY
 */
export function readExpectation(verifier: Verifier, bytes: Uint8Array): Expectation {
  demand(bytes.length <= EXPECTATION_BYTES_MAX, 'BAD_REQUEST', `an expectation of ${bytes.length} bytes`);
  const value = parsed(bytes);
  const named = typeof value === 'object' && value !== null && 'trustRoots' in value ? ['trustRoots'] : [];
  const { products, trustRoots = [] } = members(value, ['products', ...named], 'the expectation');
  const list = Array.isArray(products) ? products : [];
  demand(list.length > 0, 'BAD_REQUEST', 'the expectation names no product');
  return { products: list.map((item) => readProduct(verifier, item)), trustRoots: readDigests(trustRoots) };
}

function readDigests(value: unknown): string[] {
  const digests = Array.isArray(value) ? value.filter((item) => typeof item === 'string' && DIGEST.test(item)) : [];
  const good = Array.isArray(value) && digests.length === value.length;
  demand(good, 'BAD_REQUEST', 'trustRoots is a list of SHA-256 sums of signed trust roots, in hex');
  return digests;
}

function readProduct(verifier: Verifier, value: unknown) {
  const { vendorDomain, name, uploaders } = members(value, ['vendorDomain', 'name', 'uploaders'], 'a product');
  const named = typeof vendorDomain === 'string' && typeof name === 'string';
  demand(named, 'BAD_REQUEST', 'a product of the expectation has a vendorDomain and a name');
  const keys = Array.isArray(uploaders) ? uploaders : [];
  demand(keys.length > 0, 'BAD_REQUEST', `${name}: the expectation names no uploader`);
  return {
    name,
    vendorDomain,
    classId: hex(classId(vendorId(vendorDomain), name)),
    uploaders: keys.map((key) => readKey(verifier, key)),
  };
}

function readKey(verifier: Verifier, value: unknown): PublicKey {
  const bytes = typeof value === 'string' ? unhex(value) : undefined;
  const known = bytes?.length === 32 || bytes?.length === 65;
  demand(known, 'BAD_REQUEST', 'an uploader is a public key in hex, as `countersign keys list` shows it');
  const key = { alg: bytes.length === 32 ? ALG_ED25519 : ALG_ESP256, bytes };
  verifier.checkKey(key.alg, key.bytes);
  return key;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

/** A word that is mistyped would else be an expectation that is not looked at. @throws Refusal BAD_REQUEST */
function members(value: unknown, names: readonly string[], what: string): Record<string, unknown> {
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const exact = keys.length === names.length && names.every((name) => keys.includes(name));
  demand(exact, 'BAD_REQUEST', `${what} is an object with exactly ${names.join(', ')}`);
  return value as Record<string, unknown>;
}

/** What entries have said so far. */
export interface Seen {
  uploads: SeenUploads;
  issued: SeenPoints;
}

/** Uploads that were seen and are not confirmed, by release leaf in hex: whether anybody has to hear of them. */
export type SeenUploads = Map<string, 'expected' | 'told'>;
/** Uploads that are never confirmed are forgotten, the oldest first; confirmed after all, they are told again. */
export const SEEN_UPLOADS_MAX = 10_000;

export interface Unexpected {
  text: string;
  /** Leaf of the release, or of the entry that convicts. */
  release: string;
  /** Where it is no release but a key generation centre: the two points. */
  convicted?: Conviction | undefined;
}

/**
 * Looks at one entry of the log; what it says of uploads and issued keys goes into `seen`.
 * @returns what nobody expects of it
 */
export function judgeEntry(
  verifier: Verifier,
  { products }: Expectation,
  entry: Uint8Array,
  index: number,
  seen: Seen,
): Unexpected | undefined {
  // Who may change the trust root is its own matter: every one that is followed is told apart from this.
  if (index === 0 || isRoot(entry)) return undefined;
  const typ = decodeSign1(entry).protected.get(HEADER_TYP);
  // The only entry without a typ is a release leaf: block 1 as it was confirmed.
  if (typ === undefined) return judgeConfirmed(hex(leafHash(verifier.sha256, entry)), seen.uploads);
  if (typ !== typOf('tx')) return undefined;
  const statement = readStatement(entry, 'tx');
  const tx = readTransaction(statement.payload);
  if (tx.action === 'issueKey') return judgeIssued(verifier, tx.args, entry, index, seen.issued);
  if (tx.action !== 'upload') return undefined;
  const { block1, manifest } = readUpload(tx.args);
  const release = hex(leafHash(verifier.sha256, block1));
  const { classId: of, version, sequence } = readManifest(manifest);
  const product = products.find((item) => item.classId === hex(of));
  const expected = !product || product.uploaders.some((key) => isSignedBy(verifier, statement, key));
  keep(seen.uploads, release, expected ? 'expected' : 'told');
  if (expected) return undefined;
  const who = hex(statement.kid);
  return { release, text: `${product.name} ${version} (sequence ${sequence}) was uploaded by another key, ${who}` };
}

function judgeConfirmed(release: string, seen: SeenUploads): Unexpected | undefined {
  const upload = seen.get(release);
  seen.delete(release);
  if (upload === 'expected') return undefined;
  const why = upload === 'told' ? 'the release that another key uploaded' : 'a release whose upload was not seen';
  return { release, text: `${why} is confirmed: ${release}` };
}

function keep(seen: SeenUploads, release: string, as: 'expected' | 'told'): void {
  seen.set(release, as);
  if (seen.size > SEEN_UPLOADS_MAX) seen.delete(seen.keys().next().value!);
}

function isSignedBy(verifier: Verifier, statement: Statement, key: PublicKey): boolean {
  if (hex(kidOf(verifier.sha256, key)) !== hex(statement.kid)) return false;
  try {
    checkStatement(verifier, statement, key);
    return true;
  } catch (error) {
    if (codeOf(error) === 'INTERNAL') throw error;
    return false;
  }
}
