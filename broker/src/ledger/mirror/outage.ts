/** An outside engine that does not answer: since when and why, said once, then once a minute, and when it is over. */
import { codeOf } from '@countersign/device-sdk';

export interface Trouble {
  code: string;
  text: string;
  /** Seconds since the epoch of the first failure of these. */
  since: number;
}

/** An engine may be away for hours, and is asked every few seconds. */
const SAY_AGAIN_MS = 60_000;

export class Outage {
  readonly #tell: (text: string) => void;
  readonly #now: () => number;
  #trouble: Trouble | undefined;
  #beganMs = 0;
  #saidMs = 0;

  /** @param now milliseconds that only pass */
  constructor(tell: (text: string) => void, now: () => number = () => performance.now()) {
    this.#tell = tell;
    this.#now = now;
  }

  get trouble(): Trouble | undefined {
    return this.#trouble;
  }

  /** How long nothing has come through; 0 where all is well. */
  get ms(): number {
    return this.#trouble ? this.#now() - this.#beganMs : 0;
  }

  /** @param error why the engine did not answer; undefined where it has */
  heard(error?: unknown): void {
    if (error === undefined) {
      this.#over();
      return;
    }
    const text = error instanceof Error ? error.message : String(error);
    const now = this.#now();
    if (!this.#trouble) this.#beganMs = now;
    const fresh = this.#trouble?.text !== text;
    this.#trouble = { code: codeOf(error), text, since: this.#trouble?.since ?? Math.floor(Date.now() / 1000) };
    if (!fresh && now - this.#saidMs < SAY_AGAIN_MS) return;
    this.#saidMs = now;
    this.#tell(`${text}; asked again until it answers`);
  }

  #over(): void {
    if (!this.#trouble) return;
    this.#trouble = undefined;
    this.#tell('the outside engine answers again');
  }
}
