/** Frames into the staging area of a device with one slot, and what must hold before its image may be touched. */
import { readWholeHeader } from '../delta/header.ts';
import { demand, Refusal } from '../errors.ts';
import type { FrameTaker, OneSlot, TakerOptions } from '../fetch/target.ts';
import type { Position, Route } from '../fetch/window.ts';
import { framesBytes } from '../format/frames.ts';
import { HASH_BYTES, type Sha256 } from '../format/merkle.ts';
import type { Payload } from '../format/suit.ts';
import type { OneSlotFlash } from '../ports.ts';
import { SlotWriter } from '../store/slots.ts';
import { checkTags } from './application.ts';
import { checkHeader, type InPlaceImages, rehearse } from './in-place-apply.ts';
import { Staged } from './staged.ts';

/**
 * Makes the flash of a device with one slot its slots.
 *
 * @example
 * new Device({ ...ports, slots: oneSlot({ slot, scratch, staging }), boot: oneSlotBoot(restart) });
 */
export function oneSlot(flash: OneSlotFlash): OneSlot {
  return {
    ...flash,
    stage: (options) => new Staging(flash, options),
    isStaged: (payload, sha256) => isStaged(flash, payload, sha256),
  };
}

function isStaged({ staging }: OneSlotFlash, payload: Payload, sha256: Sha256): boolean {
  try {
    new Staged(staging, payload).prove(sha256);
    return true;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

class Staging implements FrameTaker {
  readonly #flash: OneSlotFlash;
  readonly #o: TakerOptions;
  readonly #images: InPlaceImages;
  readonly #staged: Staged;
  readonly #writer: SlotWriter;
  /** Bytes of the staging area that a restart keeps. */
  #kept: number;

  /** @throws Refusal NO_STAGING */
  constructor(flash: OneSlotFlash, options: TakerOptions) {
    const { release, oldImage, resume } = options;
    const { payload } = release.branch;
    this.#flash = flash;
    this.#o = options;
    this.#images = { oldImage, newImage: release.manifest.image };
    this.#staged = new Staged(flash.staging, payload);
    this.#kept = resume?.written ?? 0;
    this.#writer = new SlotWriter(flash.staging, framesBytes(payload), this.#kept);
  }

  get route(): Route | undefined {
    const { resume } = this.#o;
    if (!resume) return undefined;
    const then = { index: resume.frameIndex, expected: resume.expected };
    return { lead: 0, then };
  }

  /** Takes the proven payload of the frame at `position`, which named the hash of `next`. @throws Refusal */
  take(bytes: Uint8Array, position: Position, next: Position | undefined): void {
    if (position.index === 0) this.#checkFirst(bytes);
    const start = position.index * (this.#staged.payload.frameBytes + HASH_BYTES);
    const skip = Math.max(0, this.#writer.offset - start);
    this.#writer.write(bytes.subarray(skip));
    if (next) this.#writer.write(next.expected.subarray(Math.max(0, skip - bytes.length)));
    const { durable } = this.#writer;
    if (durable <= this.#kept || durable < start || !next) return;
    this.#kept = durable;
    this.#o.save({
      frameIndex: position.index,
      expected: position.expected,
      skip: durable - start,
      written: durable,
      checkpoint: new Uint8Array(),
    });
  }

  /**
   * The container is read back along its chain and decoded once from end to end, over the base as it will dwindle, with
   * nothing written: what a decoder would refuse half-way is refused while the device still has its image.
   * @throws Refusal RESULT_MISMATCH, WRONG_BASE, BAD_DELTA, NO_MEMORY
   */
  finish(): void {
    const { workspace, hash, sha256 } = this.#o;
    this.#writer.finish();
    this.#staged.prove(sha256);
    rehearse({ ...this.#flash, ...this.#images, workspace, hash, container: this.#staged });
  }

  /** The header lies whole in the first frame: what this device cannot do is not fetched. */
  #checkFirst(frame: Uint8Array): void {
    const header = readWholeHeader(frame);
    checkTags(header, this.#images);
    checkHeader(header, this.#flash);
    demand(
      header.workspaceBytes <= this.#o.workspace.length,
      'NO_MEMORY',
      `workspace of ${header.workspaceBytes} needed`,
    );
  }
}
