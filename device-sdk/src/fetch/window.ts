/**
 * The window of frames in flight. Frames may arrive in any order and more than once; each is proven against the hash
 * that the frame before it named, so those ahead wait unproven, a few that fit the workspace, never more.
 */

import { frameLength, openFrame } from '../format/frames.ts';
import type { Sha256 } from '../format/merkle.ts';
import type { Payload } from '../format/suit.ts';

export interface Position {
  /** Next frame in order. */
  index: number;
  /** SHA-256 that it must have. */
  expected: Uint8Array;
}

/**
 * Where a fetch that was interrupted goes on. The expected hash of the later frame comes from the journal: this chain
 * named it once, when every frame before it had been proven. The first frames are proven from the signed head again.
 */
export interface Route {
  /** Frames from the chain's head that are needed once more; fewer than the index of `then`. */
  lead: number;
  then: Position;
}

export class FrameWindow {
  readonly #sha256: Sha256;
  readonly #payload: Payload;
  readonly #width: number;
  readonly #waiting = new Map<number, Uint8Array>();
  #position: Position | undefined;
  /** What follows the frame before {@link #end}; undefined on the last stretch. */
  #then: Position | undefined;
  /** The stretch at hand ends before this frame. */
  #end: number;
  /** The first frame never asked for in this round. */
  #asked: number;

  /** @param width frames in flight at once */
  constructor(sha256: Sha256, payload: Payload, width: number, route?: Route) {
    this.#sha256 = sha256;
    this.#payload = payload;
    this.#width = width;
    const leads = route === undefined || route.lead > 0;
    this.#position = leads ? { index: 0, expected: payload.chainHead } : route.then;
    this.#then = leads ? route?.then : undefined;
    this.#end = this.#then ? route!.lead : payload.frameCount;
    this.#asked = this.#position.index;
  }

  /** Undefined when the last frame has been taken. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** What to ask for now, and count it as asked; undefined while enough is in flight. */
  ask(): { first: number; count: number } | undefined {
    if (!this.#position) return undefined;
    const end = Math.min(this.#position.index + this.#width, this.#end);
    // Asking in halves keeps the link busy while the first half is decoded.
    const worth = this.#asked === this.#position.index || end - this.#asked >= this.#width / 2 || end === this.#end;
    if (this.#asked >= end || !worth) return undefined;
    const first = this.#asked;
    this.#asked = end;
    return { first, count: end - first };
  }

  /** Everything not here yet counts as lost: the next {@link ask} starts again at the first gap. */
  lost(): void {
    if (!this.#position) return;
    let gap = this.#position.index;
    while (this.#waiting.has(gap)) gap++;
    this.#asked = gap;
  }

  /**
   * Keeps a frame that lies inside the window and has its exact length: a longer one would take more RAM than planned.
   * @returns 'wrong' for another length, which is dropped and counts as not asked for; 'idle' for what nobody waits for
   */
  offer(index: number, frame: Uint8Array): 'kept' | 'wrong' | 'idle' {
    const start = this.#position?.index;
    if (start === undefined || index < start || index >= Math.min(start + this.#width, this.#end)) return 'idle';
    if (this.#waiting.has(index)) return 'idle';
    if (frame.length !== frameLength(this.#payload, index)) {
      this.lost();
      return 'wrong';
    }
    this.#waiting.set(index, frame);
    return 'kept';
  }

  /**
   * The next frame's payload, proven, or undefined where it has not arrived.
   * @throws Refusal BAD_FRAME; the frame's place is free again and it counts as not asked for
   */
  take(): Uint8Array | undefined {
    const position = this.#position;
    const frame = position && this.#waiting.get(position.index);
    if (!position || !frame) return undefined;
    this.#waiting.delete(position.index);
    try {
      const { bytes, next } = openFrame(this.#sha256, this.#payload, position.index, position.expected, frame);
      this.#position = next && { index: position.index + 1, expected: next };
      if (this.#position?.index === this.#end) this.#jump();
      return bytes;
    } catch (error) {
      this.lost();
      throw error;
    }
  }

  /** The frames in between have been decoded, and what they made is in the slot. */
  #jump(): void {
    this.#position = this.#then;
    this.#then = undefined;
    this.#end = this.#payload.frameCount;
    this.#asked = this.#position!.index;
  }
}
