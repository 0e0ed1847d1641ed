/**
 * Heads and who cosigned them. One head at a time is wanted, and it stays wanted until enough peers have signed it: if
 * each peer signed whatever is newest when it looks, then under load no two would ever sign the same head. The newest
 * head with a quorum is the published one, and nobody is shown a newer.
 */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { type Cosignature, equal, type Head, hex, readHead } from '@countersign/device-sdk/format';
import { checkQuorum } from '@countersign/device-sdk/verify';
import type { Snapshot } from '../embedded/reader.ts';
import { Growth, type Inside } from '../embedded/source.ts';
import { serial } from '../serial.ts';
import { checkCosignature, isCosignature } from './check-cosignature.ts';
import { type CollectedHead, type Kept, messageOf, type Published, sameFields, sameHead } from './collected-head.ts';
import type { CosignedFile } from './cosigned-file.ts';
import type { CosignedHead } from './messages.ts';
import { isOnChain, openHead } from './on-chain.ts';

/** Snapshots of past blocks that are kept for proofs under a head that gets its quorum later; a few KB each. */
const SNAPSHOTS_MAX = 1_024;

/**
 * A head that the peers do not sign for so long is given up for the newest one. A peer that has signed a later head,
 * before its orderer was restarted or because somebody led it there, cannot sign this one any more.
 */
const WANTED_MS_MAX = 30_000;

/** What an operator wants to know. */
export interface QuorumState {
  /** Signatures that a head needs. */
  needed: number;
  /** Peers that may sign. */
  peers: number;
  /** Entries of the newest head. */
  size: number;
  /** Entries of the newest head with a quorum; null while there is none. */
  published: number | null;
  /** Key ids, in hex, of the peers that signed the published head. */
  signers: string[];
  /** Key ids of the peers that signed the head that is wanted now. */
  waitingWith: string[];
  /** Seconds for which the wanted head has been waiting; 0 where none is. */
  waitingSeconds: number;
  /** By key id, whole seconds since a cosignature of that peer was taken; absent for none since the start. */
  cosignedSecondsAgo: Record<string, number>;
}

export interface CosignedParts {
  inside: Inside;
  verifier: Verifier;
  file: CosignedFile;
  /** The orderer names the head that it wants signed; a peer wants what an orderer wants. */
  names: boolean;
  /** Milliseconds that only pass. */
  elapsedMs?: () => number;
}

export class CosignedHeads {
  readonly #parts: Required<CosignedParts>;
  readonly #moves = new Growth();
  readonly #snapshots = new Map<number, Snapshot>();
  readonly #inOrder = serial();
  /** By key id; only keys that a trust root lists come in here. */
  readonly #takenMs = new Map<string, number>();
  #wanted: CollectedHead | undefined;
  #published: CollectedHead | undefined;
  // Not 0: a peer that remembers the mark of an earlier process must not wait for this one's to differ.
  #mark = Math.floor(Math.random() * 2 ** 40);

  private constructor(parts: CosignedParts) {
    this.#parts = { elapsedMs: () => performance.now(), ...parts };
  }

