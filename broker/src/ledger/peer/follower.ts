/** Follows the orderer and other peers: takes their blocks and heads, and keeps what proves a lie. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Code, codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import { readStoredHead } from '../embedded/head-file.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { checkBlockSignatures, readBlock } from '../log/block.ts';
import { checkWhole } from '../replay.ts';
import { serial } from '../serial.ts';
import type { CosignedHeads } from './cosigned-heads.ts';
import { Cosigning, type PeerParts } from './cosigning.ts';
import type { Evidence } from './evidence.ts';
import type { PeerLink } from './link.ts';
import { BLOCKS_MAX, type BlocksAnswer, type CosignedHead } from './messages.ts';
import { isOnChain, openHead } from './on-chain.ts';
import type { Peer, PeerEvent, PeerState } from './peer.ts';

/** After a failure the next question waits, twice as long each time: a server that restarts is not stormed. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;

interface Source {
  link: PeerLink;
  mark: number;
  reachable: boolean;
  problem: string | null;
  /** Its newest head, where this chain has not come so far yet: judged as soon as it has. */
  ahead: { signed: Uint8Array; root: Uint8Array } | undefined;
}

/** Goes on until it is closed, or the orderer is caught. */
export class Follower implements Peer {
  readonly #parts: PeerParts;
  readonly #sources: Source[];
  readonly #inOrder = serial();
  readonly #ending = new AbortController();
  readonly #cosigning: Cosigning;
  #running: Promise<unknown> = Promise.resolve();
  #stopped = false;

