/**
 * Each frame is fetched once for all children. What is wanted is fetched in the order of the chain, because only the
 * chain's next frame can be proven; whoever wants it gets it from the disk.
 */
import type { Code } from '../../src/errors.ts';
import { hex } from '../../src/format/bytes.ts';
import { type Answer, encodeRequest, FRAMES, REFUSED, WINDOW_MAX } from '../../src/format/requests.ts';
import type { Timer } from '../../src/ports.ts';
import type { FrameCache } from './frame-cache.ts';
import type { Shelf } from './shelf.ts';

/** One way to ask the server, of one child. */
export interface Way {
  readonly up: boolean;
  request(bytes: Uint8Array): Promise<void>;
  /** It has brought wrong frames. @see Link.distrust */
  distrust?(): void;
}

export interface Wanted {
  chainHead: Uint8Array;
  first: number;
  count: number;
  /** Whose question it is; another child's way will do where this one is down. */
  way: Way;
  deliver(index: number, frame: Uint8Array): void;
  refuse(code: Code, retrySeconds: number): void;
}

export interface FrameSourceOptions {
  cache: FrameCache;
  /** Looked at where the cache has nothing. */
  shelves: readonly Shelf[];
  timer: Timer;
  /** A fresh request id. */
  nextId: () => number;
}

/** No frame for this long: the question is asked again. A child's own round is as long. */
const ROUND_MS = 2_000;
/** Rounds without a frame, or wrong frames, until those who wait are told. */
const TRIES_MAX = 3;
/** A server that asks for less than this is waited for here. */
const WAIT_SECONDS_MAX = 2;
/** Questions of all children: more are met with BUSY. */
export const WANTED_MAX = 4_096;
/** Of one child. It has two that still count, and does not say which it has given up: the oldest is dropped. */
export const WANTED_PER_CHILD_MAX = 8;

interface Fetch {
  chainHead: Uint8Array;
  wanted: (Wanted & { next: number })[];
  /** The open question's id, where it ends, and whose way it took. */
  asked: { id: number; end: number; way: Way } | undefined;
  tries: number;
  /** The server wants to be asked later: nobody who comes meanwhile has it asked sooner. */
  resting: boolean;
  /** Ways that brought nothing when they were asked last, the one that was asked longest ago first. */
  silent: Set<Way>;
  cancel: () => void;
}

export class FrameSource {
  readonly #options: FrameSourceOptions;
  readonly #fetches = new Map<string, Fetch>();
  readonly #byId = new Map<number, Fetch>();
  /** Wrong frames of each way since it was last given up. */
  readonly #wrong = new WeakMap<Way, number>();
  #wanted = 0;
  /** Frames that came from the server, wrong ones included. */
  fetched = 0;

  constructor(options: FrameSourceOptions) {
    this.#options = options;
  }

