/** The one command: how verbs are run, what they print, and how they end. */
import { Refusal } from '@countersign/device-sdk';
import { commandWords } from '@countersign/device-sdk/host/command-words';
import { Command, CommanderError } from 'commander';
import { bodyOf } from '../api/refusals.ts';

export const DONE = 0;
/** Refused or failed. */
export const FAILED = 1;
/** The command was called in a way that it does not have. */
export const WRONG_USE = 2;

/** Arguments that contradict each other or leave something out: exit 2, where a server's refusal is exit 1. */
export class WrongUse extends Error {}

export interface Outcome {
  /** The one JSON object or array on stdout with `--json`. */
  json: unknown;
  /** The same for people, on stdout without it. */
  text: string;
  /** False where the verb did its work and the answer is no: an audit that found something. */
  ok?: boolean;
}

/** A program without verbs. Register them, then give it to {@link runProgram}. */
export function createProgram(version: string): Command {
  return (
    new Command('countersign')
      .description('Firmware updates that two parties sign, a ledger confirms, and every device checks for itself')
      .version(version)
      // Otherwise `publish --version 1.0.1` would ask for the command's own version.
      .enablePositionalOptions()
      .exitOverride()
      .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
      .showHelpAfterError('(--help shows what there is)')
  );
}

/**
 * Runs the verb that the arguments name.
 * @param argv as `process.argv`
 * @returns the exit code: 0 done, 1 refused or failed, 2 wrong use
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  // A reader that goes away early (`| head`) is no failure of ours, and nothing more can be said to it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? DONE : FAILED));
  try {
    await program.parseAsync(isKnown(program, argv[2]) ? [...argv] : argv.slice(0, 3));
    return DONE;
  } catch (error) {
    return explain(error, json);
  }
}

/** `countersign typo --help` would else answer with the help of everything, as if there were such a verb. */
function isKnown(program: Command, first: string | undefined): boolean {
  if (first === undefined || first.startsWith('-') || first === 'help') return true;
  return program.commands.some((command) => command.name() === first);
}

/** A verb that has printed its answer, and the answer is no. */
class AnswerIsNo extends Error {}

/** Every verb ends here: JSON for machines or text for people on stdout, nothing else there. */
export function verb<A extends unknown[]>(
  command: Command,
  run: (...args: A) => Promise<Outcome | undefined>,
): Command {
  return command.option('--json', 'print one JSON value on stdout').action(async (...args: unknown[]) => {
    const outcome = await run(...(args as A));
    if (!outcome) return;
    const { json } = command.opts<{ json?: boolean }>();
    process.stdout.write(json ? `${JSON.stringify(outcome.json)}\n` : outcome.text.replace(/\n*$/, '\n'));
    if (outcome.ok === false) throw new AnswerIsNo();
  });
}

/** Progress and notes: on stderr, so that stdout stays clean for `--json` and pipes. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function explain(error: unknown, json: boolean): number {
  if (error instanceof AnswerIsNo) return FAILED;
  if (error instanceof CommanderError) {
    const shown = error.exitCode === 0;
    if (!shown && json) printError('BAD_REQUEST', error.message.replace(/^error: /, ''));
    return shown ? DONE : WRONG_USE;
  }
  if (error instanceof WrongUse) {
    note(`countersign: ${error.message}`);
    if (json) printError('BAD_REQUEST', error.message);
    return WRONG_USE;
  }
  if (error instanceof Refusal) {
    note(`${error.code}: ${error.message}`);
    const words = commandWords(error);
    if (words !== undefined) note(`the command said: ${words}`);
    const hint = HINTS[error.code];
    if (hint) note(hint);
    if (json) printError(error.code, error.message);
    return FAILED;
  }
  const file = fileTrouble(error);
  if (file) {
    note(`BAD_REQUEST: ${file}`);
    if (json) printError('BAD_REQUEST', file);
    return FAILED;
  }
  note(`INTERNAL: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  note('This is a fault of ours: please report it.');
  if (json) printError('INTERNAL', error instanceof Error ? error.message : String(error));
  return FAILED;
}

/** What the operating system says of a path that somebody named: his to change, and no fault of ours. */
function fileTrouble(error: unknown): string | undefined {
  const { code, path } = (error instanceof Error ? error : {}) as NodeJS.ErrnoException;
  const why = FILE_TROUBLES[code ?? ''];
  return why === undefined || path === undefined ? undefined : `${path} ${why}`;
}

const FILE_TROUBLES: Partial<Record<string, string>> = {
  ENOENT: 'cannot be opened: the file or its folder is not there',
  ENOTDIR: 'is not possible: a part of the path is no folder',
  EISDIR: 'is a folder',
  EEXIST: 'is there already, and not what is needed',
  EACCES: 'may not be used by this user',
  EPERM: 'may not be used by this user',
  EROFS: 'lies on a file system that takes no writes',
};

function printError(code: Refusal['code'], text: string): void {
  process.stdout.write(`${JSON.stringify({ error: bodyOf(code, text) })}\n`);
}

/** What helps most often; docs/REFUSALS.md has a line for every code. */
const HINTS: Partial<Record<Refusal['code'], string>> = {
  NOT_TRIED: 'A tester or approver who did not upload it runs `countersign trial RELEASE`.',
  UNREACHABLE: 'Is the server running there? --data DIR finds that of `countersign up`, --server URL names one.',
  UNAUTHORIZED: 'The token of the API comes by --data DIR or --token; `countersign up --new-token` makes another.',
  SAME_PERSON: 'Ask a second person: --as NAME says who signs.',
  NOT_APPROVED:
    'A second person approves with `countersign approve RELEASE`; once approved, the collection server confirms it.',
  CONFLICT: 'It has changed meanwhile: look again, then repeat the command.',
  LOCKED: 'Another process of ours (`up`, `peer`, `device run`) holds this folder. Stop it, or use another folder.',
};
