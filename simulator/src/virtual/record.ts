import type { MemoryLedger } from '@countersign/broker/ledger/memory/ledger';
import { Chronicle } from '../oracle/chronicle.ts';

/** The blocks of a ledger in this process, each read once by the judge: whoever asks has them up to the newest. */
export function chronicleOf({ blocks }: Pick<MemoryLedger, 'blocks'>): () => Chronicle {
  const chronicle = new Chronicle();
  let read = 0;
  return () => {
    for (; read < blocks.length; read++) chronicle.addBlock(blocks[read]!);
    return chronicle;
  };
}
