/**
 * A key that stays in a KMS, a hardware module or another machine: a program gets the bytes on stdin and answers with
 * the signature on stdout. Nothing that it says is believed: every signature is checked under the public key that
 * stands in the file, so a program that was exchanged can refuse to sign, and no more.
 */
import { isAbsolute } from 'node:path';
import { type Code, demand, Refusal } from '../src/errors.ts';
import { ALG_ESP256, hex, kidOf, type Signer, unhex } from '../src/format/index.ts';
import type { Verifier } from '../src/ports.ts';
import { type Argv, type CommandResult, runCommand } from './command.ts';
import { CommandWords } from './command-words.ts';
import { nodeVerifier } from './crypto.ts';
import { rawOf } from './der.ts';

export const COMMAND_KEY_FORMAT = 'countersign-key-command-1';

/** A key file that holds no secret, only who signs and which public key must have made it. */
export interface CommandKeyFile {
  format: typeof COMMAND_KEY_FORMAT;
  role: string;
  name?: string;
  alg: number;
  /** Hex: 32 bytes for Ed25519, 65 for ESP256. */
  publicKey: string;
  /** The program, by its absolute path, and its arguments; no shell looks at them. */
  command: Argv;
  /** Time for one signature. */
  seconds?: number;
}

/** A KMS across a continent answers in under a second; a person who must touch a token needs some. */
const SECONDS = 10;
export const SIGN_SECONDS_MAX = 300;
/** A signature has 64 bytes, or up to 72 as DER; base64 and a line's end make it about 100. */
const ANSWER_BYTES_MAX = 512;
/**
 * Programs at once for one key: a KMS throttles, and each program costs this machine some 40 MB. Signatures that wait
 * for their turn: at ten a second those of half a minute; beyond that it will not catch up.
 */
const TURNS = { atOnce: 4, waiting: 256 } as const;
const ARGUMENTS_MAX = 64;

/** @throws Refusal BAD_STORE */
export function checkCommandKey(path: string, { command, seconds, publicKey }: CommandKeyFile): void {
  const words = Array.isArray(command) && command.length >= 1 && command.length <= ARGUMENTS_MAX;
  demand(words && command.every((word) => typeof word === 'string'), 'BAD_STORE', `${path} names no command`);
  // Found by PATH it would be whatever lies in the first folder of an environment that somebody else may set.
  demand(isAbsolute(command[0]), 'BAD_STORE', `${path}: the command is named by its absolute path`);
  const good = seconds === undefined || (Number.isInteger(seconds) && seconds >= 1 && seconds <= SIGN_SECONDS_MAX);
  demand(good, 'BAD_STORE', `${path}: seconds is from 1 to ${SIGN_SECONDS_MAX}`);
  demand(unhex(publicKey), 'BAD_STORE', `${path} has no public key`);
}

/**
 * The signer of a checked file. Its `sign` rejects with UNREACHABLE where the command fails or is late, TOO_LARGE where
 * it says too much, BAD_SIGNATURE where its answer does not verify, BUSY where too many wait.
 */
export function commandSigner(
  file: CommandKeyFile,
  verifier: Verifier = nodeVerifier(),
  { atOnce, waiting }: { atOnce: number; waiting: number } = TURNS,
): Signer {
  const { alg, command, role, seconds = SECONDS } = file;
  const publicKey = unhex(file.publicKey)!;
  const values = { role, kid: hex(kidOf(verifier.sha256, { alg, bytes: publicKey })), alg: String(alg) };
  const inTurn = turns(atOnce, waiting, `${role} key`);
  return {
    alg,
    publicKey,
    sign: (message) =>
      inTurn(async () => {
        const run = { values, limitMs: seconds * 1000, input: message, answerBytesMax: ANSWER_BYTES_MAX };
        const signature = signatureOf(answerOf(await runCommand(command, run), seconds), alg);
        const good = signature.length === 64 && verifier.verify(alg, publicKey, message, signature);
        demand(good, 'BAD_SIGNATURE', `the command for the ${role} key answered with no signature of that key`);
        return signature;
      }),
  };
}

/** @throws Refusal UNREACHABLE, with what the command said as its cause alone; TOO_LARGE */
function answerOf({ exit, late, words, answer = new Uint8Array() }: CommandResult, seconds: number): Uint8Array {
  const cause = new CommandWords(words || 'nothing');
  const refuse = (code: Code, text: string) => new Refusal(code, `the signing command ${text}`, { cause });
  if (answer.length > ANSWER_BYTES_MAX) throw refuse('TOO_LARGE', `said more than ${ANSWER_BYTES_MAX} bytes`);
  if (late) throw refuse('UNREACHABLE', `took longer than ${seconds} s`);
  const how = exit === undefined ? 'was not started, or ended by a signal' : `failed with exit ${exit}`;
  if (exit !== 0) throw refuse('UNREACHABLE', `${how}; its words are in the log of the process that runs it`);
  return answer;
}

/** As programs give it: 64 bytes, DER where it is ECDSA, or either of them in base64 with a line's end. */
function signatureOf(answer: Uint8Array, alg: number): Uint8Array {
  if (answer.length === 64) return new Uint8Array(answer);
  const text = Buffer.from(answer).toString('latin1').trim();
  const bytes = /^[A-Za-z0-9+/]{80,}={0,2}$/.test(text) ? new Uint8Array(Buffer.from(text, 'base64')) : answer;
  if (alg !== ALG_ESP256 || bytes.length === 64) return bytes;
  try {
    return rawOf(bytes);
  } catch {
    return new Uint8Array(); // neither: refused as every other answer that does not verify
  }
}

/** So many at once, so many waiting. @throws Refusal BUSY */
function turns(atOnceMax: number, waitingMax: number, what: string) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    demand(waiting.length < waitingMax, 'BUSY', `${waitingMax} signatures wait for the ${what}`);
    if (running >= atOnceMax) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place goes over to the next one without ever being free.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
