/** What lies in a slot, read past the device's power, loader and SDK. */
import { bootRegion } from '@countersign/device-sdk/rig';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import { digestOf } from './chronicle.ts';

type Region = ReturnType<typeof bootRegion>;

/** Images that were recognised once, by their digest: the next slot is compared, which is faster than any hash. */
export class Images {
  readonly #bytes = new Map<string, Uint8Array>();

  /** @param known lengths by SHA-256 in hex. @returns the digest, where one of them lies there */
  in(region: Region, known: ReadonlyMap<string, number>): string | undefined {
    for (const [digest, bytes] of this.#bytes) {
      if (known.get(digest) === bytes.length && bytes.length <= region.bytes) {
        if (Buffer.compare(region.dump(0, bytes.length), bytes) === 0) return digest;
      }
    }
    for (const bytes of new Set(known.values())) {
      if (bytes > region.bytes) continue;
      const image = region.dump(0, bytes);
      const digest = digestOf(image);
      if (known.get(digest) !== bytes) continue;
      this.#bytes.set(digest, image.slice());
      return digest;
    }
    return undefined;
  }
}

/** The slot that the loader would try next or is trying; undefined where there is none, or only one slot. */
export function trialRegion({ board }: VirtualDevice): Region | undefined {
  if (!('record' in board.boot) || !Array.isArray(board.slots)) return undefined;
  const { trial } = board.boot.record;
  return trial === undefined ? undefined : (board.slots[trial] as Region);
}

/** SHA-256 of a further component, in its slot with the number of the one that boots. */
export function componentDigest({ board }: VirtualDevice, id: string, bytes: number): string | undefined {
  if ('slot' in board.slots) return undefined;
  const slot = bootRegion(board) === board.slots[0] ? 0 : 1;
  const region = board.slots.components?.find((item) => item.id === id)?.slots[slot];
  return region && bytes <= region.bytes ? digestOf(region.dump(0, bytes)) : undefined;
}

export function isOneSlot({ board }: VirtualDevice): boolean {
  return 'slot' in board.slots;
}
