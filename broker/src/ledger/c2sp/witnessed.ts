/**
 * A log that asks witnesses (c2sp.org/tlog-witness) to cosign its checkpoints. It asks when somebody wants the checkpoint,
 * and answers with the signatures that have come by then: nobody waits for a witness that is slow or gone.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Refusal, type Verifier } from '@countersign/device-sdk';
import type { AuditedLog } from './audited-log.ts';
import { readCheckpoint } from './checkpoint.ts';
import { encodeNote, type Note, type NoteSignature, readNote, readSignatureLines } from './note.ts';
import { isSignedBy } from './note-signatures.ts';
import { readDecimal } from './text.ts';
import type { NoteKey } from './vkey.ts';
import { encodeRequest } from './witness.ts';

/** A witness flushes a file and signs; one that needs longer is asked again. */
export const WITNESS_MS_MAX = 10_000;
/** Witnesses that have not signed are asked again no sooner than this. */
export const ASK_MS_MIN = 1_000;
/** A few signature lines, or a sentence. */
const ANSWER_BYTES_MAX = 64 * 1024;

export interface WitnessedParts {
  verifier: Verifier;
  /** Submission prefixes. */
  urls: readonly string[];
  /** Witnesses that are believed now; signatures of others are left out. */
  keys: () => readonly NoteKey[];
  consistency: (from: number, to: number) => Promise<Uint8Array[]>;
}

export interface WitnessedLog extends AuditedLog {
  close(): void;
}

export function witnessed(log: AuditedLog, parts: WitnessedParts): WitnessedLog {
  const closing = new AbortController();
  /** Size of the checkpoint that a witness cosigned last, as far as is known. */
  const olds = new Map<string, number>();
  let text = '';
  let cosigned = new Map<string, NoteSignature[]>();
  let asking = false;

  return {
    ...{ origin: log.origin, hashes: log.hashes, entryBytes: log.entryBytes, inclusion: log.inclusion },
    async checkpoint() {
      const bytes = await log.checkpoint();
      const note = readNote(bytes);
      if (note.text !== text) [text, cosigned] = [note.text, new Map()];
      const missing = parts.urls.filter((url) => !cosigned.has(url));
      if (missing.length > 0 && !asking && !closing.signal.aborted) {
        asking = true;
        void askAll(missing, bytes, note).finally(() => {
          asking = false;
        });
      }
      return encodeNote({ text, signatures: [...note.signatures, ...[...cosigned.values()].flat()] });
    },
    close: () => closing.abort(),
  };

  async function askAll(urls: readonly string[], checkpoint: Uint8Array, note: Note): Promise<void> {
    await Promise.all(
      urls.map(async (url) => {
        const lines = await ask(url, checkpoint).catch((error) => {
          if (error instanceof Refusal) return [];
          throw error;
        });
        const own = lines.filter((item) => parts.keys().some((key) => isSignedBy(parts.verifier, note, item, key)));
        // Another checkpoint may be the newest by now: this signature is not of it.
        if (own.length > 0 && note.text === text) cosigned.set(url, own);
      }),
    );
    await pause(ASK_MS_MIN, undefined, { ref: false, signal: closing.signal }).catch(() => undefined);
  }

  /** @throws Refusal where the witness does not answer, or not in the protocol's words */
  async function ask(url: string, checkpoint: Uint8Array): Promise<NoteSignature[]> {
    const { size } = readCheckpoint(checkpoint);
    const first = await post(url, checkpoint, olds.get(url) ?? 0, size);
    // It knows better where it stands: asked again from there, once.
    const answer = first.status === 409 ? await post(url, checkpoint, sizeIn(first.body), size) : first;
    if (answer.status !== 200) return [];
    olds.set(url, size);
    return readSignatureLines(answer.body);
  }

  async function post(url: string, checkpoint: Uint8Array, old: number, size: number) {
    const path = old > 0 && old < size ? await parts.consistency(old, size) : [];
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/add-checkpoint`, {
        method: 'POST',
        headers: { 'content-type': 'text/plain; charset=utf-8' },
        body: Buffer.from(encodeRequest(old, path, checkpoint)),
        signal: AbortSignal.any([closing.signal, AbortSignal.timeout(WITNESS_MS_MAX)]),
        redirect: 'error',
      });
      return { status: response.status, body: await bodyOf(response) };
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `the witness ${url} does not answer`, { cause });
    }
  }
}

function sizeIn(body: string): number {
  return readDecimal(body.replace(/\n$/, ''), 'the size that the witness names');
}

async function bodyOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > ANSWER_BYTES_MAX)
      throw new Refusal('TOO_LARGE', `a witness answers more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}
