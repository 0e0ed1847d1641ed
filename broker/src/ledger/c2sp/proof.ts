/** A proof of inclusion that verifies offline (c2sp.org/tlog-proof): index, path and checkpoint in one text. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { equal, fromUtf8, PATH_MAX, rootFromInclusion, utf8 } from '@countersign/device-sdk/format';
import { type ReadCheckpoint, readCheckpoint } from './checkpoint.ts';
import { NOTE_BYTES_MAX } from './note.ts';
import { checkNote, type Signed } from './note-signatures.ts';
import { base64, readDecimal, readHash, unbase64 } from './text.ts';
import type { NoteKey } from './vkey.ts';

const FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** A checkpoint, 53 hashes of 45 characters, and the extra data of somebody else. */
export const PROOF_BYTES_MAX = NOTE_BYTES_MAX + 64 * 1024;

export interface LogProof {
  index: number;
  /** From the leaf's sibling upwards. */
  path: readonly Uint8Array[];
  /** The signed note, as it came. */
  checkpoint: Uint8Array;
  /** Nobody has signed this. We write none. */
  extra?: Uint8Array | undefined;
}

export function encodeProof({ index, path, checkpoint, extra }: LogProof): Uint8Array {
  const lines = [
    FIRST_LINE,
    ...(extra === undefined ? [] : [`extra ${base64(extra)}`]),
    `index ${index}`,
    ...path.map(base64),
    '',
    fromUtf8(checkpoint),
  ];
  return utf8(lines.join('\n'));
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readProof(bytes: Uint8Array): LogProof {
  demand(bytes.length <= PROOF_BYTES_MAX, 'TOO_LARGE', `a proof of ${bytes.length} bytes`);
  const text = fromUtf8(bytes);
  const end = text.indexOf('\n\n');
  demand(end >= 0, 'MALFORMED', 'a proof without an empty line before its checkpoint');
  const [first, ...lines] = text.slice(0, end).split('\n');
  demand(first === FIRST_LINE, 'MALFORMED', `a proof begins with ${FIRST_LINE}`);
  const extra = lines[0]?.startsWith('extra ') ? unbase64(lines.shift()!.slice(6), 'extra data') : undefined;
  const [index = '', ...path] = lines;
  demand(index.startsWith('index '), 'MALFORMED', 'a proof without an index line');
  demand(path.length <= PATH_MAX, 'MALFORMED', `a path of ${path.length} hashes`);
  return {
    index: readDecimal(index.slice(6), 'the index'),
    path: path.map((line) => readHash(line, 'a hash of the path')),
    checkpoint: utf8(text.slice(end + 2)),
    ...(extra && { extra }),
  };
}

/**
 * Proves an entry to somebody who knows nothing but the log's keys.
 * @param leafHash SHA-256 of a zero byte and the entry
 * @param keys of the log and of its witnesses
 * @returns the checkpoint, and who has signed it: at least one log; how many witnesses are enough is a policy's business
 * @throws Refusal MALFORMED, TOO_LARGE, BAD_SIGNATURE, UNKNOWN_KEY, NO_RECEIPT
 */
export function checkProof(
  verifier: Verifier,
  bytes: Uint8Array,
  leafHash: Uint8Array,
  keys: { log: readonly NoteKey[]; witnesses?: readonly NoteKey[] },
): { checkpoint: ReadCheckpoint; witnesses: Signed[] } {
  const proof = readProof(bytes);
  const checkpoint = checkpointOf(verifier, proof.checkpoint, keys.log);
  const { size, root } = checkpoint;
  const led = rootFromInclusion(verifier.sha256, proof.index, size, leafHash, proof.path);
  demand(equal(led, root), 'NO_RECEIPT', 'the path does not lead to the root of the checkpoint');
  return { checkpoint, witnesses: checkNote(verifier, checkpoint.note, keys.witnesses ?? []) };
}

/**
 * A checkpoint that one of these keys signed for the log of its name.
 * @throws Refusal MALFORMED, TOO_LARGE, UNKNOWN_KEY, BAD_SIGNATURE
 */
export function checkpointOf(verifier: Verifier, bytes: Uint8Array, log: readonly NoteKey[]): ReadCheckpoint {
  const checkpoint = readCheckpoint(bytes);
  const own = log.filter(({ name }) => name === checkpoint.origin);
  const [signed] = checkNote(verifier, checkpoint.note, own);
  if (!signed) throw new Refusal('UNKNOWN_KEY', `no known log key signed the checkpoint of ${checkpoint.origin}`);
  return checkpoint;
}
