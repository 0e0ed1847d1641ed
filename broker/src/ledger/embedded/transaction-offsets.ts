import { type BlockHeader, encodeHeader } from '../log/block.ts';

/** Where each transaction's bytes begin inside the stored block: CBOR [header, [bstr …], …]. */
export function transactionOffsets(header: BlockHeader, transactions: readonly Uint8Array[]): number[] {
  let at = 1 + encodeHeader(header).length + headBytes(transactions.length);
  return transactions.map(({ length }) => {
    const offset = at + headBytes(length);
    at = offset + length;
    return offset;
  });
}

/** Bytes of a CBOR head with this argument. */
function headBytes(n: number): number {
  if (n < 24) return 1;
  if (n < 0x100) return 2;
  return n < 0x10000 ? 3 : 5;
}
