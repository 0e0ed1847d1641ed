import { randomBytes } from 'node:crypto';
import type { Clock, Entropy, Timer } from '../src/ports.ts';

/** The computer's wall clock, in whole seconds. A gateway whose clock may be wrong should not use it. */
export function systemClock(): Clock {
  return { now: () => Math.floor(Date.now() / 1000) };
}

/** The event loop's timers. A waiting one keeps the process alive: a device that waits to reconnect is not done. */
export function systemTimer(): Timer {
  return {
    after(ms, call) {
      const timer = setTimeout(call, Math.min(ms, TIMEOUT_MS_MAX));
      return () => clearTimeout(timer);
    },
  };
}

/** The operating system's randomness. */
export function systemEntropy(): Entropy {
  return { random: (bytes) => new Uint8Array(randomBytes(bytes)) };
}

/** Node fires a longer timeout at once. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;
