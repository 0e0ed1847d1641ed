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
import { checkHeader, type InPlaceSource, rehearse } from './in-place-apply.ts';
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
  readonly #o: TakerOptions;
  readonly #source: InPlaceSource;
  readonly #writer: SlotWriter;
  /** Bytes of the staging area that a restart keeps. */
  #kept: number;

  /** @throws Refusal NO_STAGING */
  constructor(flash: OneSlotFlash, options: TakerOptions) {
    const container = new Staged(flash.staging, options.payload);
    this.#o = options;
    this.#source = { ...flash, ...options, container };
    this.#kept = options.resume?.written ?? 0;
    this.#writer = new SlotWriter(flash.staging, framesBytes(options.payload), this.#kept);
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
    const start = position.index * (this.#source.container.payload.frameBytes + HASH_BYTES);
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
   * nothing written: what would be found half-way or behind the end is found while the device still has its image.
   * @throws Refusal RESULT_MISMATCH, WRONG_BASE, BAD_DELTA, NO_MEMORY
   */
  finish(): void {
    this.#writer.finish();
    this.#source.container.prove(this.#o.sha256);
    rehearse(this.#source);
  }

  /** The header lies whole in the first frame: what this device cannot do is not fetched. */
  #checkFirst(frame: Uint8Array): void {
    const header = readWholeHeader(frame, this.#o.decoders);
    checkTags(header, this.#source);
    checkHeader(header, this.#source);
    demand(
      header.workspaceBytes <= this.#o.workspace.length,
      'NO_MEMORY',
      `workspace of ${header.workspaceBytes} needed`,
    );
  }
}
