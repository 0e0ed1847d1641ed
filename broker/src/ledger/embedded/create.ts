import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import { type Signer, signHead } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { flush, makeFolder, writeDurable } from '../../store/durable.ts';
import { parse } from '../contract/state.ts';
import { Execution, startOf } from '../execution.ts';
import { MemoryValues } from '../key-values.ts';
import { encodeBlock, encodeHeader, headOf, readBlock, signHeader } from '../log/block.ts';
import { replay } from '../replay.ts';
import { splitCompositeKey } from '../transaction-stub.ts';
import { encodeStoredHead, HEAD_FILE } from './head-file.ts';
import { Segments } from './segments.ts';

export interface Genesis {
  origin: string;
  /** Signed trust root, version 1. */
  rootBytes: Uint8Array;
  /** At least two `enrol` transactions, each signed by the key it enrols. */
  people: readonly Uint8Array[];
  ordererSigner: Signer;
  logSigner: Signer;
  verifier?: Verifier;
  now?: () => number;
}

/**
 * Makes the ledger in `dir`/ledger: block 0 with the trust root as entry 0 and the first people after it. It stands
 * there whole or not at all: it is made beside its place and renamed.
 * @throws Refusal EXISTS, BAD_ROOT, BAD_BLOCK and what the contract says of the people
 */
export async function createLedger(dir: string, genesis: Genesis): Promise<void> {
  const folder = join(dir, 'ledger');
  demand(!existsSync(folder), 'EXISTS', `${folder} is there already`);
  const { block, blockHash, head, signed } = await firstBlock(genesis);
  const temporary = `${folder}.new-${randomBytes(4).toString('hex')}`;
  await makeFolder(temporary);
  try {
    const segments = new Segments(temporary);
    await segments.append(0, block);
    await segments.close();
    await writeDurable(join(temporary, HEAD_FILE), encodeStoredHead({ blockNumber: 0, blockHash, head, signed }));
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
  await flush(dir);
}

/** Block 0 as it is signed, and where it leads. */
export async function firstBlock(genesis: Genesis) {
  const verifier = genesis.verifier ?? nodeVerifier();
  const { sha256 } = verifier;
  const time = (genesis.now ?? (() => Math.floor(Date.now() / 1000)))();
  const point = startOf(verifier);
  const execution = new Execution(point, new MemoryValues(), verifier, time);
  for (const bytes of [genesis.rootBytes, ...genesis.people]) await execution.add(bytes);
  const sealed = execution.seal();
  const { header, transactions, writes } = sealed;
  checkSomebodyApproves(writes);
  const { origin } = genesis;
  demand(header.origin === origin, 'BAD_ROOT', `the trust root is of ${header.origin}, not of ${origin}`);
  const ordererSignature = await signHeader(sha256, encodeHeader(header), genesis.ordererSigner);
  const head = headOf(header);
  const signed = await signHead(sha256, head, genesis.logSigner);
  const block = encodeBlock(header, transactions, ordererSignature, signed);
  // Read as everybody will read it: signers that the trust root does not name end here, not at the first start.
  const { next } = await replay(point, new MemoryValues(), readBlock(block), verifier);
  return { block, blockHash: next.previousHash, head, signed, sealed };
}

/** Without an approver no release could ever be confirmed, nor anybody be enrolled who could. */
function checkSomebodyApproves(writes: ReadonlyMap<string, Uint8Array | null>): void {
  const people = [...writes].filter(([key, value]) => value && splitCompositeKey(key).objectType === 'person');
  const approver = people.some(([, value]) => parse<'person'>(value!).roles.includes('approver'));
  demand(approver, 'BAD_STATEMENT', 'none of the first people is an approver');
}
