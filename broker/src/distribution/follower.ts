import { join } from 'node:path';
import { codeOf, demand } from '@countersign/device-sdk';
import {
  asArray,
  asUint,
  decode,
  encode,
  HEADER_PREVIOUS,
  HEADER_TYP,
  KINDS,
  type Kind,
  type Report,
  type Rollout,
  readReport,
  readRollout,
  readSign1,
  readStatement,
  readTransaction,
  type Transaction,
  typOf,
} from '@countersign/device-sdk/format';
import { logText } from '@countersign/device-sdk/host/command-words';
import type { LedgerClient, LedgerEvent } from '../ledger/client.ts';
import { makeFolder, writeDurable } from '../store/durable.ts';
import { readIfThere } from './files.ts';
import type { Log } from './ports.ts';

/** The place in the ledger is stored this often; entries seen twice after a crash change nothing. */
const STORE_EVERY_LEAVES = 4096;

/** What followers hear, one call per entry, in the order of the ledger. */
export interface LedgerEars {
  release(leafHash: Uint8Array): Promise<void>;
  rollout(rollout: Rollout): void;
  report(report: Report): void;
  transaction(tx: Transaction): void;
  /** A trust root was logged. */
  root(): void;
}

/** Follows the ledger from where it was left. The entries are hints of what to look at; each ear checks for itself. */
export async function followEntries(
  ledger: LedgerClient,
  dir: string,
  ears: LedgerEars,
  log: Log,
): Promise<{ readonly next: number; stop(): Promise<void> }> {
  await makeFolder(dir);
  const path = join(dir, 'followed.cbor');
  let next = await recall(path);
  let stored = next;

  const following = ledger.follow(
    next,
    async (event) => {
      await hear(event);
      next = event.leafIndex + 1;
      if (next - stored >= STORE_EVERY_LEAVES) await store();
    },
    // Only the disk can end it: this server then answers devices still, but must be looked at.
    (error) => log.error({ code: codeOf(error), text: String(error) }, 'the ledger is no longer followed'),
  );
  return {
    get next() {
      return next;
    },
    async stop() {
      following.stop();
      await store();
    },
  };

  async function store(): Promise<void> {
    if (next === stored) return;
    stored = next;
    await writeDurable(path, encode([1, next]));
  }

  async function hear({ bytes, leafHash, leafIndex }: LedgerEvent): Promise<void> {
    try {
      const kind = kindOf(bytes);
      if (kind === 'root') ears.root();
      if (kind === 'release') await ears.release(leafHash);
      else if (kind === 'rollout') ears.rollout(readRollout(readStatement(bytes, kind).payload));
      else if (kind === 'report') ears.report(readReport(readStatement(bytes, kind).payload));
      else if (kind === 'tx') ears.transaction(readTransaction(readStatement(bytes, kind).payload));
    } catch (error) {
      // An entry that cannot be read here concerns nobody here; a release that cannot be confirmed stays unsigned.
      log.warn({ leafIndex, code: codeOf(error), text: logText(error) }, 'a ledger entry was passed over');
    }
  }
}

/** Every entry is one COSE_Sign1, except trust roots, which are a payload with several signatures. */
function kindOf(bytes: Uint8Array): Kind | 'release' | undefined {
  const value = decode(bytes);
  if (Array.isArray(value)) return 'root';
  const { protected: header } = readSign1(value);
  if (header.has(HEADER_PREVIOUS)) return 'release';
  return KINDS.find((kind) => typOf(kind) === header.get(HEADER_TYP));
}

async function recall(path: string): Promise<number> {
  const bytes = await readIfThere(path);
  if (!bytes) return 0;
  const [version, leaf] = asArray(decode(bytes), 'place in the ledger', 2);
  demand(version === 1, 'BAD_STORE', `${path}: version ${String(version)}`);
  return asUint(leaf, 'next leaf');
}
