/** The files behind the batches on the chain: some statements, in order, as one block that IPFS can carry. */
import { demand } from '@countersign/device-sdk';
import { asArray, asBytes, decode, encode, hex, leafHash, type Sha256 } from '@countersign/device-sdk/format';
import type { BlobStore } from '../../store/blobs.ts';
import { CODEC_RAW, cidOfDigest } from '../../store/blocks.ts';
import type { Gateway } from '../../store/trustless.ts';
import { blockFrom } from '../../store/trustless.ts';
import { Frontier } from '../log/frontier.ts';

/** As the contract's BATCH_COUNT_MAX. */
export const BATCH_COUNT_MAX = 512;
/** One raw block under every profile of IPFS, and a transaction of 60,000 bytes still has room. */
export const BATCH_BYTES_MAX = 256 * 1024;

export interface Batch {
  statements: readonly Uint8Array[];
  file: Uint8Array;
  digest: Uint8Array;
  root: Uint8Array;
}

export function makeBatch(sha256: Sha256, statements: readonly Uint8Array[]): Batch {
  const file = encode([...statements]);
  return { statements, file, digest: sha256(file), root: rootOf(sha256, statements) };
}

/** What the chain says of a batch. */
export interface BatchSaid {
  digest: Uint8Array;
  root: Uint8Array;
  count: number;
}

/** How many from the front fit one batch. */
export function fitting(statements: readonly Uint8Array[]): number {
  let [count, bytes] = [0, 16];
  for (const { length } of statements) {
    bytes += length + 5; // the longest head of a byte string of this size
    if (count > 0 && (count === BATCH_COUNT_MAX || bytes > BATCH_BYTES_MAX)) break;
    count++;
  }
  return count;
}

/**
 * The statements of a batch, checked against what the chain says of it.
 * @throws Refusal NOT_FOUND where nobody has the file; DIVERGED where the file, whose digest is on the chain, is not
 * the batch that the chain describes
 */
export async function readBatch(files: BatchFiles, sha256: Sha256, said: BatchSaid): Promise<Uint8Array[]> {
  const file = await files.get(said.digest);
  const statements = statementsIn(file);
  const same = statements?.length === said.count && hex(rootOf(sha256, statements)) === hex(said.root);
  demand(same, 'DIVERGED', `the file ${hex(said.digest)} does not hold the batch that the chain describes`);
  return statements;
}

export interface BatchFiles {
  put(file: Uint8Array): Promise<void>;
  get(digest: Uint8Array): Promise<Uint8Array>;
}

/** Our own folder first; what somebody else recorded comes from a gateway. */
export function batchFiles(blobs: BlobStore, sha256: Sha256, gateways: readonly Gateway[] = []): BatchFiles {
  return {
    put: async (file) => void (await blobs.put(file)),
    async get(digest) {
      if (await blobs.has(digest)) return blobs.blob(digest);
      for (const gateway of gateways) {
        const file = await blockFrom(gateway, sha256)(cidOfDigest(CODEC_RAW, digest)).catch(() => undefined);
        if (file === undefined) continue;
        await blobs.put(file);
        return file;
      }
      return blobs.blob(digest); // NOT_FOUND, in its words
    },
  };
}

function statementsIn(file: Uint8Array): Uint8Array[] | undefined {
  try {
    return asArray(decode(file), 'batch').map((item) => asBytes(item, 'statement'));
  } catch {
    return undefined;
  }
}

function rootOf(sha256: Sha256, statements: readonly Uint8Array[]): Uint8Array {
  const tree = new Frontier(sha256);
  for (const statement of statements) tree.append(leafHash(sha256, statement));
  return tree.root();
}
