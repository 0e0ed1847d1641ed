/** Calls between the demo and its child processes, over Node's own channel. Refusals keep their code on the way. */
import { type ChildProcess, fork } from 'node:child_process';
import { type Code, codeOf, Refusal } from '@countersign/device-sdk';

type Handlers = Record<string, (argument: never) => unknown>;
/** What the other side offers, as functions of one argument that answer later. */
export type Remote<H extends Handlers> = {
  [K in keyof H]: (argument: Parameters<H[K]>[0]) => Promise<Awaited<ReturnType<H[K]>>>;
};

interface Call {
  id: number;
  method: string;
  argument: unknown;
}

type Answer = { id: number; result: unknown } | { id: number; code: Code; text: string };
type Told = { told: unknown };

export interface Child<H extends Handlers> {
  readonly call: Remote<H>;
  readonly pid: number;
  /** Set to hear what the child tells unasked. */
  onTold: ((told: unknown) => void) | undefined;
  stop(): Promise<void>;
}

/** Starts a module of ours as a process. Its stdout goes to our stderr: our own stdout is for the result alone. */
export function startChild<H extends Handlers>(module: URL): Child<H> {
  const process = fork(module, { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] });
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let next = 0;
  const child: Child<H> = {
    call: new Proxy({} as Remote<H>, {
      get: (_, method: string) => (argument: unknown) =>
        new Promise((resolve, reject) => {
          const id = next++;
          waiting.set(id, { resolve, reject });
          process.send({ id, method, argument } satisfies Call, (error) => error && reject(error));
        }),
    }),
    pid: process.pid!,
    onTold: undefined,
    stop: () => end(process),
  };
  process.on('message', (message: Answer | Told) => {
    if ('told' in message) return child.onTold?.(message.told);
    const open = waiting.get(message.id);
    waiting.delete(message.id);
    if ('code' in message) open?.reject(new Refusal(message.code, message.text));
    else open?.resolve(message.result);
  });
  process.once('exit', (code, signal) => {
    const gone = new Error(`the process ${module.pathname.split('/').at(-1)} ended (${signal ?? code})`);
    for (const { reject } of waiting.values()) reject(gone);
    waiting.clear();
  });
  return child;
}

/** The other end: answers calls until the parent is gone, and then ends: a child must not outlive its story. */
export function answerCalls(handlers: Handlers): (told: unknown) => void {
  process.on('message', async ({ id, method, argument }: Call) => {
    try {
      const result = await handlers[method]!(argument as never);
      process.send?.({ id, result });
    } catch (error) {
      const text =
        error instanceof Error ? (error instanceof Refusal ? error.message : String(error.stack)) : String(error);
      process.send?.({ id, code: codeOf(error), text });
    }
  });
  process.once('disconnect', () => process.exit());
  // Ctrl-C reaches the whole group; the parent ends the story and with it this process.
  process.on('SIGINT', () => {});
  return (told) => process.send?.({ told });
}

/** Time for a process to end by itself. */
const END_MS = 6_000;

/** SIGTERM, and what that does not end in time is killed. */
export async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => process.once('exit', () => resolve()));
  process.kill('SIGTERM');
  const timer = setTimeout(() => process.kill('SIGKILL'), END_MS);
  await gone;
  clearTimeout(timer);
}
