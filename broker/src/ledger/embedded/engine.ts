/** The embedded ledger: one process, one folder, real fsync. It is a single orderer and does not pretend otherwise. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { type LedgerSigner, signerUnder } from '../../keys/signers.ts';
import { Checkpoints } from '../c2sp/checkpoints.ts';
import { CHECKPOINT_FILE, noteFile } from '../c2sp/note-file.ts';
import { HeadFile } from './head-file.ts';
import { lock } from './lock.ts';
import { Reader } from './reader.ts';
import { type Recovered, recover } from './recover.ts';
import { Segments } from './segments.ts';
import { type EmbeddedLedger, Growth, ledgerSource } from './source.ts';
import { Writer } from './writer.ts';

/** Heads are signed again at this part of the trust root's maximum age. */
const REFRESH_PART = 4;
/** setTimeout knows no longer time than this. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export type { EmbeddedLedger } from './source.ts';

export interface LedgerOptions {
  /** Or several keys of the role: each trust root in force says which of them signs. */
  ordererSigner: LedgerSigner;
  logSigner: LedgerSigner;
  verifier?: Verifier;
  /** Seconds since the epoch; the system's clock by default. */
  now?: () => number;
  /** A new block file is begun beyond this size. */
  segmentBytesMax?: number;
}

/**
 * Opens the ledger in `dir`/ledger, mends an unfinished last block, brings the index up.
 * @throws Refusal NOT_FOUND, LOCKED, BAD_HEAD, BAD_BLOCK, TORN, BAD_STORE; UNKNOWN_KEY or WRONG_ROLE for other keys than
 * the trust root names
 */
export async function openLedger(dir: string, options: LedgerOptions): Promise<EmbeddedLedger> {
  const folder = join(dir, 'ledger');
  demand(existsSync(folder), 'NOT_FOUND', `there is no ledger in ${dir}`);
  const unlock = await lock(join(folder, 'lock'));
  try {
    return await open(folder, options, unlock);
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function open(folder: string, options: LedgerOptions, unlock: () => Promise<void>): Promise<EmbeddedLedger> {
  const verifier = options.verifier ?? nodeVerifier();
  const now = options.now ?? (() => Math.floor(Date.now() / 1000));
  const recovered = await recover(folder, join(folder, 'index'), verifier);
  const { index, tiles, point, head, headBytes, mended } = recovered;
  const segments = new Segments(folder, options.segmentBytesMax);
  try {
    await checkSigners(verifier, recovered, options);
    const headFile = new HeadFile(folder, headBytes);
    const growth = new Growth();
    const { ordererSigner, logSigner } = options;
    const parts = { verifier, segments, headFile, index, tiles, ordererSigner, logSigner, now };
    const writer = new Writer(parts, point, head, () => growth.tell());
    // A whole block beyond the stored head was replayed: its head is signed and promised now.
    if (head.blockNumber + 1 < point.number) await writer.promise();
    const reader = new Reader(verifier.sha256, writer, index, tiles, segments);
    const checkpoints = new Checkpoints({
      ...{ verifier, logSigner, store: noteFile(join(folder, CHECKPOINT_FILE)), trust: () => writer.point.root! },
      ...{ head: () => writer.head.head, rootAt: (size) => reader.rootAt(size) },
    });
    const timer = refreshing(writer);
    const close = async () => {
      timer.stop();
      growth.end();
      await writer.close();
      await segments.close();
      await index.close();
      await unlock();
    };
    return ledgerSource(writer, reader, growth, checkpoints, mended, close);
  } catch (error) {
    await segments.close();
    await index.close();
    throw error;
  }
}

/** Keys that nobody accepts must be found at the start, not at the first entry. */
async function checkSigners(verifier: Verifier, { point }: Recovered, options: LedgerOptions): Promise<void> {
  await signerUnder(verifier, point.root!, 'orderer', options.ordererSigner);
  await signerUnder(verifier, point.root!, 'log', options.logSigner);
}

/** Each wait is of the trust root in force when it begins; a new root is a block of its own, with a fresh head. */
function refreshing(writer: Writer): { stop(): void } {
  let timer: NodeJS.Timeout;
  const wait = () => {
    const seconds = Math.max(1, Math.floor(writer.point.root!.headAgeMax / REFRESH_PART));
    timer = setTimeout(
      () => {
        // A failure here stops the writer, and the next submit says why.
        void writer.refreshHead();
        wait();
      },
      Math.min(seconds * 1000, TIMEOUT_MS_MAX),
    );
    timer.unref();
  };
  wait();
  return { stop: () => clearTimeout(timer) };
}
