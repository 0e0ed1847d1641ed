/**
 * A witness of our log (c2sp.org/tlog-witness): it cosigns a checkpoint that continues the last one it cosigned, and
 * no other. Comparing and storing are one step, before the answer: of two requests at once the second is compared with
 * what the first has stored, and a crash leaves the old checkpoint or the new one.
 */
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { checkConsistency, equal, fromUtf8, PATH_MAX, type Signer, utf8 } from '@countersign/device-sdk/format';
import { type Checkpoint, type ReadCheckpoint, readCheckpoint } from './checkpoint.ts';
import type { CheckpointStore } from './checkpoints.ts';
import { encodeNote, NOTE_BYTES_MAX, type NoteSignature, signatureLine } from './note.ts';
import { cosignText, isSignedBy } from './note-signatures.ts';
import { readDecimal, readHash } from './text.ts';
import type { NoteKey } from './vkey.ts';

/** Hashes in a request: enough for 2^63 leaves. */
const PROOF_LINES_MAX = 63;
export const ADD_CHECKPOINT_BYTES_MAX = NOTE_BYTES_MAX + PROOF_LINES_MAX * 45 + 64;

/** What the protocol answers. The statuses are part of it. */
export interface WitnessAnswer {
  status: 200 | 400 | 403 | 404 | 409 | 422 | 503;
  type: string;
  body: string;
}

export interface WitnessParts {
  verifier: Verifier;
  /** The log's keys now; their name is the origin. Checkpoints of other logs are 404. */
  log: () => readonly NoteKey[];
  /** Ed25519. */
  signer: Signer;
  /** The cosigner's name in notes. */
  name: string;
  store: CheckpointStore;
  /** Seconds since the epoch. */
  now: () => number;
  /**
   * Whether the witness's own copy of the log has this tree: true, false, or undefined where it has not come so far.
   * Without it consistency alone decides.
   */
  holds?: (checkpoint: Checkpoint) => Promise<boolean | undefined>;
}

export class Witness {
  readonly #parts: WitnessParts;
  #working: Promise<unknown> = Promise.resolve();
  /** The newest with its newest time. */
  #shown: Uint8Array | undefined;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** Answers one request; requests are taken one after another. @throws Refusal BAD_STORE */
  addCheckpoint(body: Uint8Array): Promise<WitnessAnswer> {
    const next = this.#working.then(() => this.#add(body));
    this.#working = next.catch(() => undefined);
    return next;
  }

  /** The checkpoint cosigned last, with the log's signatures and this witness's. */
  async newest(): Promise<Uint8Array | undefined> {
    return this.#shown ?? this.#parts.store.load();
  }

  async #add(body: Uint8Array): Promise<WitnessAnswer> {
    let request: Request;
    try {
      request = readRequest(body);
    } catch (error) {
      return refused(400, error);
    }
    const { old, path, checkpoint } = request;
    const known = this.#parts.log().filter(({ name }) => name === checkpoint.origin);
    if (known.length === 0) return answer(404, 'this witness does not know the log');
    const signatures = signaturesOf(this.#parts.verifier, checkpoint, known);
    if (signatures.length === 0) return answer(403, 'no key of the log signed this');
    if (old > checkpoint.size) return answer(400, 'the old size is larger than the new one');
    const last = await this.#last();
    if (old !== last.size) return { status: 409, type: 'text/x.tlog.size', body: `${last.size}\n` };
    if (!grows(this.#parts.verifier, last, checkpoint, path)) return answer(422, 'the proof does not hold');
    const holds = this.#parts.holds ? await this.#parts.holds(checkpoint) : true;
    if (holds === undefined) return answer(503, 'this copy of the log has not come so far');
    if (!holds) return answer(422, 'this copy of the log has another tree');
    return this.#cosign(checkpoint, signatures, last.size < checkpoint.size || last.root === undefined);
  }

  /** @param signatures the log's; others are not kept: nobody has checked them, and they could grow without end */
  async #cosign({ note }: ReadCheckpoint, signatures: NoteSignature[], isNew: boolean): Promise<WitnessAnswer> {
    const { verifier, signer, name, store, now } = this.#parts;
    const signature = await cosignText(verifier.sha256, name, signer, note.text, now());
    const bytes = encodeNote({ text: note.text, signatures: [...signatures, signature] });
    // The same checkpoint again changes no record, and a stranger may repeat it as often as he likes.
    if (isNew) await store.save(bytes);
    this.#shown = bytes;
    return { status: 200, type: 'text/plain; charset=utf-8', body: signatureLine(signature) };
  }

  /** Size 0 where nothing was cosigned yet. @throws Refusal BAD_STORE */
  async #last(): Promise<{ size: number; root: Uint8Array | undefined }> {
    const bytes = await this.#parts.store.load();
    if (!bytes) return { size: 0, root: undefined };
    try {
      return readCheckpoint(bytes);
    } catch (cause) {
      throw new Refusal('BAD_STORE', 'the checkpoint that was cosigned last is damaged', { cause });
    }
  }
}