  constructor(parts: PeerParts) {
    this.#parts = parts;
    this.#sources = parts.links.map((link) => ({ link, mark: 0, reachable: false, problem: null, ahead: undefined }));
    this.#cosigning = new Cosigning(parts, {
      inOrder: this.#inOrder,
      push: (cosignature) => {
        for (const source of this.#sources) void this.#push(source, cosignature);
      },
      tell: (level, text, code) => this.#tell(level, text, code),
    });
  }

  get ledger(): EmbeddedLedger {
    return this.#parts.chain.ledger;
  }

  get heads(): CosignedHeads {
    return this.#parts.heads;
  }

  get evidence(): readonly Evidence[] {
    return this.#parts.evidence.list;
  }

  get listed(): boolean {
    return this.#cosigning.listed;
  }

  vouches(size: number): Promise<boolean> {
    return this.#cosigning.vouches(size);
  }

  begin(): void {
    if (this.evidence.length > 0) {
      this.#tell('error', 'FORK: there is evidence against the orderer in this folder; nothing is taken or signed');
    }
    this.#cosigning.begin();
    this.#running = Promise.all(this.#sources.map((source) => this.#follow(source)));
  }

  state(): PeerState {
    const { chain, heads, cosigner } = this.#parts;
    const forked = this.evidence.length > 0;
    return {
      state: forked ? 'FORK' : this.#stopped ? 'stopped' : 'following',
      holdsBack: forked ? 'the orderer signed what contradicts itself' : this.#cosigning.holdsBack,
      blocks: chain.next,
      entries: chain.ledger.inside.standing.head.head.size,
      cosigned: cosigner.last?.size ?? null,
      kid: this.#cosigning.kid,
      quorum: heads.state(),
      sources: this.#sources.map(({ link, reachable, problem }) => ({ url: link.name, reachable, problem })),
      evidence: this.evidence.length,
    };
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#ending.abort();
    this.#cosigning.stop();
    for (const { link } of this.#sources) link.close();
    await this.#running;
    await this.#cosigning.ended();
    await this.#inOrder(async () => undefined);
    this.heads.end();
    await this.ledger.close();
  }

  /** One source, until the end. A source that fails is asked again, later and later. */
  async #follow(source: Source): Promise<void> {
    for (let wait = RETRY_MS_MIN; !this.#ending.signal.aborted && this.evidence.length === 0; ) {
      try {
        const answer = await source.link.blocks(this.#parts.chain.next, this.#most(source), source.mark);
        this.#isReachable(source);
        await this.#inOrder(() => this.#take(source, answer));
        source.mark = answer.mark;
        wait = RETRY_MS_MIN;
      } catch (error) {
        if (this.#ending.signal.aborted) return;
        this.#hasFailed(source, error);
        await pause(wait, undefined, { signal: this.#ending.signal }).catch(() => undefined);
        wait = Math.min(wait * 2, RETRY_MS_MAX);
      }
    }
  }

  /** Blocks come from the first source that answers; the others are asked for their heads alone. */
  #most(source: Source): number {
    const before = this.#sources.slice(0, this.#sources.indexOf(source));
    return before.some(({ reachable, problem }) => reachable && problem === null) ? 0 : BLOCKS_MAX;
  }

  #isReachable(source: Source): void {
    if (!source.reachable) this.#tell('info', `follows ${source.link.name}`);
    source.reachable = true;
  }

  #hasFailed(source: Source, error: unknown): void {
    const code = codeOf(error);
    const text = error instanceof Error ? error.message : String(error);
    const known = source.problem?.startsWith(code) ?? false;
    source.problem = `${code}: ${text}`;
    if (code === 'UNREACHABLE') source.reachable = false;
    // Once for each kind: a server that is down for a day is not a hundred thousand lines.
    if (!known) this.#tell(code === 'UNREACHABLE' ? 'warn' : 'error', text, code);
  }

  async #take(source: Source, answer: BlocksAnswer): Promise<void> {
    if (this.evidence.length > 0) return;
    for (const bytes of answer.blocks) {
      if (!(await this.#takeBlock(source, bytes))) return;
    }
    if (!(await this.#takeNewest(source, answer.newest))) return;
    if (answer.blocks.length > 0 && !(await this.#judgeAhead())) return;
    for (const head of [answer.published, answer.wanted]) if (head) await this.#cosigning.recall(head);
    // Who comes late signs what the others have signed: a third signature outlives the loss of one of two.
    const wanted = (this.#leads(source) ? answer.wanted : null) ?? answer.published;
    // Before the published one, which is refused where its log key is no longer valid: a newer one takes its place
    // only if the peers sign it.
    if (wanted) await this.#takeWanted(source, wanted);
    if (answer.published && this.evidence.length === 0) await this.#takePublished(source, answer.published);
  }

  /**
   * Which head is wanted is the orderer's word, or another peer's while the orderer is away. A peer that always wanted
   * the newest would lead the others past what the orderer waits for, and they could never sign it any more.
   */
  #leads(source: Source): boolean {
    const [orderer] = this.#sources;
    return source === orderer || !orderer!.reachable;
  }

  /** @returns false where it proved a lie */
  async #takeBlock(source: Source, bytes: Uint8Array): Promise<boolean> {
    const { chain, content } = this.#parts;
    const block = readBlock(bytes);
    const { number } = block.header;
    // While this answer was on its way another source may have brought the same block.
    if (number < chain.next) return true;
    if (number > chain.next) throw new Refusal('UNREACHABLE', `asked for block ${chain.next}, got ${number}`);
    try {
      const { confirmed } = await chain.extend(bytes);
      if (confirmed) content.changed();
      return true;
    } catch (error) {
      if (isOwnFault(error) || !isSignedBlock(this.#parts.verifier, this.ledger, bytes)) throw error;
      const text = `block ${number}, signed by orderer and log, does not follow: ${(error as Error).message}`;
      await this.#accuse(source, codeOf(error), text, { block: hex(bytes), head: null });
      return false;
    }
  }

  async #takeNewest(source: Source, bytes: Uint8Array): Promise<boolean> {
    const { signed, head, blockNumber } = readStoredHead(bytes);
    const checked = await this.#check(source, signed, head.root);
    if (checked === 'lie') return false;
    source.ahead = checked ? undefined : { signed, root: head.root };
    const { chain } = this.#parts;
    if (checked && blockNumber === chain.next - 1) await chain.renew(checked, signed);
    const own = this.ledger.inside.standing.head.head.size;
    const behind = head.size < own;
    source.problem = behind ? `STALE: it shows ${head.size} entries, here are ${own}` : null;
    return true;
  }

  /** Heads of others that were beyond this chain: two histories are told apart when it gets there. */
  async #judgeAhead(): Promise<boolean> {
    for (const source of this.#sources) {
      if (!source.ahead) continue;
      const checked = await this.#check(source, source.ahead.signed, source.ahead.root);
      if (checked === 'lie') return false;
      if (checked) source.ahead = undefined;
    }
    return true;
  }

  async #takePublished(source: Source, published: CosignedHead): Promise<void> {
    const checked = await this.#check(source, published.signed, published.root);
    if (checked && checked !== 'lie') await this.heads.adopt(published);
  }

  async #takeWanted(source: Source, wanted: CosignedHead): Promise<void> {
    const checked = await this.#check(source, wanted.signed, wanted.root);
    if (checked === 'lie' || !checked) return;
    await this.#cosigning.cosign(wanted, checked);
  }

  /** @returns the head where it is on this chain; undefined where that cannot be told yet */
  async #check(source: Source, signed: Uint8Array, root: Uint8Array) {
    const { inside } = this.ledger;
    const head = openHead(this.#parts.verifier, inside, signed, root);
    if (!head) return undefined;
    try {
      return (await isOnChain(inside, head)) ? head : undefined;
    } catch (error) {
      if (codeOf(error) !== 'SPLIT_VIEW') throw error;
      const text = (error as Error).message;
      await this.#accuse(source, 'SPLIT_VIEW', text, { block: null, head: { signed: hex(signed), root: hex(root) } });
      return 'lie' as const;
    }
  }

  async #push({ link }: Source, cosignature: Uint8Array): Promise<void> {
    try {
      await link.push(cosignature);
    } catch (error) {
      // A head that is not wanted any more, or a server that is away: both come back with the next answer.
      if (!['STALE', 'UNREACHABLE', 'NOT_FOUND'].includes(codeOf(error)))
        this.#tell('warn', `${link.name} does not take the cosignature: ${(error as Error).message}`, codeOf(error));
    }
  }

  async #accuse(source: Source, code: Code, text: string, what: Pick<Evidence, 'block' | 'head'>): Promise<void> {
    const { head, signed } = this.ledger.inside.standing.head;
    const own = { signed: hex(signed), root: hex(head.root), size: head.size };
    await this.#parts.evidence.add({ code, text, time: this.#parts.now(), from: source.link.name, ...what, own });
    this.#tell('error', `FORK: ${text}. Evidence is kept in peer/evidence; this peer signs nothing more`, code);
  }

  #tell(level: PeerEvent['level'], text: string, code?: Code): void {
    this.#parts.tell?.({ level, text, ...(code && { code }) });
  }
}

/**
 * Signed by the orderer's and the log's keys as this chain knows them: then it is their word, whoever brought it. The
 * transactions have to be those of the signed header: whoever carries a block could exchange them, and would
 * silence every peer behind him for good.
 */
function isSignedBlock(verifier: Verifier, { inside }: EmbeddedLedger, bytes: Uint8Array): boolean {
  const { point } = inside.standing;
  try {
    const block = readBlock(bytes);
    checkWhole(block, verifier);
    checkBlockSignatures(verifier, point.root!, block, point.frontier.size);
    return true;
  } catch {
    return false;
  }
}

/** A disk that fails, or a fault of this program, is no lie of the orderer. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Refusal) || error.code === 'BAD_STORE' || error.code === 'INTERNAL') return true;
  return error.cause !== undefined && !(error.cause instanceof Refusal);
}
