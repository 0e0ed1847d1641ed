/** One slot, a scratch page, a staging area and a journal on one flash, under power cuts. */
import { BlockOrder, type Direction } from '@countersign/device-sdk/delta';
import type { Payload } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import {
  applyInPlace,
  type InPlaceProgress,
  type InPlaceSource,
  InPlaceWriter,
  Journal,
  rehearse,
  Staged,
} from '@countersign/device-sdk/install';
import { PagePool, PowerCut, PowerCutter, partition, VirtualFlash } from '@countersign/device-sdk/rig';

export interface Geometry {
  writeBytes: number;
  eraseBytes: number;
}

const verifier = nodeVerifier();
const KEY = 1;
const pool = new PagePool();

export interface Sizes {
  slotBytes: number;
  scratchBytes: number;
  stagingBytes: number;
}

export class Board {
  readonly flash: VirtualFlash;
  readonly slot;
  readonly scratch;
  readonly staging;
  readonly #store;

  constructor(geometry: Geometry, sizes: Sizes, seed: string) {
    const { slotBytes, scratchBytes, stagingBytes } = sizes;
    const storeBytes = 4 * geometry.eraseBytes;
    const bytes = storeBytes + slotBytes + scratchBytes + stagingBytes;
    this.flash = new VirtualFlash({ ...geometry, bytes, pool, power: new PowerCutter(seed) });
    const [store, slot, scratch, staging] = partition(this.flash, storeBytes, slotBytes, scratchBytes, stagingBytes);
    this.#store = store!;
    this.slot = slot!;
    this.scratch = scratch!;
    this.staging = staging!;
    Journal.format(this.#store);
  }

  /** A start of the device: what the journal says is all that it knows. @returns false when the power went */
  boot(work: (progress: InPlaceProgress | undefined, save: (progress: InPlaceProgress) => void) => void): boolean {
    try {
      const journal = Journal.open(this.#store);
      const stored = journal.get(KEY);
      work(stored && readProgress(stored), (progress) => journal.put([[KEY, progressBytes(progress)]]));
      return true;
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      this.flash.power.restorePower();
      return false;
    }
  }
}

function progressBytes({ done, copying, checkpoint }: InPlaceProgress): Uint8Array {
  return Uint8Array.from([done, copying ? 1 : 0, ...checkpoint]);
}

function readProgress(bytes: Uint8Array): InPlaceProgress {
  return { done: bytes[0]!, copying: bytes[1] === 1, checkpoint: bytes.slice(2) };
}

export interface Plain {
  image: Uint8Array;
  pageBytes: number;
  inPlace: Direction;
  /** Pieces in which the image comes, whole write units. */
  pieceBytes: number;
}

/**
 * Writes without a decoder, so that both directions are tried whatever it can do: every byte of a page is made from the
 * byte of the base at the same place, which must still be there.
 */
export function writePlain(board: Board, base: Uint8Array, plain: Plain): boolean {
  return board.boot((resume, save) => {
    const { image, pageBytes, inPlace, pieceBytes } = plain;
    const { slot, scratch } = board;
    const order = new BlockOrder(image.length, pageBytes, inPlace);
    let turn = 0;
    const checkpoint = () => Uint8Array.of(turn);
    const writer = new InPlaceWriter({ slot, scratch, order, resume, checkpoint, save });
    turn = writer.complete ? order.count : (writer.progress.checkpoint[0] ?? 0);
    for (; turn < order.count; turn++) {
      for (let done = 0; done < order.length(turn); done += pieceBytes) {
        const offset = order.start(turn) + done;
        const there = new Uint8Array(Math.min(pieceBytes, order.length(turn) - done));
        slot.read(offset, there);
        writer.write(
          offset,
          there.map((byte, i) => byte ^ base[offset + i]! ^ image[offset + i]!),
        );
      }
    }
    writer.finish();
  });
}

export function applyStaged(
  board: Board,
  job: Omit<InPlaceSource, 'slot' | 'scratch' | 'staging' | 'container'>,
  payload: Payload,
): boolean {
  const { slot, scratch, staging } = board;
  const source = { ...job, slot, scratch, staging, container: new Staged(staging, payload) };
  return board.boot((progress, save) => {
    if (!progress) {
      source.container.prove(verifier.sha256);
      rehearse(source);
    }
    applyInPlace({ ...source, progress, save });
  });
}
