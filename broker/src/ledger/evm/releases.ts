/** What a release needs on the chain beside its statements: the proposal with its contents, and the votes. */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { hex, OPEN, readBlock1, readManifest } from '@countersign/device-sdk/format';
import { readUpload } from '../contract/args.ts';
import type { Entry, TransactionEntry } from '../contract/entry.ts';
import { asBytes32, type EvmParts } from './parts.ts';

/** As the contract's CONTENTS_MAX: eight branches of the application and the images always have room. */
const CONTENTS_MAX = 16;

/** What `proposals` gives: product, parent, sequence, confirmed, votes. */
type Proposal = readonly [string, string, bigint, boolean, bigint];

export class Releases {
  readonly #parts: EvmParts;

  constructor(parts: EvmParts) {
    this.#parts = parts;
  }

  /** @throws Refusal of the contract on the chain; NOT_APPROVED while nodes have yet to vote; NOT_OPEN under the brake */
  async before(entry: Entry): Promise<void> {
    if (entry.kind === 'rollout' && entry.rollout.state === OPEN) return this.#checkRuns(entry.rollout.classId);
    if (entry.kind !== 'tx') return;
    if (entry.tx.action === 'upload') return this.#propose(entry);
    if (entry.tx.action === 'confirm') return this.#confirm(entry);
  }

  async #propose(entry: TransactionEntry): Promise<void> {
    const { chain, contents } = this.#parts;
    const { block1, manifest: bytes } = readUpload(entry.tx.args);
    const manifest = readManifest(bytes);
    const release = asBytes32(entry.tx.object);
    const cids = (await contents(manifest)).slice(0, CONTENTS_MAX).map((cid) => `0x${hex(cid)}`);
    const { classId, sequence } = manifest;
    const parent = asBytes32(readBlock1(block1).previousLeaf);
    const statement = asBytes32(entry.leafHash);
    try {
      await chain.send('propose', [asBytes32(classId), BigInt(sequence), parent, release, statement, cids]);
    } catch (error) {
      // A former try of this upload came so far and no further.
      if (codeOf(error) !== 'EXISTS') throw error;
    }
  }

  async #confirm({ tx }: TransactionEntry): Promise<void> {
    const { chain, profile } = this.#parts;
    const release = asBytes32(tx.object);
    if (!(await this.#isConfirmed(release))) await this.#vote(release);
    const until = Date.now() + profile.timeoutMs;
    // Final, not only there: a reorganisation could else put the statement before the last vote.
    for (;;) {
      const height = await chain.height();
      const final = await chain.read('proposals', [release], Math.max(height - profile.confirmations, 0));
      if ((final as Proposal | undefined)?.[3]) return;
      if (!(await this.#isConfirmed(release))) {
        const [votes, needed] = await Promise.all([chain.read('standingVotes', [release]), chain.read('threshold')]);
        throw new Refusal('NOT_APPROVED', `${votes} of ${needed} repository nodes have voted for ${release}`);
      }
      demand(Date.now() < until, 'UNREACHABLE', `the votes for ${release} did not become final in time`);
      await new Promise((resolve) => setTimeout(resolve, profile.pollMs));
    }
  }

  async #vote(release: `0x${string}`): Promise<void> {
    const { chain, profile } = this.#parts;
    try {
      const sent = await chain.send('vote', [release]);
      const until = Date.now() + profile.timeoutMs;
      while (!(await chain.mined(sent))) {
        demand(Date.now() < until, 'UNREACHABLE', `the vote for ${release} was not mined in time`);
        await new Promise((resolve) => setTimeout(resolve, profile.pollMs));
      }
    } catch (error) {
      if (codeOf(error) !== 'DUPLICATE') throw error; // we have voted; others may be missing
    }
  }

  async #isConfirmed(release: `0x${string}`): Promise<boolean> {
    return ((await this.#parts.chain.read('proposals', [release])) as Proposal)[3];
  }

  /** The brake on the chain: no rollout is opened under it. */
  async #checkRuns(classId: Uint8Array): Promise<void> {
    const { chain } = this.#parts;
    for (const product of [asBytes32(classId), asBytes32(new Uint8Array())]) {
      const paused = await chain.read('paused', [product]);
      if (paused) throw new Refusal('NOT_OPEN', `the chain has product ${product} paused`);
    }
  }
}
