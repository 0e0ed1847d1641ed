/** What lies in the slots, read past the device's power, loader and SDK. */
import { bootRegion } from '@countersign/device-sdk/rig';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import { digestOf } from './chronicle.ts';
import type { JudgedRelease } from './release.ts';

type Region = ReturnType<typeof bootRegion>;
type SlotNumber = 0 | 1;

/** Lengths of released images, by SHA-256 in hex. */
export type Sizes = ReadonlyMap<string, number>;

/** What was ever released: the application's images, and those of further components by id. */
export interface Known {
  sizes: Sizes;
  parts: ReadonlyMap<string, Sizes>;
  images: ReadonlyMap<string, readonly JudgedRelease[]>;
}

/** Slots of one number, all components together. */
export interface Standing {
  /** SHA-256 in hex of the application; undefined where nothing lies there that was ever released. */
  image: string | undefined;
  /** Releases of which every component lies there, and none besides. Empty: a mix. */
  releases: readonly JudgedRelease[];
  /** Equal for equal sets. */
  name: string;
  /** What lies there, for people. */
  text: string;
}

/** Images that were recognised once, by their digest: the next slot is compared, which is faster than any hash. */
export class Images {
  readonly #bytes = new Map<string, Uint8Array>();

  /** @returns the digest, where one of the images that are known lies there */
  in(region: Region, known: Sizes): string | undefined {
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

  /** The slots that the loader boots from, or would. */
  booted(device: VirtualDevice, known: Known): Standing {
    const { board } = device;
    const region = bootRegion(board);
    const slot = Array.isArray(board.slots) && region === board.slots[1] ? 1 : 0;
    return this.#standing(device, slot, region, known);
  }

  /** The slots that the loader would try next or is trying; undefined where there are none, or only one slot. */
  tried(device: VirtualDevice, known: Known): Standing | undefined {
    const { board } = device;
    if (!('record' in board.boot) || 'slot' in board.slots) return undefined;
    const { trial } = board.boot.record;
    return trial === undefined ? undefined : this.#standing(device, trial, board.slots[trial], known);
  }

  #standing({ board }: VirtualDevice, slot: SlotNumber, region: Region, known: Known): Standing {
    const further = 'slot' in board.slots ? [] : (board.slots.components ?? []);
    const image = this.in(region, known.sizes);
    const parts = further.map(({ id, slots }) => ({ id, digest: this.in(slots[slot], known.parts.get(id) ?? NONE) }));
    const releases = (image === undefined ? [] : (known.images.get(image) ?? [])).filter(
      ({ components }) =>
        components.length === parts.length &&
        components.every(({ id, digest }) => parts.some((part) => part.id === id && part.digest === digest)),
    );
    const name = [image, ...parts.map(({ digest }) => digest)].join(' ');
    const text = releases.at(-1)?.version ?? mixText(image, parts, known);
    return { image, releases, name, text };
  }
}

const NONE: Sizes = new Map();

/** `1.1.0 with radio of 1.0.0` */
function mixText(
  image: string | undefined,
  parts: readonly { id: string; digest: string | undefined }[],
  { images }: Known,
): string {
  const every = [...images.values()].flat();
  const own = image && images.get(image)?.at(-1)?.version;
  const named = parts.map(({ id, digest }) => {
    const of = every.findLast(({ components }) => components.some((one) => one.id === id && one.digest === digest));
    return of ? `${id} of ${of.version}` : `${id} that was never released`;
  });
  return [own ?? 'an image that was never released', ...named].join(' with ');
}

export function isOneSlot({ board }: VirtualDevice): boolean {
  return 'slot' in board.slots;
}
