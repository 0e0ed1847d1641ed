/**
 * A ledger whose order is decided by an outside engine and whose everything else is our own: the same chain of blocks,
 * tree, heads, receipts and queries as the embedded engine, made by the same execution. Devices, auditors and peers see
 * no difference.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Code, codeOf, demand, Refusal } from '@countersign/device-sdk';
import type { Sha256 } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import type { QueueState } from '../../queue-state.ts';
import type { Committed } from '../client.ts';
import { readEntry } from '../contract/entry.ts';
import type { OrderView } from '../contract/views.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { Feed } from './feed.ts';
import type { OrderedSource } from './order.ts';
import { Outage, type Trouble } from './outage.ts';
import { checkQuorum, demandQuorum } from './quorum.ts';
import { Waiting, within } from './waiting.ts';

/** Beside the block files. */
const MARK_FILE = 'mirror.json';

/** Whether the ledger in this folder takes its order from outside: then it may not be written to from inside. */
export function isMirror(folder: string): boolean {
  return existsSync(join(folder, MARK_FILE));
}

/** A Fabric channel cuts a block in two seconds at most by default, Ethereum finalises in a quarter of an hour. */
export const MIRROR_MS_MAX = 30_000;
/** Reading a channel from its first block at a start; a million entries take some minutes. */
export const CATCH_UP_MS_MAX = 3_600_000;
/** An engine that has been away for a day does not come back by itself: somebody has to look, and start this again. */
export const OUTAGE_MS_MAX = 24 * 3_600_000;
const RECONNECT_MS = 1_000;
const RECONNECT_MS_MAX = 30_000;

/** What stands before the embedded ledger of a folder. Takes the ledger over; see {@link mirrored}. */
export type LedgerEngine = (ledger: EmbeddedLedger, folder: string) => Promise<EmbeddedLedger>;

export interface MirrorOptions {
  /** Folder of the ledger's blocks, where the mark is kept too. */
  folder: string;
  sha256?: Sha256;
  /** How long an entry that is final outside may take to be durable here. */
  mirrorMsMax?: number;
  catchUpMsMax?: number;
  /** How long the engine may be away before the mirror stops. */
  outageMsMax?: number;
  /** First wait before an engine that was away at the start is asked again. */
  reconnectMs?: number;
  /** Told of an engine that does not answer, and that it does again. */
  tell?: (text: string) => void;
  /** Told once when the mirror has stopped: the ledger takes no more entries and still answers. */
  stopped?: (reason: Refusal) => void;
}

export interface MirroredLedger extends EmbeddedLedger {
  /** The last outside block that was read, and why no more are read. */
  standing(): { block: number | undefined; failure: Refusal | undefined; trouble: Trouble | undefined };
}

/**
 * Begins the outside ledger where it has not begun, follows it, and resolves when everything that was final at the
 * start is mirrored. A ledger that was mirrored before answers without its engine too, and takes entries when the engine
 * is back. Takes both over: where this fails, they are closed.
 * @throws Refusal NO_QUORUM where the trust root demands no peer; DIVERGED; UNREACHABLE at the first start
 */
export async function mirrored(
  source: OrderedSource,
  ledger: EmbeddedLedger,
  options: MirrorOptions,
): Promise<MirroredLedger> {
  const sha256 = options.sha256 ?? nodeVerifier().sha256;
  const mirror = new Mirror(source, ledger, sha256, options);
  try {
    checkQuorum(ledger);
    await mirror.start();
  } catch (error) {
    await mirror.close();
    throw error;
  }
  return {
    ...ledger,
    submit: (statement) => mirror.submit(statement),
    evaluate: async (query, ...args) => (query === 'getOrder' ? mirror.order() : ledger.evaluate(query, ...args)),
    append: async () => {
      throw new TypeError('the order of a mirrored ledger is decided outside');
    },
    standing: () => mirror.standing(),
    queue: () => mirror.queue(),
    close: () => mirror.close(),
  };
}

/** The entries of block 0. */
async function beginningOf(ledger: EmbeddedLedger): Promise<Uint8Array[]> {
  const beginning: Uint8Array[] = [];
  for (let leaf = 0; ; ) {
    const events = await ledger.events(leaf, 100);
    for (const { blockNumber, bytes } of events) {
      if (blockNumber > 0) return beginning;
      beginning.push(bytes);
    }
    if (events.length === 0) return beginning;
    leaf += events.length;
  }
}

class Mirror {
  readonly #source: OrderedSource;
  readonly #ledger: EmbeddedLedger;
  readonly #sha256: Sha256;
  readonly #options: MirrorOptions;
  readonly #waiting = new Waiting();
  readonly #feed: Feed;
  readonly #outage: Outage;
  readonly #ending = new AbortController();
  #reconnecting: Promise<void> | undefined;
  #lost: () => void = () => undefined;
  #following: { stop(): void } | undefined;
  #failure: Refusal | undefined;
  #working: Promise<void> = Promise.resolve();
  #arrived: () => void = () => undefined;
  #closing: Promise<void> | undefined;

  constructor(source: OrderedSource, ledger: EmbeddedLedger, sha256: Sha256, options: MirrorOptions) {
    this.#source = source;
    this.#ledger = ledger;
    this.#sha256 = sha256;
    this.#options = options;
    this.#outage = new Outage(options.tell ?? (() => undefined));
    this.#feed = new Feed(ledger, join(options.folder, MARK_FILE), (committed) => this.#waiting.tell(committed));
  }

  queue(): QueueState {
    return this.#waiting.state();
  }

