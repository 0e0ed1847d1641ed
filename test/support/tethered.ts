/**
 * A foreign program that ends with us. A test run that is interrupted runs no teardown, and a server that nobody stopped
 * keeps its port and its memory until the machine is restarted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * Descriptor 3 is a pipe from this process that carries the name of a signal. The system closes it however this process
 * ends, SIGKILL included: then nothing comes, and the program is killed. Programs in the background of a shell read
 * nothing by themselves and ignore SIGINT unless they take it up again, as servers do.
 */
const SHELL = `"$0" "$@" 3<&- & own=$!
{ read -r signal <&3; kill -s "\${signal:-KILL}" "$own"; } 2>/dev/null &
exec 3<&- 2>/dev/null; wait "$own"`;

export interface Tethered {
  /** Ends when the program has ended. */
  child: ChildProcess;
  /** Sends the program a signal, and resolves when it has ended. */
  stop(signal?: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): Promise<void>;
}

/** Starts a program whose standard error is ours and that hears and says nothing else. */
export function spawnTethered(path: string, args: readonly string[]): Tethered {
  const child = spawn('sh', ['-c', SHELL, path, ...args], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
  const tether = child.stdio[3] as Writable;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // It ended by itself: what still reads the tether ends too, and signal 0 does nothing to whoever has its number now.
  child.once('exit', () => tether.end('0\n'));
  tether.on('error', () => undefined);
  return {
    child,
    stop(signal = 'SIGKILL') {
      tether.end(`${signal.slice('SIG'.length)}\n`);
      return ended;
    },
  };
}
