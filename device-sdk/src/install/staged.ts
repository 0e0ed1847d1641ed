/** A container in the staging area: its frames one behind another as they came, each with the hash of the next. */
import { demand, Refusal } from '../errors.ts';
import { frameLength, framesBytes, openFrame } from '../format/frames.ts';
import { HASH_BYTES, type Sha256 } from '../format/merkle.ts';
import type { Payload } from '../format/suit.ts';
import type { Flash } from '../ports.ts';
import { readAt } from '../store/units.ts';

/** @throws Refusal NO_STAGING for a container that is larger than the staging area */
export function demandStaging(staging: Flash, payload: Payload): void {
  const bytes = framesBytes(payload);
  demand(bytes <= staging.bytes, 'NO_STAGING', `${bytes} bytes, a staging area of ${staging.bytes}`);
}

export class Staged {
  readonly payload: Payload;
  readonly #flash: Flash;

  constructor(flash: Flash, payload: Payload) {
    demandStaging(flash, payload);
    this.#flash = flash;
    this.payload = payload;
  }

  /** Bytes of the container from `at` on: as many as its frame has there, or `most`. */
  read(at: number, most = this.payload.frameBytes): Uint8Array {
    const { frameBytes, bytes } = this.payload;
    const index = Math.floor(at / frameBytes);
    const end = Math.min((index + 1) * frameBytes, bytes, at + most);
    return readAt(this.#flash, at + HASH_BYTES * index, end - at);
  }

  /** Walks the chain from its signed head: nothing but the head has to be remembered. @throws Refusal RESULT_MISMATCH */
  prove(sha256: Sha256): void {
    const { payload } = this;
    let expected: Uint8Array | undefined = payload.chainHead;
    for (let i = 0; expected; i++) {
      const frame = readAt(this.#flash, i * (payload.frameBytes + HASH_BYTES), frameLength(payload, i));
      expected = this.#next(sha256, i, expected, frame);
    }
  }

  #next(sha256: Sha256, index: number, expected: Uint8Array, frame: Uint8Array): Uint8Array | undefined {
    try {
      return openFrame(sha256, this.payload, index, expected, frame).next;
    } catch (cause) {
      throw new Refusal('RESULT_MISMATCH', `frame ${index} has changed in the staging area`, { cause });
    }
  }
}
