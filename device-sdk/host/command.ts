/** External commands: never through a shell, with few words, a time limit, and an end that is certain. */
import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { Refusal } from '../src/errors.ts';

/** The program and its arguments, as they are: no shell looks at them. */
export type Argv = readonly [string, ...string[]];

export interface CommandOptions {
  /** Put in place of `{name}` in arguments, and given as COUNTERSIGN_NAME in the environment; `a.b` as COUNTERSIGN_A_B. */
  values?: Readonly<Record<string, string>>;
  limitMs: number;
  /** Ends the command early. */
  signal?: AbortSignal;
  /** In the environment of the command and of all that it starts, so that {@link endLeftOver} finds them. */
  mark?: string;
  /** Given on stdin; otherwise that is empty. */
  input?: Uint8Array;
  /** Stdout is an answer and no words: kept as it is. A command that says more is ended. */
  answerBytesMax?: number;
}

export interface CommandResult {
  /** Undefined where a signal or the time limit ended it, or where it could not be started. */
  exit: number | undefined;
  late: boolean;
  /** The last words of stdout and stderr, for a log; without stdout where that is an answer. */
  words: string;
  /** Stdout, where `answerBytesMax` asked for it; longer than that where the command said too much. */
  answer?: Uint8Array;
}

/** Of output: enough for a log line, whatever the command says. */
const WORDS_CHARS_MAX = 2_000;
/** After SIGTERM; then SIGKILL, which no command can ignore. */
const GRACE_MS = 2_000;
const LAST_WORDS_MS = 1_000;
const MARK = 'COUNTERSIGN_MARK';

/**
 * Runs a command to its end; with its time limit everything it started ends, too.
 * @throws Refusal BAD_STATEMENT for a value that the program would take for an option
 */
export async function runCommand(argv: Argv, options: CommandOptions): Promise<CommandResult> {
  const { values = {}, mark, input } = options;
  const args = filled(argv.slice(1), values);
  // A process group of its own: a limit that ends only the script would leave what the script started.
  const env = environment(values, mark);
  const stdin = input ? 'pipe' : 'ignore';
  const child = spawn(argv[0], args, { detached: true, env, stdio: [stdin, 'pipe', 'pipe'] }) as Child;
  // A command that does not read what it is given, or could not be started, closes the pipe: its exit says so.
  child.stdin?.on('error', () => undefined).end(input);
  return ended(child, options);
}

type Child = ChildProcessByStdio<Writable | null, Readable, Readable>;

function ended(child: Child, { limitMs, signal, answerBytesMax }: CommandOptions) {
  return new Promise<CommandResult>((resolve) => {
    let words = '';
    let answer = new Uint8Array();
    let late = false;
    for (const stream of answerBytesMax === undefined ? [child.stdout, child.stderr] : [child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        words = (words + text).slice(-WORDS_CHARS_MAX);
      });
    }
    if (answerBytesMax !== undefined) {
      child.stdout.on('data', (bytes: Buffer) => {
        answer = Buffer.concat([answer, bytes]);
        if (answer.length > answerBytesMax) signalGroup(child, 'SIGKILL');
      });
    }
    let kill: NodeJS.Timeout | undefined;
    const stop = () => {
      late = true;
      signalGroup(child, 'SIGTERM');
      kill ??= setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    };
    const limit = setTimeout(stop, limitMs);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop);
    const end = (exit: number | null, more = '') => {
      clearTimeout(limit);
      clearTimeout(kill);
      signal?.removeEventListener('abort', stop);
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      const said = answerBytesMax === undefined ? {} : { answer };
      resolve({ exit: exit ?? undefined, late, words: (words + more).trim(), ...said });
    };
    child.once('error', (error) => end(null, String(error)));
    child.once('exit', (exit) => {
      // What the command left behind in its group is over with it.
      signalGroup(child, 'SIGKILL');
      // The last words may still be in the pipes; what has left the group may hold these for ever. Where this process
      // itself was kept from running, the time is over before anything was read: the pipes are looked at once more.
      const last = setTimeout(() => setImmediate(end, exit), LAST_WORDS_MS);
      child.once('close', () => {
        clearTimeout(last);
        end(exit);
      });
    });
  });
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // nobody is left in it
  }
}

/** @throws Refusal BAD_STATEMENT for a value that a program would take for an option of its own */
function filled(args: readonly string[], values: Readonly<Record<string, string>>): string[] {
  return args.map((argument) => {
    const text = argument.replace(/\{([\w.-]+)\}/g, (whole, name: string) => values[name] ?? whole);
    const injected = text !== argument && text.startsWith('-') && !argument.startsWith('-');
    if (injected) throw new Refusal('BAD_STATEMENT', `${argument} would be "${text.slice(0, 40)}", an option`);
    return text;
  });
}

/** Not what this process was given: passphrases and tokens are nobody else's. */
function environment(values: Readonly<Record<string, string>>, mark: string | undefined): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const name of ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'USER'])
    if (process.env[name] !== undefined) env[name] = process.env[name];
  for (const [name, value] of Object.entries(values))
    env[`COUNTERSIGN_${name.toUpperCase().replace(/\W/g, '_')}`] = value;
  if (mark !== undefined) env[MARK] = mark;
  return env;
}

/**
 * Ends what an earlier process of ours started under this mark and could not wait for: a SIGKILL ends a parent, not its
 * children, and two installers at once would ruin the target. Linux only; elsewhere there is nothing to look in.
 */
export async function endLeftOver(mark: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const found = markedProcesses(mark);
    if (found.length === 0) return;
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has just ended
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Refusal('BUSY', 'an earlier command does not end');
}

function markedProcesses(mark: string): number[] {
  const wanted = `\0${MARK}=${mark}\0`;
  return processIds().filter((pid) => pid !== process.pid && `\0${environmentOf(pid)}\0`.includes(wanted));
}

function processIds(): number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger);
  } catch {
    return [];
  }
}

/** Empty for a process that has ended and waits for its parent, and for another user's. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
