/**
 * The one clock of a virtual world. Nothing happens but events in the order of (time, number given), and after each of
 * them the world comes to rest before the next one begins: this is what makes two runs of one seed the same.
 */
import { setImmediate } from 'node:timers/promises';

interface Event {
  at: number;
  number: number;
  call: (() => unknown) | undefined;
}

/** 2026-01-01T00:00:00Z: a world of its own has a date of its own. */
export const BEGINNING = 1_767_225_600;

export class VirtualTime {
  /** A heap: each event is due no later than the two at twice its place. */
  readonly #events: Event[] = [];
  #ms = 0;
  #given = 0;
  #happened = 0;

  /** Whole seconds since the epoch. */
  readonly now = (): number => BEGINNING + Math.floor(this.#ms / 1000);
  /** Milliseconds since the beginning. */
  readonly elapsedMs = (): number => this.#ms;

  /** As Timer and ServerClock ask for it. */
  readonly after = (ms: number, call: () => unknown): (() => void) => {
    const event: Event = { at: this.#ms + Math.max(0, ms), number: this.#given++, call };
    this.#push(event);
    return () => {
      event.call = undefined;
    };
  };

  get happened(): number {
    return this.#happened;
  }

  /** Lets the next event happen. @returns false where there is none up to `untilMs`, which it is then */
  async step(untilMs: number): Promise<boolean> {
    for (;;) {
      const next = this.#events[0];
      if (!next || next.at > untilMs) {
        if (Number.isFinite(untilMs)) this.#ms = Math.max(this.#ms, untilMs);
        return false;
      }
      this.#pop();
      if (!next.call) continue;
      this.#ms = next.at;
      this.#happened++;
      next.call();
      await rest();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[above]!)) return;
      [heap[at], heap[above]] = [heap[above]!, heap[at]!];
      at = above;
    }
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.number < b.number);
}

/** Turns without anything under way: one lets a promise that was settled by the disk go on, the other sees it done. */
const STILL_TURNS = 2;

/**
 * Resolves when nothing can go on without another event: every promise has gone as far as it can, and no file is being
 * read or written. A turn of the loop runs all microtasks; requests to the disk are asked of Node itself.
 */
export async function rest(): Promise<void> {
  for (let still = 0; still < STILL_TURNS; ) {
    await setImmediate();
    still = isDiskBusy() ? 0 : still + 1;
  }
}

function isDiskBusy(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq') || name === 'CloseReq');
}
