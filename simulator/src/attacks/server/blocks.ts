/** Blocks of a ledger as whoever carries them has them: read, replayed, and made in another form. */
import { type ChainPoint, type Sealed, startOf } from '@countersign/broker/ledger/execution';
import { MemoryValues } from '@countersign/broker/ledger/key-values';
import {
  type BlockHeader,
  encodeBlock,
  encodeHeader,
  headOf,
  readBlock,
  signHeader,
} from '@countersign/broker/ledger/log/block';
import { replay } from '@countersign/broker/ledger/replay';
import { type Signer, signHead } from '@countersign/device-sdk/format';
import { otherSignature } from '../forge.ts';
import { sha256, verifier, type World } from './ledger-world.ts';

export async function blocksOf({ ledger }: World): Promise<Uint8Array[]> {
  const { reader, standing } = ledger.inside;
  const blocks: Uint8Array[] = [];
  for (let i = 0; i <= standing.head.blockNumber; i++) blocks.push(await reader.block(i));
  return blocks;
}

export interface Chain {
  point: ChainPoint;
  values: MemoryValues;
  sealed: Sealed[];
}

/** From the first block on. @throws Refusal of the first block that is none */
export async function replayed(blocks: readonly Uint8Array[]): Promise<Chain> {
  const values = new MemoryValues();
  const sealed: Sealed[] = [];
  let point = startOf(verifier);
  for (const bytes of blocks) {
    const one = await replay(point, values, readBlock(bytes), verifier);
    values.apply(one.sealed.writes);
    sealed.push(one.sealed);
    point = one.next;
  }
  return { point, values, sealed };
}

/** A block with this header, signed by these. */
export async function signedBlock(
  header: BlockHeader,
  transactions: readonly Uint8Array[],
  orderer: Signer,
  log: Signer,
): Promise<Uint8Array> {
  const signature = await signHeader(sha256, encodeHeader(header), orderer);
  return encodeBlock(header, transactions, signature, await signHead(sha256, headOf(header), log));
}

/** What anybody on the way can make of a block whose keys are of P-256: other bytes that the curve calls signed. */
export const OTHER_FORMS: Readonly<Record<string, (block: Uint8Array) => Uint8Array>> = {
  "the orderer's signature": (bytes) => {
    const { header, transactions, ordererSignature, head } = readBlock(bytes);
    return encodeBlock(header, transactions, otherSignature(ordererSignature), head);
  },
  "the log's signature": (bytes) => {
    const { header, transactions, ordererSignature, head } = readBlock(bytes);
    return encodeBlock(header, transactions, ordererSignature, otherSignature(head));
  },
};
