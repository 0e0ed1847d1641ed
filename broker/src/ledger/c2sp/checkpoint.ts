/** The checkpoint (c2sp.org/tlog-checkpoint): origin, size and root of a tree as the text of a note. */
import { demand } from '@countersign/device-sdk';
import { type Note, readNote } from './note.ts';
import { base64, readDecimal, readHash } from './text.ts';

/** As long as an origin in a trust root. */
const ORIGIN_CHARS_MAX = 64;

export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
}

/** Another log's checkpoint may say more. Nobody audits that, and we write none. */
export interface ReadCheckpoint extends Checkpoint {
  extensions: string[];
  note: Note;
}

/** The text that is signed. @throws Refusal UNSUPPORTED for an origin that cannot stand in one */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  demand(isOrigin(origin), 'UNSUPPORTED', `the origin ${JSON.stringify(origin)} cannot stand in a checkpoint`);
  return `${origin}\n${size}\n${base64(root)}\n`;
}

/**
 * Printable ASCII without spaces and plus. The log's key signs heads as well, whose signed bytes begin with 84 (a CBOR
 * array of four); a checkpoint begins with its origin, so with 21 to 7e: no bytes are both.
 */
export function isOrigin(origin: string): boolean {
  return origin.length <= ORIGIN_CHARS_MAX && /^[\x21-\x2a\x2c-\x7e]+$/.test(origin);
}

/** Reads the shape; who signed it is another question (note-signatures.ts). @throws Refusal MALFORMED, TOO_LARGE */
export function readCheckpoint(bytes: Uint8Array): ReadCheckpoint {
  const note = readNote(bytes);
  const [origin = '', size = '', root = '', ...extensions] = note.text.slice(0, -1).split('\n');
  demand(origin !== '' && extensions.every((line) => line !== ''), 'MALFORMED', 'a checkpoint with an empty line');
  return {
    origin,
    size: readDecimal(size, 'the tree size'),
    root: readHash(root, 'the root'),
    extensions,
    note,
  };
}
