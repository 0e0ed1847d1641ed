import { toHex } from '../contract/state.ts';
import type { ChainPoint, Sealed } from '../execution.ts';
import type { Tiles } from '../log/tiles.ts';
import type { Place } from './segments.ts';
import type { LedgerIndex } from './stores.ts';
import { transactionOffsets } from './transaction-offsets.ts';

/** Takes a durable block into tree and index, without a pause in between: the one place where both move. */
export function record(index: LedgerIndex, tiles: Tiles, sealed: Sealed, next: ChainPoint, place: Place): void {
  const { header, leaves, firstLeaf, transactions } = sealed;
  const offsets = transactionOffsets(header, transactions);
  for (const [i, { hash, transaction }] of leaves.entries()) {
    tiles.append(hash);
    const length = transaction === undefined ? 0 : transactions[transaction]!.length;
    const offset = transaction === undefined ? 0 : place.offset + offsets[transaction]!;
    const { number: block, time } = header;
    index.putLeaf(firstLeaf + i, { hash, block, time, segment: place.segment, offset, length });
  }
  for (const [key, value] of sealed.writes) index.putState(key, value);
  for (const { key, leafIndex, value } of sealed.changes) index.putHistory(key, leafIndex, value);
  const { number, treeSize: size, time } = header;
  index.putBlock(number, place);
  index.finishBlock({ number, hash: toHex(next.previousHash), size, time, place });
}
