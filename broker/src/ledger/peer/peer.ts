/**
 * A peer: follows an orderer (and, if told, other peers), keeps a whole copy, cosigns heads. Each answer of whoever it
 * follows is hostile until it has been replayed. What the orderer signed and must not have is kept as evidence, and
 * from then on this peer takes nothing and signs nothing; what it had, it goes on serving.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Code, codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, findKey, hex, kidOf, publicKeyOf, type Signer } from '@countersign/device-sdk/format';
import type { BlobSource } from '../../store/blobs.ts';
import type { FileBlobStore } from '../../store/file-blobs.ts';
import { readStoredHead } from '../embedded/head-file.ts';
import type { EmbeddedLedger } from '../embedded/source.ts';
import { checkBlockSignatures, readBlock } from '../log/block.ts';
import type { OpenOwnOrder, OwnOrder } from '../mirror/own-order.ts';
import { checkWhole } from '../replay.ts';
import { serial } from '../serial.ts';
import { createChain, hasChain, openChain, type PeerChain } from './chain.ts';
import { cosignedFile } from './cosigned-file.ts';
import { CosignedHeads, type QuorumState } from './cosigned-heads.ts';
import { type Cosigner, openCosigner, type Witnessed } from './cosigner.ts';
import { type Evidence, type EvidenceFile, openEvidence } from './evidence.ts';
import { type Holdings, holdings } from './holdings.ts';
import type { PeerLink } from './link.ts';
import { BLOCKS_MAX, type BlocksAnswer, type CosignedHead } from './messages.ts';
import { isOnChain, openHead } from './on-chain.ts';

/** After a failure the next question waits, twice as long each time: a server that restarts is not stormed. */
const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
/** Under load heads are signed many times a second; people hear of it at this rate. */
const SAY_MS = 10_000;
/** What is missing of a release is looked for again. */
const CONTENT_RETRY_MS = 2_000;

export interface PeerOptions {
  /** The folder in which copy, last head signed and evidence lie. */
  dir: string;
  /** The orderer first; other peers may follow. */
  links: readonly PeerLink[];
  signer: Signer;
  /** Trust root 1, from outside. */
  trustRoot: Uint8Array;
  /** Content of releases that this peer holds, and where it gets it. */
  store: FileBlobStore;
  contents: readonly BlobSource[];
  verifier: Verifier;
  /** Where the order of entries comes from an outside engine: what this peer's own node of it says. */
  order?: OpenOwnOrder | undefined;
  /** What the same key has cosigned last as a witness. */
  witnessed?: Witnessed | undefined;
  /** Seconds since the epoch. */
  now?: () => number;
  /** Hears what people should know. */
  tell?: (event: PeerEvent) => void;
}

export interface PeerEvent {
  level: 'info' | 'warn' | 'error';
  code?: Code;
  text: string;
}

export interface PeerState {
  /** `FORK` once the orderer was caught: nothing is taken or signed any more. */
  state: 'following' | 'FORK' | 'stopped';
  /** Why it does not cosign although it follows; null where it does. */
  holdsBack: string | null;
  blocks: number;
  entries: number;
  /** Entries of the last head that this peer signed. */
  cosigned: number | null;
  kid: string;
  quorum: QuorumState;
  sources: { url: string; reachable: boolean; problem: string | null }[];
  evidence: number;
}

export interface Peer {
  readonly ledger: EmbeddedLedger;
  readonly heads: CosignedHeads;
  readonly evidence: readonly Evidence[];
  /** Whether the trust root in force names this peer's key. */
  readonly listed: boolean;
  /**
   * Whether it would put its name to the first `size` entries of its copy now: nothing is known against the orderer, the
   * trust root lists it, content is held, an own node agrees, and the copy has what its key has signed before.
   */
  vouches(size: number): Promise<boolean>;
  state(): PeerState;
  close(): Promise<void>;
}

/**
 * Opens the copy, or makes it from the orderer's first block, and follows.
 * @throws Refusal UNREACHABLE where there is no copy yet and no source answers; BAD_ROOT, BAD_STORE, LOCKED, TORN and
 * other codes of a damaged copy
 */
