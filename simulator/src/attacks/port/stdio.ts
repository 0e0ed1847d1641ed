/** An SDK in a process of its own: each call is a line on its stdin, each answer a line on its stdout. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { Refusal } from '@countersign/device-sdk';
import type { Birth, Ear, Look, Port, Said } from './port.ts';
import { type Call, fromLine, toLine } from './wire.ts';

/** One call runs until the device has nothing to do; a port that needs longer hangs. */
const ANSWER_MS_MAX = 20_000;
const CLOSE_MS = 2_000;

export class StdioPort implements Port {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;
  #ended = false;

  /** @param command run by the shell */
  constructor(command: string) {
    this.name = command;
    this.#child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout! });
    this.#lines.on('line', (line) => this.#waiting?.resolve(line));
    this.#child.on('error', (error) => this.#end(error.message));
    this.#child.on('close', (code) => this.#end(`it ended with ${code}`));
    this.#child.stdin!.on('error', (error) => this.#end(error.message));
  }

  provision = (birth: Birth) => this.#call({ op: 'provision', birth });
  boot = () => this.#call({ op: 'boot' });
  link = (up: boolean) => this.#call({ op: 'link', up });
  deliver = (ear: Ear, bytes: Uint8Array) => this.#call({ op: 'deliver', ear, bytes });
  advance = (ms: number) => this.#call({ op: 'advance', ms });
  setClock = (seconds: number | null) => this.#call({ op: 'setClock', seconds });
  cutPower = (operation: number, phase: 'before' | 'during' | 'after') =>
    this.#call({ op: 'cutPower', operation, phase });
  corrupt = (slot: 0 | 1, offset: number, mask: number) => this.#call({ op: 'corrupt', slot, offset, mask });
  look = () => this.#call({ op: 'look' }) as unknown as Promise<Look>;

  /** Between tries the process stays; {@link end} ends it. */
  async close(): Promise<void> {
    if (!this.#ended) await this.#call({ op: 'close' });
  }

  async end(): Promise<void> {
    if (this.#ended) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin!.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    await closed;
    clearTimeout(timer);
  }

  async #call(call: Call): Promise<Said> {
    if (this.#ended) throw new Refusal('UNREACHABLE', `${this.name}: it has ended`);
    let timer: NodeJS.Timeout | undefined;
    const line = await new Promise<string>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      timer = setTimeout(
        () => reject(new Refusal('UNREACHABLE', `${this.name}: no answer to ${call.op}`)),
        ANSWER_MS_MAX,
      );
      this.#child.stdin!.write(toLine(call));
    }).finally(() => clearTimeout(timer));
    const answer = fromLine(line) as Said | { error: string };
    if (answer !== null && 'error' in answer) throw new RangeError(`${this.name}: ${answer.error}`);
    return answer;
  }

  #end(why: string): void {
    this.#ended = true;
    this.#waiting?.reject(new Refusal('UNREACHABLE', `${this.name}: ${why}`));
  }
}
