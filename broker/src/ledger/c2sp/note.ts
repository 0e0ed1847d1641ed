/**
 * The signed note (c2sp.org/signed-note): a text, an empty line, and one line per signature. Reading says what stands
 * there; nothing in it is to be believed before a signature of a known key verifies (note-signatures.ts).
 */
import { demand } from '@countersign/device-sdk';
import { concat, fromUtf8, utf8 } from '@countersign/device-sdk/format';
import { base64, unbase64 } from './text.ts';

/** Sixteen signatures of 5 kB, as the largest post-quantum ones have, in base64, and a text beside them. */
export const NOTE_BYTES_MAX = 128 * 1024;
/** Readers must take at least 16. A log with more witnesses than this shows a choice of them. */
export const NOTE_SIGNATURES_MAX = 64;
export const KEY_ID_BYTES = 4;
const DASH = '\u2014';

export interface NoteSignature {
  /** Name of the key. */
  name: string;
  /** 4 bytes; with the name a hint to the key, and to the algorithm. */
  keyId: Uint8Array;
  /** What follows the key id. Its form is the algorithm's. */
  signature: Uint8Array;
}

export interface Note {
  /** With its last newline, without the empty line: exactly what is signed. */
  text: string;
  signatures: NoteSignature[];
}

/** @throws Refusal MALFORMED, TOO_LARGE for what no reader would take */
export function encodeNote({ text, signatures }: Note): Uint8Array {
  const bytes = utf8(`${text}\n${signatures.map(signatureLine).join('')}`);
  readNote(bytes);
  return bytes;
}

/** One signature as a line, with its newline. */
export function signatureLine({ name, keyId, signature }: NoteSignature): string {
  return `${DASH} ${name} ${base64(concat(keyId, signature))}\n`;
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readNote(bytes: Uint8Array): Note {
  demand(bytes.length <= NOTE_BYTES_MAX, 'TOO_LARGE', `a note of ${bytes.length} bytes`);
  const whole = fromUtf8(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones that a note must not hold
  demand(!/[\u0000-\u0009\u000b-\u001f]/.test(whole), 'MALFORMED', 'a note with a control character');
  // The text may hold empty lines of its own, so the last one parts it from the signatures.
  const at = whole.lastIndexOf('\n\n');
  demand(at >= 0, 'MALFORMED', 'a note without an empty line before its signatures');
  const text = whole.slice(0, at + 1);
  return { text, signatures: readSignatureLines(whole.slice(at + 2)) };
}

/** The lines that a witness answers, and that end a note. @throws Refusal MALFORMED, TOO_LARGE */
export function readSignatureLines(text: string): NoteSignature[] {
  demand(text.endsWith('\n'), 'MALFORMED', 'signature lines end with a newline, and there is at least one');
  const lines = text.slice(0, -1).split('\n');
  demand(lines.length <= NOTE_SIGNATURES_MAX, 'TOO_LARGE', `${lines.length} signatures under a note`);
  return lines.map(readSignatureLine);
}

function readSignatureLine(line: string): NoteSignature {
  const [dash, name, encoded, ...rest] = line.split(' ');
  const shaped = dash === DASH && name !== undefined && encoded !== undefined && rest.length === 0;
  demand(shaped, 'MALFORMED', 'a signature line is a dash, a name and base64');
  checkKeyName(name);
  const bytes = unbase64(encoded, 'a signature');
  demand(bytes.length > KEY_ID_BYTES, 'MALFORMED', 'a signature line without a signature');
  return { name, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}

/** @throws Refusal MALFORMED */
export function checkKeyName(name: string): void {
  demand(name.length > 0 && !/[\p{White_Space}+]/u.test(name), 'MALFORMED', 'a key name has no spaces and no plus');
}