export async function openPeer(options: PeerOptions): Promise<Peer> {
  const { dir, verifier, trustRoot } = options;
  if (!hasChain(dir)) await createChain(dir, await firstBlock(options.links), trustRoot, verifier);
  const chain = await openChain(dir, trustRoot, verifier);
  try {
    const { inside } = chain.ledger;
    const now = options.now ?? (() => Math.floor(Date.now() / 1000));
    const file = cosignedFile(join(dir, 'ledger'));
    const heads = await CosignedHeads.open({ inside, verifier, file, names: false });
    const { signer, witnessed } = options;
    const cosigner = await openCosigner(join(dir, 'peer', 'cosigned.cbor'), signer, {
      inside,
      verifier,
      now,
      witnessed,
    });
    const evidence = await openEvidence(join(dir, 'peer', 'evidence'));
    const content = holdings({ ledger: chain.ledger, store: options.store, sources: options.contents, verifier });
    const follower = new Follower({ ...options, chain, heads, cosigner, evidence, content, now });
    follower.begin();
    return follower;
  } catch (error) {
    await chain.ledger.close();
    throw error;
  }
}

async function firstBlock(links: readonly PeerLink[]): Promise<Uint8Array> {
  let first: unknown;
  for (const link of links) {
    try {
      const [block] = (await link.blocks(0, 1, 0)).blocks;
      if (block) return block;
    } catch (error) {
      first ??= error;
    }
  }
  throw first ?? new Refusal('UNREACHABLE', 'nobody gives block 0');
}

interface Source {
  link: PeerLink;
  mark: number;
  reachable: boolean;
  problem: string | null;
  /** Its newest head, where this chain has not come so far yet: judged as soon as it has. */
  ahead: { signed: Uint8Array; root: Uint8Array } | undefined;
}

type Parts = PeerOptions & {
  chain: PeerChain;
  heads: CosignedHeads;
  cosigner: Cosigner;
  evidence: EvidenceFile;
  content: Holdings;
  now: () => number;
};

class Follower implements Peer {
  readonly #parts: Parts;
  readonly #sources: Source[];
  readonly #inOrder = serial();
  readonly #ending = new AbortController();
  readonly #kid: Uint8Array;
  #running: Promise<unknown> = Promise.resolve();
  #holdsBack: string | null = null;
  #order: OwnOrder | undefined;
  #fetching: Promise<void> | undefined;
  #contentTimer: NodeJS.Timeout | undefined;
  #lastWanted: CosignedHead | undefined;
  #stopped = false;
  #said = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#kid = kidOf(parts.verifier.sha256, publicKeyOf(parts.signer));
    this.#sources = parts.links.map((link) => ({ link, mark: 0, reachable: false, problem: null, ahead: undefined }));
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
    const { sha256 } = this.#parts.verifier;
    return findKey(sha256, this.ledger.inside.standing.point.root!, 'peer', this.#kid) !== undefined;
  }

