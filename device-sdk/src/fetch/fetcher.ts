/** Fetches a payload frame by frame, in order, proven; asks again for what is lost; gives up within limits. */
import { demand, Refusal } from '../errors.ts';
import type { Sha256 } from '../format/merkle.ts';
import { FRAMES, WINDOW_MAX } from '../format/requests.ts';
import type { Payload } from '../format/suit.ts';
import type { Timer } from '../ports.ts';
import type { Asker } from './asker.ts';
import { FrameWindow, type Position, type Route } from './window.ts';

/** Wrong frames from one link before it is left alone for a while: it lies, or something between lies. */
export const BAD_FRAMES_MAX = 8;
/**
 * Bytes of frames that nobody waits for, beside once the payload, before the link is left alone likewise: what is asked
 * for again may come twice, and a flood must not use up in one fetch what the whole rollout may cost.
 */
const JUNK_BYTES_MAX = 16_384;
/** Rounds without a single new frame before the install waits for the link to come back. */
export const EMPTY_ROUNDS_MAX = 4;
/** A round without a frame for this long is over. Seconds on a LAN, enough for a slow radio. */
export const ROUND_MS = 2_000;
const ROUND_MS_MAX = 30_000;
/** A server that trickles must not hold the device for ever: below this rate the install waits for a better link. */
export const BYTES_PER_SECOND_MIN = 32;
/** Every fetch may take this long, however small. */
const FETCH_MS_MIN = 5 * 60_000;
/** A day; also far below the 24.8 days at which a 32-bit timer overflows. */
const FETCH_MS_MAX = 86_400_000;

export interface FetchOptions {
  sha256: Sha256;
  timer: Timer;
  asker: Asker;
  payload: Payload;
  /** Bytes of RAM for frames that wait. */
  windowBytes: number;
  /** Default: from the first frame to the last. */
  route?: Route;
  /** Told the bytes of every frame that answers, wanted or not: they have been paid for. @returns what ends the fetch */
  spend(bytes: number): Refusal | undefined;
}

export class Fetcher {
  readonly #options: FetchOptions;
  readonly #window: FrameWindow;
  #close: (() => void)[] = [];
  #badFrames = 0;
  #junkBytes = 0;
  #emptyRounds = 0;
  #wake: (() => void) | undefined;
  #failed: Refusal | undefined;
  readonly #cancelDeadline: () => void;

  constructor(options: FetchOptions) {
    this.#options = options;
    const width = Math.min(WINDOW_MAX, Math.floor(options.windowBytes / (options.payload.frameBytes + 32)));
    demand(width >= 1, 'NO_MEMORY', 'not one frame fits the window');
    this.#window = new FrameWindow(options.sha256, options.payload, width, options.route);
    const ms = FETCH_MS_MIN + (options.payload.bytes / BYTES_PER_SECOND_MIN) * 1000;
    this.#cancelDeadline = options.timer.after(Math.min(ms, FETCH_MS_MAX), () => {
      this.#failed = new Refusal('LINK_LOST', `fewer than ${BYTES_PER_SECOND_MIN} bytes a second`);
      this.#wake?.();
    });
  }

  /** Where the next frame stands; undefined after the last. */
  get position(): Position | undefined {
    return this.#window.position;
  }

  /**
   * The payload bytes of the next frame, undefined after the last.
   * @throws Refusal LINK_LOST, BAD_FRAME; or the server's refusal
   */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#window.position) {
      const bytes = this.#take();
      if (bytes) {
        this.#emptyRounds = 0;
        return bytes;
      }
      this.#ask();
      if (!this.#failed) await this.#something();
      if (this.#failed) throw this.#failed;
    }
    return undefined;
  }

  /** Ends all requests. Call it however the install ends. */
  close(): void {
    this.#cancelDeadline();
    for (const close of this.#close) close();
    this.#close = [];
  }

  #take(): Uint8Array | undefined {
    try {
      return this.#window.take();
    } catch (error) {
      this.#blame(error as Refusal);
      return undefined;
    }
  }

  /** A wrong frame is charged to the link, not to the release: its place is free and it is asked for again. */
  #blame(refusal: Refusal): void {
    this.#badFrames++;
    if (this.#badFrames >= BAD_FRAMES_MAX) this.#failed = refusal;
  }

  #bear(bytes: number): void {
    this.#junkBytes += bytes;
    const most = this.#options.payload.bytes + JUNK_BYTES_MAX;
    if (this.#junkBytes > most)
      this.#failed ??= new Refusal('LINK_LOST', `${this.#junkBytes} bytes that nobody waits for`);
  }

  #ask(): void {
    const range = this.#window.ask();
    if (!range) return;
    const { asker, payload } = this.#options;
    // Only the newest two requests can still bring something; older ones are closed.
    while (this.#close.length > 1) this.#close.shift()!();
    const question = { kind: FRAMES, chainHead: payload.chainHead, ...range } as const;
    this.#close.push(
      asker.stream(question, {
        answer: (answer) => {
          if (answer.kind !== FRAMES) return;
          this.#failed ??= this.#options.spend(answer.frame.length);
          const found = this.#window.offer(answer.index, answer.frame);
          if (found === 'wrong') this.#blame(new Refusal('BAD_FRAME', `frame ${answer.index} has another length`));
          else if (found === 'idle') this.#bear(answer.frame.length);
          // What nobody waits for wakes nobody: junk must not look like progress.
          if (found !== 'idle' || this.#failed) this.#wake?.();
        },
        failed: (refusal) => {
          // Silence is counted in rounds; a link that is down or a server that refuses ends the fetch.
          if (refusal.code !== 'LINK_LOST' || !asker.connected) this.#failed = refusal;
          this.#wake?.();
        },
      }),
    );
  }

  /** Waits for a frame, a failure, or the end of the round. */
  #something(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
      const wait = Math.min(ROUND_MS * 2 ** this.#emptyRounds, ROUND_MS_MAX);
      const cancel = this.#options.timer.after(wait, () => {
        this.#emptyRounds++;
        if (this.#emptyRounds >= EMPTY_ROUNDS_MAX) this.#failed = new Refusal('LINK_LOST', 'no frame came in time');
        this.#window.lost();
        done();
      });
      this.#wake = done;
    });
  }
}
