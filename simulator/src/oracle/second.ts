/**
 * Second signatures as they came over the air. The ledger holds their digests alone (in rollout statements), so the judge
 * listens to what devices hear; what does not fit a digest counts for nothing, whoever said it.
 */
import { type Item, readCbor } from './cbor.ts';
import { hex, sha256 } from './crypto.ts';

/** Messages that somebody altered on their way are kept too, until the ledger tells which ones count. */
const KEPT_MAX = 4096;

export class Overheard {
  readonly #blocks = new Map<string, Uint8Array>();

  /** An announcement as the topic carries it, or an answer [id, kind, [announcement, …]]. */
  add(message: Uint8Array): void {
    const block = quiet(() => {
      const items = readCbor(message) as Item[];
      const inside = Array.isArray(items[2]) ? (items[2] as Item[])[0] : undefined;
      return inside instanceof Uint8Array ? secondOf(readCbor(inside) as Item[]) : secondOf(items);
    });
    if (!(block instanceof Uint8Array)) return;
    this.#blocks.set(hex(sha256(block)), block.slice());
    if (this.#blocks.size > KEPT_MAX) this.#blocks.delete(this.#blocks.keys().next().value!);
  }

  /** @param digest SHA-256 in hex of block 2 */
  block(digest: string): Uint8Array | undefined {
    return this.#blocks.get(digest);
  }
}

/** [1, bstr envelope, …]; envelope 107({2: bstr [digest, block 1, block 2], 3: manifest}) */
function secondOf([, envelope]: Item[]): Uint8Array {
  const { item } = readCbor(envelope as Uint8Array) as { item: Map<Item, Item> };
  const [, , second] = readCbor(item.get(2) as Uint8Array) as Item[];
  return second as Uint8Array;
}

function quiet<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