  async vouches(size: number): Promise<boolean> {
    const { cosigner } = this.#parts;
    if (!this.listed || size > this.ledger.inside.standing.head.head.size || !this.#holdsContent()) return false;
    try {
      if ((await this.#order?.objection(size)) !== undefined || !(await cosigner.agrees())) return false;
    } catch (error) {
      if (codeOf(error) !== 'SPLIT_VIEW') throw error;
      return false;
    }
    // Looked at last: it may have come while this waited.
    return this.evidence.length === 0 && !this.#stopped;
  }

  begin(): void {
    if (this.evidence.length > 0) {
      this.#tell('error', 'FORK: there is evidence against the orderer in this folder; nothing is taken or signed');
    }
    this.#order = this.#parts.order?.(this.ledger, join(this.#parts.dir, 'ledger'), () => {
      if (!this.#stopped) void this.#inOrder(() => this.#again());
    });
    this.#running = Promise.all(this.#sources.map((source) => this.#follow(source)));
  }

  state(): PeerState {
    const { chain, heads, cosigner } = this.#parts;
    const forked = this.evidence.length > 0;
    return {
      state: forked ? 'FORK' : this.#stopped ? 'stopped' : 'following',
      holdsBack: forked ? 'the orderer signed what contradicts itself' : this.#holdsBack,
      blocks: chain.next,
      entries: chain.ledger.inside.standing.head.head.size,
      cosigned: cosigner.last?.size ?? null,
      kid: hex(this.#kid),
      quorum: heads.state(),
      sources: this.#sources.map(({ link, reachable, problem }) => ({ url: link.name, reachable, problem })),
      evidence: this.evidence.length,
    };
  }

  async close(): Promise<void> {
    this.#stopped = true;
    this.#ending.abort();
    clearTimeout(this.#contentTimer);
    for (const { link } of this.#sources) link.close();
    await this.#running;
    await this.#fetching;
    await this.#order?.close();
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
      if (isOwnFault(error) || !this.#isSigned(bytes)) throw error;
      const text = `block ${number}, signed by orderer and log, does not follow: ${(error as Error).message}`;
      await this.#accuse(source, codeOf(error), text, { block: hex(bytes), head: null });
      return false;
    }
  }

  /**
   * Signed by the orderer's and the log's keys as this chain knows them: then it is their word, whoever brought it. The
   * transactions have to be those of the signed header: whoever carries a block could exchange them, and would
   * silence every peer behind him for good.
   */
  #isSigned(bytes: Uint8Array): boolean {
    const { verifier } = this.#parts;
    const { point } = this.ledger.inside.standing;
    try {
      const block = readBlock(bytes);
      checkWhole(block, verifier);
      checkBlockSignatures(verifier, point.root!, block, point.frontier.size);
      return true;
    } catch {
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
    this.#lastWanted = wanted;
    await this.#cosign(wanted, checked);
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

  async #cosign(wanted: CosignedHead, head: Parameters<Cosigner['sign']>[0]): Promise<void> {
    const { heads, cosigner } = this.#parts;
    await heads.want(head, wanted);
    if (wanted.cosignatures.some(({ kid }) => equal(kid, this.#kid))) return;
    if (!this.#mayCosign() || !this.#holdsContent() || !(await this.#isInOwnOrder(head.size))) return;
    let cosignature: Uint8Array;
    try {
      cosignature = await cosigner.sign(head);
      this.#holdsBack = null;
    } catch (error) {
      if (codeOf(error) !== 'STALE') this.#holdBack(`${codeOf(error)}: ${(error as Error).message}`);
      return;
    }
    await heads.add(cosignature).catch(ignoreStale);
    this.#sayCosigned(head.size);
    for (const source of this.#sources) void this.#push(source, cosignature);
  }

  #sayCosigned(entries: number): void {
    if (performance.now() - this.#said < SAY_MS) return;
    this.#said = performance.now();
    this.#tell('info', `has cosigned ${entries} entries in ${this.#parts.chain.next} blocks`);
  }

  /** A key that no trust root names may follow and serve: it is only not heard. */
  #mayCosign(): boolean {
    if (this.listed) return true;
    this.#holdBack('the trust root does not list the key of this peer');
    return false;
  }

  async #isInOwnOrder(size: number): Promise<boolean> {
    const objection = await this.#order?.objection(size);
    if (objection !== undefined) this.#holdBack(objection);
    return objection === undefined;
  }

  /** What is missing is fetched beside the following: a slow download holds up signatures, not blocks. */
  #holdsContent(): boolean {
    const { content } = this.#parts;
    if (content.complete) return true;
    this.#fetching ??= this.#fetchContent();
    return false;
  }

  async #fetchContent(): Promise<void> {
    const missing = await this.#parts.content.fetch().catch((error) => ({ release: 'a release', text: String(error) }));
    this.#fetching = undefined;
    if (this.#stopped) return;
    if (missing) {
      this.#holdBack(`the content of ${missing.release} is not here yet: ${missing.text}`);
      this.#contentTimer = setTimeout(() => void this.#inOrder(() => this.#again()), CONTENT_RETRY_MS);
      return;
    }
    void this.#inOrder(() => this.#again());
  }

  /** The wanted head once more, after content was missing. */
  async #again(): Promise<void> {
    const wanted = this.#lastWanted;
    if (!wanted || this.#stopped || this.evidence.length > 0) return;
    const head = openHead(this.#parts.verifier, this.ledger.inside, wanted.signed, wanted.root);
    if (head) await this.#cosign(wanted, head);
  }

  #holdBack(why: string): void {
    if (this.#holdsBack !== why) this.#tell('warn', `does not cosign: ${why}`);
    this.#holdsBack = why;
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

/** A disk that fails, or a fault of this program, is no lie of the orderer. */
function isOwnFault(error: unknown): boolean {
  if (!(error instanceof Refusal) || error.code === 'BAD_STORE' || error.code === 'INTERNAL') return true;
  return error.cause !== undefined && !(error.cause instanceof Refusal);
}

function ignoreStale(error: unknown): void {
  if (codeOf(error) !== 'STALE') throw error;
}
