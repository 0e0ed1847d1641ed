/** Requests and their answers: matched by id, with a deadline each, a few at most. */
import { type Code, demand, Refusal } from '../errors.ts';
import { type Answer, encodeRequest, REFUSED, type Request, readAnswer } from '../format/requests.ts';
import type { Entropy, Link, Timer } from '../ports.ts';

/** A server that is busy may take this long; a device on a slow link too. */
export const ANSWER_MS = 10_000;
/** One lost message must not cost the whole deadline: a question with one answer is sent again after this, doubling. */
export const ASK_AGAIN_MS = 1_500;
/** A device has one install under way and asks for one proof at a time; more open requests are a fault of ours. */
export const OPEN_REQUESTS_MAX = 4;

/**
 * Codes that a server may give for not answering. An answer is not signed, so a code that speaks against a release or a
 * branch is not taken from it: with BAD_DELTA, said twice, a lying broker could have a branch given up for ever.
 */
export const HINTS: ReadonlySet<Code> = new Set(['NOT_FOUND', 'BUSY', 'RATE_LIMITED', 'NOT_OPEN', 'UNREACHABLE']);

type Distribute<T> = T extends unknown ? Omit<T, 'id'> : never;
/** A request before it has its id. */
export type Question = Distribute<Request>;

interface Open {
  kind: number;
  answer(answer: Answer): void;
  lost(): void;
}

export class Asker {
  readonly #link: Link;
  readonly #timer: Timer;
  readonly #open = new Map<number, Open>();
  #nextId: number;
  #waitMs = 0;
  /** False from {@link down} to {@link up}: questions then fail at once. */
  connected = false;

  /** Ids begin at a random number, so that an answer to a request from before a restart matches nothing. */
  constructor(link: Link, timer: Timer, entropy: Entropy) {
    this.#link = link;
    this.#timer = timer;
    const seed = entropy.random(4);
    this.#nextId = ((seed[0]! << 24) | (seed[1]! << 16) | (seed[2]! << 8) | seed[3]!) >>> 0;
  }

  /** One question, one answer. @throws Refusal LINK_LOST after {@link ANSWER_MS}; the server's hint where it refuses */
  async ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const end = () => {
        cancel();
        close();
      };
      const close = this.stream(question, {
        answer: (answer) => {
          end();
          resolve(answer);
        },
        failed: (refusal) => {
          end();
          reject(refusal);
        },
      });
      const id = (this.#nextId - 1) >>> 0;
      const again = (ms: number) =>
        this.#timer.after(ms, () => {
          cancel = again(2 * ms);
          this.#link.request(encodeRequest({ ...question, id } as Request)).catch(() => {});
        });
      let cancel = again(ASK_AGAIN_MS);
    });
  }

  /** One question, many answers (frames). `failed` is called at most once; the returned function ends it. */
  stream(question: Question, on: { answer(answer: Answer): void; failed(refusal: Refusal): void }): () => void {
    demand(this.#open.size < OPEN_REQUESTS_MAX, 'BUSY', `${this.#open.size} requests are open`);
    const id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    const fail = (refusal: Refusal) => {
      close();
      on.failed(refusal);
    };
    const silent = () => fail(new Refusal('LINK_LOST', `no answer in ${ANSWER_MS / 1000} s`));
    let cancel = this.#timer.after(ANSWER_MS, silent);
    const close = () => {
      cancel();
      this.#open.delete(id);
    };
    this.#open.set(id, {
      kind: question.kind,
      answer: (answer) => {
        if (answer.kind === REFUSED) {
          this.#waitMs = answer.retrySeconds * 1000;
          const code = HINTS.has(answer.code) ? answer.code : 'LINK_LOST';
          return fail(new Refusal(code, `the server refused the request: ${answer.code}`));
        }
        cancel();
        cancel = this.#timer.after(ANSWER_MS, silent);
        on.answer(answer);
      },
      lost: () => fail(new Refusal('LINK_LOST', 'the link went down')),
    });
    this.#link.request(encodeRequest({ ...question, id } as Request)).catch((error: unknown) => {
      if (this.#open.has(id)) fail(error instanceof Refusal ? error : new Refusal('LINK_LOST', String(error)));
    });
    return close;
  }

  /** Hands in an answer from the link. @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
  deliver(bytes: Uint8Array): void {
    const answer = readAnswer(bytes);
    const open = this.#open.get(answer.id);
    // A late answer to a closed request, or one that nobody asked for.
    if (open && (answer.kind === open.kind || answer.kind === REFUSED)) open.answer(answer);
  }

  /** How long the last refusal asked to wait, told once. */
  takeWaitMs(): number {
    const ms = this.#waitMs;
    this.#waitMs = 0;
    return ms;
  }

  up(): void {
    this.connected = true;
  }

  /** The link went down: nothing that is open will be answered. */
  down(): void {
    this.connected = false;
    for (const open of [...this.#open.values()]) open.lost();
  }
}
