import mqemitter from 'mqemitter';

/**
 * Messages handled in one go before the event loop gets its turn. mqemitter starts the next queued message inside the
 * end of the last one, so that 2,000 queued messages nobody subscribes to overflowed the stack and killed the process.
 */
export const MESSAGES_PER_TURN = 64;

type Message = mqemitter.Message;
type Done = (error?: Error) => void;
/** `_do` starts one message; it is the one place that every message passes. */
type Internals = mqemitter.MQEmitter & { _do(message: Message, done: Done): unknown };

/**
 * mqemitter as a loop instead of a recursion: a message that arrives while another is being started waits in a queue
 * of first come, first served. The stack stays flat and the order is kept.
 */
export function flatEmitter(concurrency = 0): mqemitter.MQEmitter {
  const emitter = mqemitter({ concurrency, matchEmptyLevels: true }) as Internals;
  if (typeof emitter._do !== 'function') throw new TypeError('this mqemitter has no _do to guard');
  const start = emitter._do.bind(emitter);
  let waiting: [Message, Done][] = [];
  let next = 0;
  let busy = false;
  emitter._do = (message, done) => {
    waiting.push([message, done]);
    if (!busy) turn();
    return emitter;
  };
  function turn(): void {
    busy = true;
    for (let i = 0; i < MESSAGES_PER_TURN && next < waiting.length; i++) start(...waiting[next++]!);
    if (next < waiting.length) {
      if (next >= MESSAGES_PER_TURN * 64) drop();
      setImmediate(turn);
    } else {
      drop();
      busy = false;
    }
  }
  /** Forgets what is done. Rarely and all at once: `shift` on a long array moves it each time. */
  function drop(): void {
    waiting = next < waiting.length ? waiting.slice(next) : [];
    next = 0;
  }
  return emitter;
}