interface Request {
  old: number;
  path: Uint8Array[];
  checkpoint: ReadCheckpoint;
}

/** The body of a request. @throws Refusal MALFORMED, TOO_LARGE */
export function readRequest(body: Uint8Array): Request {
  demand(body.length <= ADD_CHECKPOINT_BYTES_MAX, 'TOO_LARGE', `a request of ${body.length} bytes`);
  const text = fromUtf8(body);
  const end = text.indexOf('\n\n');
  demand(end >= 0, 'MALFORMED', 'a request without an empty line before its checkpoint');
  const [first = '', ...lines] = text.slice(0, end).split('\n');
  demand(first.startsWith('old '), 'MALFORMED', 'a request begins with the old size');
  demand(lines.length <= PROOF_LINES_MAX, 'MALFORMED', `a proof of ${lines.length} hashes`);
  return {
    old: readDecimal(first.slice(4), 'the old size'),
    path: lines.map((line) => readHash(line, 'a hash of the proof')),
    checkpoint: readCheckpoint(utf8(text.slice(end + 2))),
  };
}

/** The other side's words, for logs and tests. */
export function encodeRequest(old: number, path: readonly Uint8Array[], checkpoint: Uint8Array): Uint8Array {
  const lines = [`old ${old}`, ...path.map((hash) => Buffer.from(hash).toString('base64')), '', fromUtf8(checkpoint)];
  return utf8(lines.join('\n'));
}

/**
 * One of each key: a line that is repeated would fill the note until there is no room for the witness's own. None where
 * a known key has a line that does not verify: a reader would refuse such a note whole (c2sp.org/signed-note).
 */
function signaturesOf(verifier: Verifier, { note }: ReadCheckpoint, keys: readonly NoteKey[]): NoteSignature[] {
  const lines = keys.map((key) => note.signatures.filter((item) => isOf(item, key)));
  const all = lines.every((own, i) => own.every((item) => isSignedBy(verifier, note, item, keys[i]!)));
  return all ? lines.flatMap((own) => own.slice(0, 1)) : [];
}

function isOf({ name, keyId }: NoteSignature, key: NoteKey): boolean {
  return name === key.name && equal(keyId, key.keyId);
}

function grows(
  verifier: Verifier,
  last: { size: number; root: Uint8Array | undefined },
  next: Checkpoint,
  path: readonly Uint8Array[],
): boolean {
  const empty = next.size > 0 || equal(next.root, verifier.sha256(new Uint8Array()));
  if (last.root === undefined || last.size === 0) return path.length === 0 && empty;
  try {
    demand(path.length <= PATH_MAX + 1, 'SPLIT_VIEW', 'the proof is longer than any tree is high');
    checkConsistency(verifier.sha256, last.size, next.size, last.root, next.root, path);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'SPLIT_VIEW') throw error;
    return false;
  }
}

function answer(status: WitnessAnswer['status'], text: string): WitnessAnswer {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}

function refused(status: WitnessAnswer['status'], error: unknown): WitnessAnswer {
  if (!(error instanceof Refusal)) throw error;
  return answer(status, error.message);
}
