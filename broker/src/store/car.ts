/** CAR version 1: blocks in one file or stream, each with its CID. Source: IPLD CARv1 specification. */
import { Readable } from 'node:stream';
import { demand, Refusal } from '@countersign/device-sdk';
import { equal, type Sha256 } from '@countersign/device-sdk/format';
import { CarBlockIterator, CarWriter } from '@ipld/car';
import { type Block, type CID, checkBlock, type GetBlock } from './blocks.ts';
import { BLOB_BYTES_MAX } from './file-blobs.ts';
import { BLOCKS_MAX, walk } from './unixfs.ts';

/** The largest content with the nodes above it and 100 bytes for each block. */
export const CAR_BYTES_MAX = BLOB_BYTES_MAX + 4 * 1024 * 1024;

/**
 * The blocks of a file, depth first, each once, as a stream. A block that is missing ends it with an error.
 * @param scope `block` for the root alone
 */
export function carOf(root: CID, get: GetBlock, scope: 'all' | 'block' = 'all'): Readable {
  const { writer, out } = CarWriter.create([root]);
  const writing = (async () => {
    const written = new Set<string>();
    try {
      for await (const { cid, bytes } of walk(root, get)) {
        if (!written.has(cid.toString())) await writer.put({ cid, bytes });
        written.add(cid.toString());
        if (scope === 'block') return;
      }
    } finally {
      await writer.close();
    }
  })();
  // The error is heard where the bytes are read.
  writing.catch(() => undefined);
  return Readable.from(
    (async function* () {
      yield* out;
      await writing;
    })(),
  );
}

/**
 * Blocks of a CAR as they come, each checked against its CID.
 * @throws Refusal MALFORMED, TOO_LARGE, BAD_STORE, UNSUPPORTED
 */
export async function* readCar(
  sha256: Sha256,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Block, { roots: CID[] }> {
  let blocks = 0;
  let car: CarBlockIterator;
  try {
    car = await CarBlockIterator.fromIterable(bounded(source));
    for await (const { cid, bytes } of car) {
      demand(++blocks <= BLOCKS_MAX, 'TOO_LARGE', `the CAR has more than ${BLOCKS_MAX} blocks`);
      yield { cid: cid as CID, bytes: checkBlock(sha256, cid as CID, bytes) };
    }
    return { roots: (await car.getRoots()) as CID[] };
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('MALFORMED', `the CAR cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** Reads a whole CAR. @returns its roots, and its blocks by the digest in their CIDs */
export async function blocksOfCar(sha256: Sha256, source: AsyncIterable<Uint8Array>) {
  const blocks: Block[] = [];
  const reading = readCar(sha256, source);
  for (;;) {
    const { done, value } = await reading.next();
    if (done) return { roots: value.roots, blocks, get: among(blocks) };
    blocks.push(value);
  }
}

/** A source that has these blocks and no others. */
export function among(blocks: readonly Block[]): GetBlock {
  const key = ({ multihash }: CID) => Buffer.from(multihash.digest).toString('hex');
  const held = new Map(blocks.map((block) => [key(block.cid), block]));
  return async (cid) => {
    const block = held.get(key(cid));
    demand(block && equal(block.cid.multihash.digest, cid.multihash.digest), 'NOT_FOUND', `block ${cid} is missing`);
    return block.bytes;
  };
}

async function* bounded(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of source) {
    bytes += part.length;
    demand(bytes <= CAR_BYTES_MAX, 'TOO_LARGE', `a CAR of more than ${CAR_BYTES_MAX} bytes`);
    yield part;
  }
}
