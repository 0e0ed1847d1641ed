/** Reads the chain's order without end: at every push, at every poll, and after a failure with growing pauses. */
import { codeOf } from '@countersign/device-sdk';
import type { Chain } from './chain.ts';
import { type ChainPosition, type OrderedEvent, readOrder } from './order.ts';

/** A node that is restarted answers within half a minute; asking more often than this would only hinder it. */
const PAUSE_MS_MAX = 30_000;
/** A node or a gateway that is away; the file of a batch that nobody has yet, or that somebody may bring back. */
const AGAIN: ReadonlySet<string> = new Set(['UNREACHABLE', 'NOT_FOUND']);

export interface FollowerOptions {
  chain: Chain;
  from: ChainPosition;
  confirmations: number;
  pollMs: number;
  /** Takes the events of one step, all of them or, if it throws, none; awaited before the next. */
  take(events: readonly OrderedEvent[], position: ChainPosition): Promise<void>;
  /** Asked for before each step; what it throws is a failure of the node like any other. */
  look?(): Promise<void>;
  /** Hears of a failure that will be tried again, and, without one, of an answer. */
  link?(trouble?: unknown): void;
  /** Hears of the one that will not: the chain contradicts what was taken. Nothing is read after it. */
  failed(error: unknown): void;
}

/** @returns how it ends, and a way to look at once. */
export function followChain(options: FollowerOptions): { stop(): Promise<void>; look(): void } {
  const { chain, pollMs } = options;
  let position = options.from;
  let stopped = false;
  let wake: () => void = () => undefined;
  let looked = false;
  let timer: NodeJS.Timeout | undefined;
  const look = () => {
    looked = true;
    wake();
  };
  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      if (looked || stopped) return resolve();
      wake = resolve;
      timer = setTimeout(resolve, ms);
      timer.unref();
    }).finally(() => clearTimeout(timer));
  const run = async () => {
    let waitMs = pollMs;
    while (!stopped) {
      looked = false;
      try {
        await options.look?.();
        const step = await readOrder(chain, position, options.confirmations);
        if (step.position !== position) await options.take(step.events, step.position);
        position = step.position;
        waitMs = pollMs;
        options.link?.();
        if (!step.caughtUp) continue;
      } catch (error) {
        if (stopped) return;
        if (!AGAIN.has(codeOf(error))) return options.failed(error);
        options.link?.(error);
        waitMs = Math.min(waitMs * 2, PAUSE_MS_MAX);
      }
      await pause(waitMs);
    }
  };
  const unwatch = chain.onBlock(look);
  const running = run();
  return {
    look,
    async stop() {
      stopped = true;
      unwatch();
      wake();
      await running;
    },
  };
}
