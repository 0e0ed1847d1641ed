/**
 * Whether a peer puts its name to the head that is wanted, and when: its key is named, the content of releases is held, an
 * own node of an outside engine agrees, and nothing is known against the orderer.
 */
import { join } from 'node:path';
import { type Code, codeOf, Refusal } from '@countersign/device-sdk';
import { equal, findKey, type Head, hex, kidOf, publicKeyOf, revokedFrom } from '@countersign/device-sdk/format';
import { cosignedBytes } from '@countersign/device-sdk/verify';
import type { EmbeddedLedger } from '../embedded/source.ts';
import type { OwnOrder } from '../mirror/own-order.ts';
import type { PeerChain } from './chain.ts';
import type { CosignedHeads } from './cosigned-heads.ts';
import type { Cosigner } from './cosigner.ts';
import type { EvidenceFile } from './evidence.ts';
import type { Holdings } from './holdings.ts';
import type { CosignedHead } from './messages.ts';
import { openHead } from './on-chain.ts';
import type { PeerEvent, PeerOptions } from './peer.ts';

/** Under load heads are signed many times a second; people hear of it at this rate. */
const SAY_MS = 10_000;
/** What is missing of a release is looked for again. */
const CONTENT_RETRY_MS = 2_000;

export type PeerParts = PeerOptions & {
  chain: PeerChain;
  heads: CosignedHeads;
  cosigner: Cosigner;
  evidence: EvidenceFile;
  content: Holdings;
  now: () => number;
};

export interface CosigningPorts {
  /** One after another with the blocks that are taken. */
  inOrder(work: () => Promise<void>): Promise<void>;
  /** Brings a signature to whoever is followed. */
  push(cosignature: Uint8Array): void;
  tell(level: PeerEvent['level'], text: string, code?: Code): void;
}

export class Cosigning {
  readonly #parts: PeerParts;
  readonly #ports: CosigningPorts;
  /** The trust root for which the signer was asked to take its key. */
  #rootVersion: number | undefined;
  #holdsBack: string | null = null;
  #order: OwnOrder | undefined;
  #fetching: Promise<void> | undefined;
  #contentTimer: NodeJS.Timeout | undefined;
  #lastWanted: CosignedHead | undefined;
  #stopped = false;
  #said = Number.NEGATIVE_INFINITY;

  constructor(parts: PeerParts, ports: CosigningPorts) {
    this.#parts = parts;
    this.#ports = ports;
  }

  get #kid(): Uint8Array {
    return kidOf(this.#parts.verifier.sha256, publicKeyOf(this.#parts.signer));
  }

  get kid(): string {
    return hex(this.#kid);
  }

  /** Why it does not sign although it follows; null where it does. */
  get holdsBack(): string | null {
    return this.#holdsBack;
  }

  get listed(): boolean {
    const { sha256 } = this.#parts.verifier;
    const { root } = this.#ledger.inside.standing.point;
    const key = findKey(sha256, root!, 'peer', this.#kid);
    return key !== undefined && revokedFrom(sha256, root!, key) === undefined;
  }

  /** See Peer. */
  async vouches(size: number): Promise<boolean> {
    const { cosigner } = this.#parts;
    if (!this.listed || size > this.#ledger.inside.standing.head.head.size || !this.#holdsContent()) return false;
    try {
      if ((await this.#order?.objection(size)) !== undefined || !(await cosigner.agrees())) return false;
    } catch (error) {
      if (codeOf(error) !== 'SPLIT_VIEW') throw error;
      return false;
    }
    // Looked at last: it may have come while this waited.
    return this.#parts.evidence.list.length === 0 && !this.#stopped;
  }

  begin(): void {
    const { order, dir } = this.#parts;
    this.#order = order?.(this.#ledger, join(dir, 'ledger'), () => {
      if (!this.#stopped) void this.#ports.inOrder(() => this.#again());
    });
  }

  /** Nothing is signed from now on. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#contentTimer);
  }

  /** Resolves when nothing that was begun goes on. */
  async ended(): Promise<void> {
    await this.#fetching;
    await this.#order?.close();
  }

  get #ledger(): EmbeddedLedger {
    return this.#parts.chain.ledger;
  }

  /**
   * A head with this key's own signature that this folder does not know of: the folder was put back from an older copy, or
   * the key is used elsewhere as well. Without this the peer would sign heads beside those that it has forgotten.
   */
  async recall({ signed, root, cosignatures }: CosignedHead): Promise<void> {
    const { verifier, signer, cosigner } = this.#parts;
    const own = cosignatures.find(({ kid }) => equal(kid, this.#kid));
    const head = own && this.#opened(signed, root);
    if (!head) return;
    const key = publicKeyOf(signer);
    // Anybody can put this kid beside a head.
    if (own.alg !== key.alg || !verifier.verify(key.alg, key.bytes, cosignedBytes(head, own), own.signature)) return;
    const knew = await cosigner.remember(head);
    if (knew === undefined) return;
    const text =
      `this key has cosigned a head of ${head.size} entries, the last that this folder knows of has ${knew}: it was put ` +
      'back from an older copy, or the key is used elsewhere. Nothing is signed until the copy has them';
    this.#ports.tell('error', text, 'STALE');
  }

  /** A head under a log key that is no longer valid is nothing to remember; who judges heads says so. */
  #opened(signed: Uint8Array, root: Uint8Array): Head | undefined {
    try {
      return openHead(this.#parts.verifier, this.#ledger.inside, signed, root);
    } catch (error) {
      if (error instanceof Refusal) return undefined;
      throw error;
    }
  }

  /** Signs a head of the own chain, if nothing speaks against it, and brings the signature to all sources. */
  async cosign(wanted: CosignedHead, head: Head): Promise<void> {
    const { heads, cosigner } = this.#parts;
    this.#lastWanted = wanted;
    await this.#takeKey();
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
    this.#ports.push(cosignature);
  }

  /** Another trust root may name another key of this peer, prepared beside the former one. */
  async #takeKey(): Promise<void> {
    const { root } = this.#ledger.inside.standing.point;
    if (!root || root.version === this.#rootVersion) return;
    await this.#parts.adopted?.(root);
    this.#rootVersion = root.version;
  }

  #sayCosigned(entries: number): void {
    if (performance.now() - this.#said < SAY_MS) return;
    this.#said = performance.now();
    this.#ports.tell('info', `has cosigned ${entries} entries in ${this.#parts.chain.next} blocks`);
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
      this.#contentTimer = setTimeout(() => void this.#ports.inOrder(() => this.#again()), CONTENT_RETRY_MS);
      return;
    }
    void this.#ports.inOrder(() => this.#again());
  }

  /** The wanted head once more, after content was missing. */
  async #again(): Promise<void> {
    const wanted = this.#lastWanted;
    if (!wanted || this.#stopped || this.#parts.evidence.list.length > 0) return;
    const head = openHead(this.#parts.verifier, this.#ledger.inside, wanted.signed, wanted.root);
    if (head) await this.cosign(wanted, head);
  }

  #holdBack(why: string): void {
    if (this.#holdsBack !== why) this.#ports.tell('warn', `does not cosign: ${why}`);
    this.#holdsBack = why;
  }
}

function ignoreStale(error: unknown): void {
  if (codeOf(error) !== 'STALE') throw error;
}