  want(wanted: Wanted): void {
    this.#dropOldest(wanted.way);
    if (this.#wanted >= WANTED_MAX) {
      wanted.refuse('BUSY', 5);
      return;
    }
    const name = hex(wanted.chainHead);
    const fetch = this.#fetches.get(name) ?? {
      ...{ chainHead: wanted.chainHead, wanted: [], asked: undefined, tries: 0 },
      ...{ resting: false, silent: new Set<Way>(), cancel: () => undefined },
    };
    this.#fetches.set(name, fetch);
    fetch.wanted.push({ ...wanted, next: wanted.first });
    this.#wanted++;
    this.#pump(fetch);
  }

  #dropOldest(way: Way): void {
    const own = [...this.#fetches.values()].flatMap((fetch) =>
      fetch.wanted.filter((item) => item.way === way).map((item) => ({ fetch, item })),
    );
    if (own.length < WANTED_PER_CHILD_MAX) return;
    const [{ fetch, item }] = own as [(typeof own)[0]];
    this.#keep(
      fetch,
      fetch.wanted.filter((other) => other !== item),
    );
    if (fetch.wanted.length === 0) this.#end(fetch);
  }

  /** A child has gone: nobody waits for what it wanted. */
  forget(way: Way): void {
    for (const fetch of [...this.#fetches.values()]) {
      fetch.silent.delete(way);
      this.#keep(
        fetch,
        fetch.wanted.filter((item) => item.way !== way),
      );
      this.#pump(fetch);
    }
  }

  /** An answer to a question of this room? Others are the child's own. */
  hear(answer: Answer): boolean {
    const fetch = this.#byId.get(answer.id);
    if (!fetch || (answer.kind !== FRAMES && answer.kind !== REFUSED)) return false;
    if (answer.kind === REFUSED) this.#refused(fetch, answer.code, answer.retrySeconds);
    else this.#frame(fetch, answer.index, answer.frame);
    return true;
  }

  close(): void {
    for (const fetch of this.#fetches.values()) fetch.cancel();
    this.#fetches.clear();
    this.#byId.clear();
  }

  #frame(fetch: Fetch, index: number, frame: Uint8Array): void {
    this.fetched++;
    // Not the next one, or not the one: asking again, in time, is all there is to do for those who wait.
    if (!this.#options.cache.add(fetch.chainHead, index, frame)) {
      this.#blame(fetch, index, frame);
      return;
    }
    fetch.tries = 0;
    if (fetch.asked) fetch.silent.delete(fetch.asked.way);
    if (fetch.asked && index + 1 >= fetch.asked.end) this.#endQuestion(fetch);
    else this.#arm(fetch);
    this.#pump(fetch);
  }

  /** Children see only what is proven, so that their way lies is for the gateway to notice. */
  #blame({ chainHead, asked }: Fetch, index: number, frame: Uint8Array): void {
    if (!asked || !this.#options.cache.isWrong(chainHead, index, frame)) return;
    const { way } = asked;
    const wrong = (this.#wrong.get(way) ?? 0) + 1;
    this.#wrong.set(way, wrong % TRIES_MAX);
    if (wrong === TRIES_MAX) way.distrust?.();
  }

  /** Gives what is here, and asks for what is not. */
  #pump(fetch: Fetch): void {
    for (const item of fetch.wanted) this.#give(item);
    this.#keep(
      fetch,
      fetch.wanted.filter((item) => item.next < item.first + item.count),
    );
    if (fetch.wanted.length === 0) this.#end(fetch);
    else if (!fetch.asked && !fetch.resting) this.#ask(fetch);
  }

  #give(item: Fetch['wanted'][number]): void {
    while (item.next < item.first + item.count) {
      const frame = this.#find(item.chainHead, item.next);
      if (!frame) return;
      item.deliver(item.next++, frame);
    }
  }

  #find(chainHead: Uint8Array, index: number): Uint8Array | undefined {
    const { cache, shelves } = this.#options;
    const held = cache.read(chainHead, index);
    if (held) return held;
    for (const shelf of shelves) {
      const [frame] = shelf.frames(chainHead, index, 1) ?? [];
      if (frame) return frame;
    }
    return undefined;
  }

  /**
   * Each way is asked for what its own child wants, and the one that wants most first: a child that wants one frame at a
   * time holds up nobody, and who wants frames that do not exist has the refusal for itself.
   */
  #ask(fetch: Fetch): void {
    const first = this.#options.cache.count(fetch.chainHead);
    const ends = new Map<Way, number>();
    for (const { way, first: from, count } of fetch.wanted)
      if (way.up) ends.set(way, Math.max(ends.get(way) ?? 0, Math.min(from + count, first + WINDOW_MAX), first + 1));
    // Those that brought nothing when asked last come last, by turns: none is asked for the others again and again.
    const silent = [...fetch.silent];
    const [next] = [...ends].sort(([a, aEnd], [b, bEnd]) => silent.indexOf(a) - silent.indexOf(b) || bEnd - aEnd);
    if (!next || fetch.tries >= TRIES_MAX) {
      this.#refuse(fetch, fetch.wanted, 'UNREACHABLE', 10);
      return;
    }
    const [way, end] = next;
    const id = this.#options.nextId();
    fetch.asked = { id, end, way };
    fetch.tries++;
    this.#byId.set(id, fetch);
    this.#arm(fetch);
    const request = encodeRequest({ id, kind: FRAMES, chainHead: fetch.chainHead, first, count: end - first });
    way.request(request).catch(() => undefined);
  }

  #arm(fetch: Fetch): void {
    fetch.cancel();
    fetch.cancel = this.#options.timer.after(ROUND_MS, () => {
      this.#putLast(fetch);
      this.#endQuestion(fetch);
      this.#later(fetch);
    });
  }

  #putLast({ asked, silent }: Fetch): void {
    if (!asked) return;
    silent.delete(asked.way);
    silent.add(asked.way);
  }

  /** Nobody stands above a timer: a disk that fails ends what waits for it, not the gateway. */
  #later(fetch: Fetch): void {
    fetch.resting = false;
    try {
      this.#pump(fetch);
    } catch {
      this.#refuse(fetch, fetch.wanted, 'UNREACHABLE', 10);
    }
  }

  /** The server's word is for the child whose way it came by: one that has used up its rate stops no other. */
  #refused(fetch: Fetch, code: Code, retrySeconds: number): void {
    const way = fetch.asked?.way;
    this.#putLast(fetch);
    this.#endQuestion(fetch);
    const soon = retrySeconds > 0 && retrySeconds <= WAIT_SECONDS_MAX && fetch.tries < TRIES_MAX;
    if (soon) {
      fetch.resting = true;
      fetch.cancel = this.#options.timer.after(retrySeconds * 1000, () => this.#later(fetch));
      return;
    }
    const own = fetch.wanted.filter((item) => item.way === way);
    if (own.length > 0) fetch.tries = 0;
    this.#refuse(fetch, own, code, retrySeconds);
    if (fetch.wanted.length > 0) this.#pump(fetch);
  }

  #refuse(fetch: Fetch, refused: Fetch['wanted'], code: Code, retrySeconds: number): void {
    this.#keep(
      fetch,
      fetch.wanted.filter((item) => !refused.includes(item)),
    );
    if (fetch.wanted.length === 0) this.#end(fetch);
    for (const { refuse } of refused) refuse(code, retrySeconds);
  }

  #keep(fetch: Fetch, wanted: Fetch['wanted']): void {
    this.#wanted -= fetch.wanted.length - wanted.length;
    fetch.wanted = wanted;
  }

  #endQuestion(fetch: Fetch): void {
    fetch.cancel();
    if (fetch.asked) this.#byId.delete(fetch.asked.id);
    fetch.asked = undefined;
  }

  #end(fetch: Fetch): void {
    this.#endQuestion(fetch);
    this.#fetches.delete(hex(fetch.chainHead));
  }
}