  /** Takes up the published head where the former process left it. */
  static async open(parts: CosignedParts): Promise<CosignedHeads> {
    const heads = new CosignedHeads(parts);
    const stored = await parts.file.load();
    heads.#remember();
    // What is stored is only a memory: a head that is not of this chain any more is got anew from the peers.
    if (stored) await heads.adopt(stored).catch(() => undefined);
    heads.#choose();
    parts.inside.onMove(() => heads.#moved());
    return heads;
  }

  /** @throws Refusal NO_QUORUM while no head has one */
  published(): Published {
    const { needed } = this.#quorum();
    const newest = this.#parts.inside.reader.snapshot();
    if (needed === 0) return { ...newest, cosignatures: this.#signaturesOf(newest) };
    const published = this.#published;
    if (!published) {
      const have = this.#wanted?.by.size ?? 0;
      throw new Refusal(
        'NO_QUORUM',
        `${have} of ${needed} peers have cosigned the head of ${newest.head.size} entries`,
      );
    }
    return { ...published.kept, ...this.#indexOf(published.kept), cosignatures: [...published.by.values()] };
  }

  /** Entries under the published head; 0 while there is none. */
  get size(): number {
    if (this.#quorum().needed === 0) return this.#parts.inside.standing.head.head.size;
    return this.#published?.kept.head.size ?? 0;
  }

  get wanted(): CosignedHead | null {
    return this.#wanted ? messageOf(this.#wanted) : null;
  }

  get publishedHead(): CosignedHead | null {
    return this.#published ? messageOf(this.#published) : null;
  }

  get mark(): number {
    return this.#mark;
  }

  /** Resolves when something moved that makes this true, after `ms`, or at the end. */
  until(holds: () => boolean, ms?: number): Promise<void> {
    return this.#moves.until(holds, ms);
  }

  /**
   * Takes a peer's cosignature of the wanted or the published head. Taking it twice changes nothing.
   * @param bytes the COSE_Sign1 with detached root, as the peer made it
   * @throws Refusal STALE for another head; MALFORMED, UNKNOWN_KEY, REVOKED, BAD_SIGNATURE
   */
  add(bytes: Uint8Array): Promise<void> {
    return this.#inOrder(async () => {
      const read = readHead(bytes);
      const of = [this.#wanted, this.#published].find((item) => item && sameFields(item.kept.head, read));
      demand(of, 'STALE', 'a cosignature of a head that is not wanted here now');
      const { verifier, inside, file } = this.#parts;
      const cosignature = checkCosignature(verifier, inside.standing.point.root!, of.kept.head, read);
      if (of.by.has(hex(cosignature.kid))) return;
      this.#take(of, cosignature);
      if (of === this.#published) await file.store(messageOf(of));
      else await this.#publishIfEnough(of);
      this.#tell();
    });
  }

  /** A peer's way to want what the orderer wants: a head of this chain, with the signatures that it has by now. */
  want(head: Head, { signed, cosignatures }: CosignedHead): Promise<void> {
    return this.#inOrder(async () => {
      const [wanted, published] = [this.#wanted, this.#published];
      if (published && sameHead(published.kept.head, head)) return;
      // Sources that lag behind name older ones: what has moved on does not come back.
      const { size = 0, time = 0 } = (wanted ?? published)?.kept.head ?? {};
      if (head.size < size || head.time < time) return;
      const same = wanted && sameHead(wanted.kept.head, head);
      const next = same ? wanted : this.#collect({ head, signed });
      const before = next.by.size;
      for (const item of cosignatures) this.#addIfGood(next, item);
      if (same && next.by.size === before) return;
      this.#wanted = next;
      await this.#publishIfEnough(next);
      this.#tell();
    });
  }

  /**
   * Takes a head with a quorum from somebody else, if it is of this chain and newer than the own one.
   * @throws Refusal SPLIT_VIEW, NO_QUORUM and codes of the log's signature
   */
  adopt(message: CosignedHead): Promise<void> {
    return this.#inOrder(async () => {
      const { inside, verifier, file } = this.#parts;
      const head = openHead(verifier, inside, message.signed, message.root);
      const root = inside.standing.point.root!;
      if (!head || head.rootVersion !== root.version || !(await isOnChain(inside, head))) return;
      checkQuorum(verifier, root, head, message.cosignatures);
      const own = this.#published;
      if (own && (head.size < own.kept.head.size || head.time < own.kept.head.time)) return;
      const next = own && sameHead(own.kept.head, head) ? own : this.#collect({ head, signed: message.signed });
      const before = next.by.size;
      for (const item of message.cosignatures) this.#addIfGood(next, item);
      if (next === own && next.by.size === before) return;
      await file.store(messageOf(next));
      this.#publish(next);
      this.#tell();
    });
  }

  state(): QuorumState {
    const { needed, peers } = this.#quorum();
    const [wanted, published] = [this.#wanted, this.#published];
    return {
      needed,
      peers,
      size: this.#parts.inside.standing.head.head.size,
      published: published?.kept.head.size ?? null,
      signers: [...(published?.by.keys() ?? [])],
      waitingWith: [...(wanted?.by.keys() ?? [])],
      waitingSeconds: wanted ? Math.floor((this.#parts.elapsedMs() - wanted.since) / 1000) : 0,
      cosignedSecondsAgo: Object.fromEntries(
        [...this.#takenMs].map(([kid, ms]) => [kid, Math.floor((this.#parts.elapsedMs() - ms) / 1000)]),
      ),
    };
  }

  end(): void {
    this.#moves.end();
  }

  #quorum(): { needed: number; peers: number } {
    const { threshold, keys } = this.#parts.inside.standing.point.root!.roles.peer;
    return { needed: threshold, peers: keys.length };
  }

  #moved(): void {
    this.#remember();
    this.#choose();
    this.#tell();
  }

  #tell(): void {
    this.#mark++;
    this.#moves.tell();
  }

  #remember(): void {
    const snapshot = this.#parts.inside.reader.snapshot();
    this.#snapshots.set(snapshot.head.size, snapshot);
    if (this.#snapshots.size > SNAPSHOTS_MAX) this.#snapshots.delete(this.#snapshots.keys().next().value!);
  }

  /** The orderer's choice. Another trust root may name other peers, so a head under the former one is given up. */
  #choose(): void {
    if (!this.#parts.names || this.#quorum().peers === 0) return;
    const newest = this.#parts.inside.reader.snapshot();
    const wanted = this.#wanted;
    const stale = wanted && wanted.kept.head.rootVersion < newest.head.rootVersion;
    const late = wanted && this.#parts.elapsedMs() - wanted.chosen >= WANTED_MS_MAX;
    if (wanted && !stale && !(late && !sameHead(wanted.kept.head, newest.head))) return;
    if (this.#published && sameHead(this.#published.kept.head, newest.head)) return;
    this.#wanted = { ...this.#collect(newest), ...(wanted && { since: wanted.since }) };
  }

  #collect({ head, signed }: Pick<Kept, 'head' | 'signed'>): CollectedHead {
    const seen = this.#snapshots.get(head.size);
    const index = seen && equal(seen.head.indexRoot, head.indexRoot) ? seen : undefined;
    const kept: Kept = { head, signed, ...(index && { index: index.index, statements: index.statements }) };
    const now = this.#parts.elapsedMs();
    return { kept, by: new Map(), since: now, chosen: now };
  }

  async #publishIfEnough(wanted: CollectedHead): Promise<void> {
    const { verifier, inside, file } = this.#parts;
    try {
      checkQuorum(verifier, inside.standing.point.root!, wanted.kept.head, [...wanted.by.values()]);
    } catch (error) {
      if (codeOf(error) === 'NO_QUORUM') return;
      throw error;
    }
    // Durable before anybody sees it: after a restart no reader is shown an older one than before.
    await file.store(messageOf(wanted));
    this.#publish(wanted);
  }

  #publish(next: CollectedHead): void {
    this.#published = next;
    const { size } = next.kept.head;
    for (const past of this.#snapshots.keys()) if (past < size) this.#snapshots.delete(past);
    if (this.#wanted && (this.#wanted === next || this.#wanted.kept.head.size <= size)) {
      const wanted = this.#wanted;
      this.#wanted = undefined;
      if (wanted !== next && wanted.kept.head.time > next.kept.head.time) this.#wanted = wanted;
    }
    this.#choose();
  }

  #signaturesOf({ head }: Kept): Cosignature[] {
    const of = [this.#wanted, this.#published].find((item) => item && sameHead(item.kept.head, head));
    return [...(of?.by.values() ?? [])];
  }

  /** Index and statements of a head that an earlier process saw: those of now, where nothing changed since. */
  #indexOf(kept: Kept): Partial<Pick<Snapshot, 'index' | 'statements'>> {
    if (kept.index) return {};
    const { head, index, statements } = this.#parts.inside.reader.snapshot();
    return equal(head.indexRoot, kept.head.indexRoot) ? { index, statements } : {};
  }

  #addIfGood(to: CollectedHead, item: Cosignature): void {
    const { verifier, inside } = this.#parts;
    const root = inside.standing.point.root!;
    if (!to.by.has(hex(item.kid)) && isCosignature(verifier, root, to.kept.head, item)) this.#take(to, item);
  }

  #take(to: CollectedHead, item: Cosignature): void {
    to.by.set(hex(item.kid), item);
    this.#takenMs.set(hex(item.kid), this.#parts.elapsedMs());
  }
}
