/** Time and network of the trial bench: virtual, in order, and over at once. */
import { setImmediate } from 'node:timers/promises';
import { type Link, type LinkEvents, Refusal, type Timer } from '@countersign/device-sdk';
import {
  ANNOUNCE,
  encodeAnswer,
  equal,
  FRAMES,
  type Payload,
  REFUSED,
  readRequest,
} from '@countersign/device-sdk/format';

/** A trial makes some hundred steps; one that makes this many goes round in circles. */
const STEPS_MAX = 200_000;

/** Time that passes only when nothing else is left to do. */
export class BenchTimer implements Timer {
  #now = 0;
  #next = 0;
  readonly #due = new Map<number, { at: number; call: () => void }>();

  after(ms: number, call: () => void): () => void {
    const id = this.#next++;
    this.#due.set(id, { at: this.#now + ms, call });
    return () => void this.#due.delete(id);
  }

  /** Runs until `done` says so. @throws Refusal TRIAL_RIG when there is nothing left to wait for, or no end */
  async runUntil(done: () => boolean): Promise<void> {
    for (let step = 0; step < STEPS_MAX; step++) {
      await setImmediate(); // every promise that can go on has gone on
      if (done()) return;
      const first = [...this.#due].reduce(
        (a, b) => (b[1].at < a[1].at ? b : a),
        [-1, { at: Infinity, call: () => {} }],
      );
      if (first[0] < 0) throw new Refusal('TRIAL_RIG', 'the device waits for nothing');
      this.#due.delete(first[0]);
      this.#now = first[1].at;
      first[1].call();
    }
    throw new Refusal('TRIAL_RIG', `the device came to no end in ${STEPS_MAX} steps`);
  }
}

/** A server that has one announcement and these payloads, on a link that loses nothing. */
export function benchLink(
  timer: Timer,
  announcement: Uint8Array,
  payloads: readonly { payload: Payload; frames: readonly Uint8Array[] }[],
): Link {
  let events: LinkEvents | undefined;
  return {
    open(on, login) {
      events = on;
      login().then(
        () => events?.up(),
        () => {}, // the power went while the device signed its login
      );
    },
    async request(bytes) {
      const request = readRequest(bytes);
      const { id } = request;
      if (request.kind === ANNOUNCE)
        return answer(encodeAnswer({ id, kind: ANNOUNCE, announcement, membership: null }));
      const wanted = request.kind === FRAMES ? request : undefined;
      const found = wanted && payloads.find(({ payload }) => equal(wanted.chainHead, payload.chainHead));
      if (!found) return answer(encodeAnswer({ id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 }));
      const { frames } = found;
      const { first, count } = wanted;
      for (let index = first; index < first + count && index < frames.length; index++) {
        answer(encodeAnswer({ id, kind: FRAMES, index, frame: frames[index]! }));
      }
    },
    report: async () => {},
    close: async () => {
      events = undefined;
    },
  };

  function answer(bytes: Uint8Array): void {
    timer.after(0, () => events?.answer(bytes));
  }
}
