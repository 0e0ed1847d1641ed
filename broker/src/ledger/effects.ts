/** What a block's state writes mean outside the contract: their hash, and the class index. */
import { encode, type IndexEntry, type Value } from '@countersign/device-sdk/format';
import { fromHex, parse } from './contract/state.ts';
import { splitCompositeKey } from './transaction-stub.ts';

/** Keys are ASCII, so the order of strings is the order of their bytes. */
export function encodeWrites(writes: ReadonlyMap<string, Uint8Array | null>): Uint8Array {
  const keys = [...writes.keys()].sort();
  return encode(keys.map((key): Value => [Buffer.from(key), writes.get(key)!]));
}

export function indexChanges(writes: ReadonlyMap<string, Uint8Array | null>): IndexEntry[] {
  const entries: IndexEntry[] = [];
  for (const [key, value] of writes) {
    if (value !== null && splitCompositeKey(key).objectType === 'index') entries.push(indexEntry(value));
  }
  return entries;
}

/** The entry that devices check, from the contract's record of it. */
export function indexEntry(value: Uint8Array): IndexEntry {
  const state = parse<'index'>(value);
  return {
    classId: fromHex(state.classId),
    releaseLeaf: fromHex(state.releaseLeaf),
    sequence: state.sequence,
    rolloutDigest: fromHex(state.rolloutDigest),
    rolloutSequence: state.rolloutSequence,
    state: state.state,
    floor: state.floor,
  };
}
