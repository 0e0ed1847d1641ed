/** The command as a process: what a user types, what he gets. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Without the simulator's part of the command the broker's verbs are run alone. */
const whole = new URL('../../../simulator/dist/main.js', import.meta.url);
const entry = existsSync(whole)
  ? new URL('../../../simulator/bin/countersign.js', import.meta.url)
  : new URL('./broker-command.js', import.meta.url);

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Variables of whoever runs the tests must not name his own servers to them. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COUNTERSIGN_')));
}

/** A command that goes on until it is told to end, or by itself. */
export function start(args: readonly string[], cwd?: string): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [fileURLToPath(entry), ...args], {
    env: cleanEnv(),
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text) => (stdout += text));
  child.stderr!.setEncoding('utf8').on('data', (text) => (stderr += text));
  const ended = once(child, 'close').then(([code]) => ({ code, stdout, stderr }));
  return { child, ended };
}

export function run(...args: string[]): Promise<Ended> {
  return start(args).ended;
}

/** What a verb with `--json` ended with: its one value on standard output. */
export interface Told<T> {
  code: number | null;
  json: T;
  stderr: string;
}

/** What a verb answers, before a test says which members it looks at; where it was refused, why. */
export type Answer = Record<string, unknown> & { error?: { code: string; text: string } };

/** The type is what the test expects; whether it came is for the test's assertions to say. */
export function told<T = Answer>({ code, stdout, stderr }: Ended): Told<T> {
  return { code, json: JSON.parse(stdout) as T, stderr };
}

/** Runs a verb with `--json` and reads its one value. */
export async function runJson<T = Answer>(...args: string[]): Promise<Told<T>> {
  return told(await run(...args, '--json'));
}

export interface Up {
  ready: {
    url: string;
    token: string | null;
    mqtt: string;
    data: string;
    origin: string;
    samples: string[];
    pid: number;
    warnings: string[];
  };
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/** Starts `up --json` and waits until it says that everything answers. */
export async function up(...args: string[]): Promise<Up> {
  const { child, ended } = start(['up', '--json', ...args]);
  const ready = await new Promise<Up['ready']>((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (part) => {
      text += part;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    void ended.then(({ code, stderr }) => reject(new Error(`up ended with ${code}: ${stderr}`)));
  });
  return {
    ready,
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/** Starts `peer --json` and waits until it says that it follows. */
export async function startPeer(...args: string[]): Promise<Pick<Up, 'stop'>> {
  const { child, ended } = start(['peer', '--json', ...args]);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    void ended.then(({ code, stderr }) => reject(new Error(`peer ended with ${code}: ${stderr}`)));
  });
  return {
    stop(signal = 'SIGTERM') {
      child.kill(signal);
      return ended;
    },
  };
}

/** A folder that is gone afterwards. */
export async function temporary(t: { teardown(fn: () => Promise<void>): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  return folder;
}