  /** @throws Refusal UNREACHABLE where nothing was ever mirrored; DIVERGED */
  async start(): Promise<void> {
    // Whoever types a wrong address should hear of it. Later on, what was mirrored is worth serving.
    const first = !isMirror(this.#options.folder);
    const lost = new Promise<void>((resolve) => {
      if (!first) this.#lost = resolve;
    });
    try {
      const { caughtUp } = await this.#connect();
      caughtUp.catch((error) => this.#stop(error));
      const ms = this.#options.catchUpMsMax ?? CATCH_UP_MS_MAX;
      await within(Promise.race([caughtUp, lost]), ms, `the outside engine's blocks were not read in ${ms} ms`);
    } catch (error) {
      if (first || codeOf(error) !== 'UNREACHABLE' || this.#failure) throw this.#failure ?? error;
      this.#link(error);
      if (!this.#following) this.#reconnecting = this.#reconnect();
    }
  }

  /** @returns what resolves when everything is mirrored that is final now */
  async #connect(): Promise<{ caughtUp: Promise<void> }> {
    await this.#source.begin(await beginningOf(this.#ledger));
    const height = await this.#source.height();
    const after = await this.#feed.start();
    const read = new Promise<void>((resolve, reject) => {
      this.#arrived = () => {
        if (this.#failure) reject(this.#failure);
        else if ((this.#feed.after?.block ?? -1) >= height) resolve();
      };
    });
    // The first block may already be the one that diverges, before anybody awaits this.
    read.catch(() => undefined);
    this.#following = await this.#source.follow(
      after,
      (block) => this.#take(() => this.#feed.take(block)),
      (error) => this.#stop(error),
      (trouble) => this.#link(trouble),
    );
    if (this.#closing) this.#following.stop();
    this.#arrived();
    const caughtUp = read.then(async () => {
      const more = await this.#feed.beyond();
      demand(more === 0, 'DIVERGED', `this ledger holds ${more} entries that the outside engine has not`);
    });
    return { caughtUp };
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#ending;
    for (let ms = this.#options.reconnectMs ?? RECONNECT_MS; !signal.aborted; ms = Math.min(ms * 2, RECONNECT_MS_MAX)) {
      await pause(ms, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const { caughtUp } = await this.#connect();
        caughtUp.catch((error) => this.#stop(error));
        return this.#link();
      } catch (error) {
        if (codeOf(error) !== 'UNREACHABLE') return this.#stop(error);
        this.#link(error);
      }
    }
  }

  /** The engine did not answer and is asked again, or it has answered. */
  #link(trouble?: unknown): void {
    if (this.#closing || this.#failure) return;
    this.#outage.heard(trouble);
    if (trouble === undefined) return;
    this.#lost();
    const most = this.#options.outageMsMax ?? OUTAGE_MS_MAX;
    if (this.#outage.ms <= most) return;
    const { code, text } = this.#outage.trouble!;
    const hours = Math.round(most / 3_600_000);
    this.#stop(
      new Refusal(code as Code, `${text}, for ${hours} hours: start this again when it does`, { cause: trouble }),
    );
  }

  async submit(statement: Uint8Array): Promise<Committed> {
    this.#checkOpen();
    const entry = readEntry(this.#sha256, statement);
    // The contract takes it; behind it nothing could be logged any more.
    if (entry.kind === 'root') demandQuorum(entry.signed.root);
    const { leafHash } = entry;
    const { trouble } = this.#outage;
    if (!this.#following) throw new Refusal('UNREACHABLE', `nothing can be logged now: ${trouble?.text}`);
    // Before it is handed over: it can be mirrored before the engine has answered.
    const { mirrored, forget } = this.#waiting.expect(leafHash);
    try {
      await this.#source.submit(statement);
      this.#checkOpen();
      const ms = this.#options.mirrorMsMax ?? MIRROR_MS_MAX;
      return await within(mirrored, ms, 'the entry is final on the outside engine and was not mirrored in time');
    } finally {
      forget();
    }
  }

  standing() {
    return { block: this.#feed.after?.block, failure: this.#failure, trouble: this.#outage.trouble };
  }

  order(): OrderView {
    const { block, failure, trouble } = this.standing();
    const ended = failure && { code: failure.code, text: failure.message };
    const braked = this.#source.braked?.();
    return {
      outside: { block: block ?? null, trouble: ended ?? trouble ?? null, ...(braked && { braked: [...braked] }) },
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ending.abort();
    this.#following?.stop();
    this.#waiting.end(new Refusal('UNREACHABLE', 'the ledger is closed'));
    await this.#source.close();
    await this.#reconnecting;
    await this.#working;
    await this.#ledger.close();
  }

  #checkOpen(): void {
    if (this.#failure) throw this.#failure;
    demand(!this.#closing, 'UNREACHABLE', 'the ledger is closed');
  }

  /** One block after another; closing waits for the one at work. */
  #take(take: () => Promise<void>): Promise<void> {
    const taken = take();
    this.#working = taken.catch(() => undefined);
    return taken.then(() => {
      checkQuorum(this.#ledger);
      this.#link();
      this.#arrived();
    });
  }

  #stop(error: unknown): void {
    if (this.#closing || this.#failure) return;
    const text = error instanceof Error ? error.message : String(error);
    const failure = error instanceof Refusal ? error : new Refusal('INTERNAL', text, { cause: error });
    this.#failure = failure;
    this.#ending.abort();
    this.#following?.stop();
    this.#waiting.end(failure);
    this.#arrived();
    this.#options.stopped?.(failure);
  }
}
