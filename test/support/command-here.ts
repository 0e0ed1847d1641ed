/**
 * The command without a process of its own: the same program, verbs and exit codes, in this thread. A process costs a third
 * of a second, and shows only what the long suite shows of the verbs as processes.
 */
import { createProgram, runProgram } from '@countersign/broker/face/cli/program';
import { addVerbs } from '@countersign/broker/face/cli/verbs';
import { VERBS } from '@countersign/simulator/verbs';
import { type Answer, type Ended, run, type Told, told } from './command.ts';

/** Standard output belongs to the whole thread: one command at a time. */
let last: Promise<unknown> = Promise.resolve();

export function runHere(...args: string[]): Promise<Ended> {
  const ended = last.then(() => runAlone(args));
  last = ended.catch(() => {});
  return ended;
}

const GROUPS = ['bundle', 'delta', 'device', 'devices', 'keys', 'passport', 'people', 'rollout'];
/** Verbs that have had a process of their own, in this file. */
const spawned = new Set<string>();

/** Every verb is a process once in a file; what else it answers to needs none. */
export function runVerb(...args: string[]): Promise<Ended> {
  const verb = args.slice(0, GROUPS.includes(args[0]!) ? 2 : 1).join(' ');
  if (spawned.has(verb)) return runHere(...args);
  spawned.add(verb);
  return run(...args);
}

/** {@link runVerb} with `--json`. */
export async function runVerbJson<T = Answer>(...args: string[]): Promise<Told<T>> {
  return told(await runVerb(...args, '--json'));
}

/** {@link runHere} with `--json`. */
export async function runHereJson<T = Answer>(...args: string[]): Promise<Told<T>> {
  return told(await runHere(...args, '--json'));
}

async function runAlone(args: readonly string[]): Promise<Ended> {
  for (const name of Object.keys(process.env)) if (name.startsWith('COUNTERSIGN_')) delete process.env[name];
  const program = createProgram('0.0.0-test');
  await addVerbs(program, VERBS, args[0]);
  const [out, err] = [caught(process.stdout), caught(process.stderr)];
  const listeners = process.stdout.listeners('error');
  try {
    const code = await runProgram(program, [process.execPath, 'countersign', ...args]);
    return { code, stdout: out.text(), stderr: err.text() };
  } finally {
    out.release();
    err.release();
    for (const listener of process.stdout.listeners('error')) {
      if (!listeners.includes(listener)) process.stdout.off('error', listener as () => void);
    }
  }
}

function caught(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const { write } = stream;
  const parts: string[] = [];
  stream.write = (part: string | Uint8Array) => {
    parts.push(typeof part === 'string' ? part : Buffer.from(part).toString('utf8'));
    return true;
  };
  return {
    text: () => parts.join(''),
    release: () => {
      stream.write = write;
    },
  };
}
