/**
 * The log's own checkpoints: one for each size that somebody asks for. A checkpoint says what a signed head says, so it
 * is made of heads that are stored already, and is stored itself before it leaves. Order, and a crash after each step:
 *  1. the head is durable (embedded/head-file.ts)     no checkpoint of it exists
 *  2. compare with the one given last, sign           nobody has it
 *  3. replace the file, durably                       it is given out as it stands there, from now on
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, type TrustRoot } from '@countersign/device-sdk/format';
import { type LedgerSigner, signerUnder } from '../../keys/signers.ts';
import { type Checkpoint, checkpointText, readCheckpoint } from './checkpoint.ts';
import { encodeNote } from './note.ts';
import { signText } from './note-signatures.ts';

/** Where the checkpoint that was given last is kept. */
export interface CheckpointStore {
  load(): Promise<Uint8Array | undefined>;
  /** Durable when it resolves. */
  save(note: Uint8Array): Promise<void>;
}

export interface CheckpointParts {
  verifier: Verifier;
  logSigner: LedgerSigner;
  /** The trust root in force: its log key signs. */
  trust: () => TrustRoot;
  store: CheckpointStore;
  /** The stored head of now. */
  head: () => Checkpoint;
  /** Root of the first leaves. */
  rootAt: (size: number) => Uint8Array;
}

export class Checkpoints {
  readonly #parts: CheckpointParts;
  #last: { checkpoint: Checkpoint; bytes: Uint8Array } | undefined;
  #working: Promise<unknown> = Promise.resolve();

  constructor(parts: CheckpointParts) {
    this.#parts = parts;
  }

  /**
   * @param head gives the newest that may be shown, when its turn has come; the stored one where not given
   * @throws Refusal UNSUPPORTED, BAD_HEAD, BAD_STORE
   */
  newest(head = this.#parts.head): Promise<Uint8Array> {
    const next = this.#working.then(() => this.#newest(head()));
    this.#working = next.catch(() => undefined);
    return next;
  }

  async #newest({ origin, size, root }: Checkpoint): Promise<Uint8Array> {
    const last = (this.#last ??= await this.#load());
    if (last) {
      const grown = last.checkpoint.origin === origin && last.checkpoint.size <= size;
      // A ledger put back from an older copy stands here, and one whose disk was exchanged.
      demand(grown, 'BAD_HEAD', `a checkpoint of ${last.checkpoint.size} entries was given, the head has ${size}`);
      const same = last.checkpoint.size === size;
      const begins = equal(same ? root : this.#parts.rootAt(last.checkpoint.size), last.checkpoint.root);
      demand(begins, 'BAD_HEAD', 'the checkpoint that was given last is not the beginning of this tree');
      // Every trust root is an entry: of one size there are no two under different roots.
      if (same) return last.bytes;
    }
    const { verifier, logSigner, store, trust } = this.#parts;
    const signer = await signerUnder(verifier, trust(), 'log', logSigner);
    const text = checkpointText({ origin, size, root });
    const signature = await signText(verifier.sha256, origin, signer, text);
    const bytes = encodeNote({ text, signatures: [signature] });
    await store.save(bytes);
    this.#last = { checkpoint: { origin, size, root }, bytes };
    return bytes;
  }

  async #load() {
    const bytes = await this.#parts.store.load();
    if (!bytes) return undefined;
    try {
      return { checkpoint: readCheckpoint(bytes), bytes };
    } catch (cause) {
      throw new Refusal('BAD_STORE', 'the checkpoint that was given last is damaged', { cause });
    }
  }
}
