/**
 * What a person is about to decide upon, read from the very bytes that his signature will name by their hash. A server
 * can keep them back; it cannot show one thing and have another signed.
 */
import { demand } from '@countersign/device-sdk';
import {
  hex,
  leafHash,
  leafIsOf,
  type Manifest,
  readBlock1,
  readManifest,
  readStatement,
  readTransaction,
  type Transaction,
  unhex,
} from '@countersign/device-sdk/format';
import { policyBits } from '../../collection/order.ts';
import { readUpload, type Upload } from '../../ledger/contract/args.ts';
import type { HistoryItem, ProductView, ReleaseView } from '../../ledger/contract/views.ts';
import { inPath, type Session } from './session.ts';

/** The transaction with this leaf hash. @throws Refusal BAD_STATEMENT where the server gives another one */
export async function provenEntry({ api, verifier }: Session, leaf: string): Promise<Transaction> {
  const { entry } = (await api.get(`/api/v1/entries/${inPath(leaf)}`)) as { entry?: unknown };
  const bytes = typeof entry === 'string' ? unhex(entry) : undefined;
  const holds = bytes !== undefined && hex(leafHash(verifier.sha256, bytes)) === leaf;
  demand(holds, 'BAD_STATEMENT', `not signed: the server gives another entry than ${leaf}`);
  return readTransaction(readStatement(bytes, 'tx').payload);
}

/** Ids and digests in one text, to compare. */
function componentNames(components: Manifest['components'] | ReleaseView['components'] = []): string {
  return components.map((one) => `${one.id} ${'digest' in one ? hex(one.digest) : one.imageDigest}`).join();
}

/**
 * Checks that a release is what the server says of it: its name is the hash of block 1, which signs the manifest.
 * @param product whose class id follows from its names
 * @returns block 1 and the manifest as they were uploaded
 * @throws Refusal BAD_STATEMENT
 */
export async function checkRelease(session: Session, release: ReleaseView, product: ProductView): Promise<Upload> {
  const { sha256 } = session.verifier;
  const history = (await session.api.get(`/api/v1/history/${inPath(release.releaseLeaf)}`)) as HistoryItem[];
  const item = Array.isArray(history) ? history.find(({ action }) => action === 'upload') : undefined;
  demand(item, 'BAD_STATEMENT', `not signed: the server shows no upload of ${release.releaseLeaf}`);
  const upload = readUpload((await provenEntry(session, item.leafHash)).args);
  const own = hex(leafHash(sha256, upload.block1)) === release.releaseLeaf;
  const signs = leafIsOf(sha256, readBlock1(upload.block1), upload.manifest);
  const manifest = readManifest(upload.manifest);
  const same =
    manifest.version === release.version &&
    manifest.sequence === release.sequence &&
    manifest.policy === policyBits(release.policy) &&
    hex(manifest.image.digest) === release.imageDigest &&
    componentNames(manifest.components) === componentNames(release.components) &&
    hex(manifest.classId) === product.classId &&
    product.name === release.product;
  demand(own && signs && same, 'BAD_STATEMENT', `not signed: ${release.releaseLeaf} is not what the server says`);
  return upload;
}
