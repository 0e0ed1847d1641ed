/**
 * The signed head beside the block files: CBOR [1, block number, block hash, root, signed head]. It says how far the
 * ledger is promised: inside it nothing may be missing, beyond it an unfinished block may be cut off.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  asUint,
  decode,
  encode,
  equal,
  HASH_BYTES,
  type Head,
  readHead,
} from '@countersign/device-sdk/format';
import { writeDurable } from '../../store/durable.ts';
import type { ChainPoint } from '../execution.ts';
import { checkHead } from '../log/block.ts';

export const HEAD_FILE = 'head';
const HEAD_FILE_VERSION = 1;
/** Four short members and one signed head of under 400 bytes. */
export const HEAD_FILE_BYTES_MAX = 2048;

export interface StoredHead {
  blockNumber: number;
  blockHash: Uint8Array;
  head: Head;
  /** COSE_Sign1 with detached root. */
  signed: Uint8Array;
}

export function encodeStoredHead(h: StoredHead): Uint8Array {
  return encode([HEAD_FILE_VERSION, h.blockNumber, h.blockHash, h.head.root, h.signed]);
}

/** Reads the shape; whether it fits the blocks and who signed it is checked against them. @throws Refusal BAD_HEAD */
export function readStoredHead(bytes: Uint8Array): StoredHead {
  try {
    demand(bytes.length <= HEAD_FILE_BYTES_MAX, 'TOO_LARGE', `the head file has ${bytes.length} bytes`);
    const [version, number, hash, root, signed] = asArray(decode(bytes), 'head file', 5);
    demand(version === HEAD_FILE_VERSION, 'UNSUPPORTED', `head file version ${String(version)}`);
    const signedBytes = asBytes(signed, 'signed head');
    return {
      blockNumber: asUint(number, 'block number'),
      blockHash: asBytes(hash, 'block hash', HASH_BYTES),
      head: { ...readHead(signedBytes).fields, root: asBytes(root, 'root', HASH_BYTES) },
      signed: signedBytes,
    };
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause;
    throw new Refusal('BAD_HEAD', `the head file is damaged: ${cause.message}`, { cause });
  }
}

/** @throws Refusal BAD_HEAD where it is missing: a ledger is born with one */
export async function loadHeadFile(folder: string): Promise<{ bytes: Uint8Array; stored: StoredHead }> {
  const bytes = await readBytes(join(folder, HEAD_FILE));
  return { bytes, stored: readStoredHead(bytes) };
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new Refusal('BAD_HEAD', `${path} cannot be read`, { cause });
  }
}

/**
 * The head file must name the block it stands behind, and be signed by the log over that block's tree and index. Only
 * its time may be later: heads are signed again without a block.
 * @param point the chain directly after the head's block
 * @throws Refusal BAD_HEAD, BAD_SIGNATURE and the codes of a key lookup
 */
export function checkStoredHead(point: ChainPoint, stored: StoredHead, verifier: Verifier): void {
  const { blockNumber, blockHash, head, signed } = stored;
  const named = equal(point.previousHash, blockHash);
  demand(named, 'BAD_HEAD', `block ${blockNumber} is not the one that the head file names`);
  demand(head.time >= point.time, 'BAD_HEAD', 'the head is older than its block');
  const root = point.frontier.root();
  demand(equal(head.root, root), 'BAD_HEAD', `the root of block ${blockNumber} is not that of the head file`);
  checkHead(verifier, point.root!, signed, { ...headAt(point), time: head.time }, point.frontier.size);
}

/** What the log signs for the chain as it stands. */
export function headAt({ root, frontier, index, time }: ChainPoint): Head {
  const { origin, version } = root!;
  return { origin, size: frontier.size, root: frontier.root(), indexRoot: index.root(), time, rootVersion: version };
}

/** The head file under compare-and-swap: a second writer, or a copy restored under a running one, is found out. */
export class HeadFile {
  readonly #folder: string;
  #expected: Uint8Array;

  constructor(folder: string, expected: Uint8Array) {
    this.#folder = folder;
    this.#expected = expected;
  }

  /** Temporary file, fsync, rename, fsync of the folder. @throws Refusal BAD_HEAD where another head stands there */
  async store(next: StoredHead): Promise<void> {
    const path = join(this.#folder, HEAD_FILE);
    const found = await readBytes(path);
    demand(equal(found, this.#expected), 'BAD_HEAD', `${path} is not the head this process stored last`);
    const bytes = encodeStoredHead(next);
    await writeDurable(path, bytes);
    this.#expected = bytes;
  }
}
