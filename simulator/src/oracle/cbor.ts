/**
 * A second reader of CBOR (RFC 8949), for the judge alone: whoever shares a decoder with the accused shares its faults.
 * It reads what the ledger holds, no floats and no indefinite lengths.
 */
export type Item =
  | number
  | bigint
  | string
  | Uint8Array
  | boolean
  | null
  | Item[]
  | Map<Item, Item>
  | { tag: number; item: Item };

/** @throws RangeError for anything that is not one whole item */
export function readCbor(bytes: Uint8Array): Item {
  const cursor = { at: 0 };
  const item = next(bytes, cursor);
  if (cursor.at !== bytes.length) throw new RangeError(`${bytes.length - cursor.at} bytes after the item`);
  return item;
}

function next(bytes: Uint8Array, cursor: { at: number }): Item {
  const first = bytes[cursor.at++];
  if (first === undefined) throw new RangeError('the bytes end inside an item');
  const major = first >> 5;
  if (major === 7) return simple(first);
  const value = argument(bytes, cursor, first & 31);
  if (major === 0) return value;
  if (major === 1) return -1 - Number(value);
  const count = Number(value);
  if (major === 2) return take(bytes, cursor, count);
  if (major === 3) return new TextDecoder('utf-8', { fatal: true }).decode(take(bytes, cursor, count));
  if (major === 6) return { tag: count, item: next(bytes, cursor) };
  if (count > bytes.length) throw new RangeError(`${count} items in ${bytes.length} bytes`);
  if (major === 4) return Array.from({ length: count }, () => next(bytes, cursor));
  return new Map(Array.from({ length: count }, (): [Item, Item] => [next(bytes, cursor), next(bytes, cursor)]));
}

function argument(bytes: Uint8Array, cursor: { at: number }, info: number): number | bigint {
  if (info < 24) return info;
  if (info > 27) throw new RangeError(`additional information ${info}`);
  const width = 1 << (info - 24);
  let value = 0n;
  for (const byte of take(bytes, cursor, width)) value = (value << 8n) | BigInt(byte);
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}

function take(bytes: Uint8Array, cursor: { at: number }, count: number): Uint8Array {
  if (count > bytes.length - cursor.at) throw new RangeError('the bytes end inside an item');
  cursor.at += count;
  return bytes.subarray(cursor.at - count, cursor.at);
}

function simple(first: number): boolean | null {
  if (first === 0xf4) return false;
  if (first === 0xf5) return true;
  if (first === 0xf6) return null;
  throw new RangeError(`simple value ${first & 31}`);
}
