/**
 * Hands an image to somebody else's installer, and believes only what can be seen afterwards.
 *
 *   images → files, hashed as written what the installer gets is what was verified, byte for byte, of every component
 *   record: handing over, with a mark cut here: what still runs under the mark is ended first, then this begins again
 *   install, then verify or read back
 *   record: the target has it         cut here: nothing is done twice
 *
 * Installers must bear being run twice with one release; a cut may fall between their last act and our record. Of several
 * components they get all files in one call: only they can make the target run all of them or none.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Code, demand, Refusal } from '../src/errors.ts';
import { hex } from '../src/format/bytes.ts';
import type { ImageId } from '../src/format/suit.ts';
import type { Flash, Verifier } from '../src/ports.ts';
import { readChunks } from '../src/store/units.ts';
import { type Argv, type CommandOptions, type CommandResult, endLeftOver, runCommand } from './command.ts';
import { makeFolder, syncFolder } from './durable.ts';
import { writeAll } from './fd-flash.ts';
import { type CommandTold, TEMPFAIL } from './owner.ts';
import type { TargetRecord } from './target-record.ts';

export interface InstallCommands {
  /**
   * Gets `{path}`, `{bytes}`, `{sha256}`, `{version}`, of a further component `{path.radio}` and so on, and the same in the
   * environment. Exit 0: done.
   */
  install: Argv;
  /** Exit 0: the target has this very image. The same values. */
  verify?: Argv;
  /** Instead of `verify`, or besides it: a file or device whose first bytes are what the target has. */
  readBack?: string;
  /** Once the image is confirmed: the target is to keep it. Repeated until it ends with 0. */
  confirm?: Argv;
}

export interface InstallerOptions {
  /** For the records and the file that is handed over. */
  folder: string;
  verifier: Verifier;
  commands: InstallCommands;
  /** `readBack` of further components, by id. */
  readBacks?: Readonly<Record<string, string>>;
  /** Name of the file that is handed over. Default `image.bin`; some installers look at the ending. */
  fileName?: string;
  /** Default 10 minutes. */
  installMs?: number;
  /** For `verify` and `confirm`. Default 1 minute. */
  verifyMs?: number;
  /** What exit codes of `install` mean beside those of {@link EXIT_CODES}. */
  exitCodes?: Readonly<Record<number, Code>>;
  on?: CommandTold;
}

/** Exit codes of sysexits.h that say more than "failed". 75 and 69 are "not now" and cost one attempt of the trial. */
export const EXIT_CODES: Readonly<Record<number, Code>> = {
  65: 'RESULT_MISMATCH',
  69: 'UNREACHABLE',
  74: 'FLASH_FAULT',
  [TEMPFAIL]: 'BUSY',
  77: 'NOT_PERMITTED',
};

/** Of a SHA-256 in hex; the record has those of all components, one behind another. */
const DIGEST_CHARS = 64;
const INSTALL_MS = 600_000;
const VERIFY_MS = 60_000;

/** One component of what the target is to have, and the slot in which it lies. */
export type Given = ImageId & { id?: string; flash: Flash };

/** Thrown where `close()` has ended a command: neither the image nor the target is to blame. */
export class Closed extends Error {}

export class TargetInstaller {
  readonly #options: InstallerOptions;
  readonly #record: TargetRecord;
  readonly #closed = new AbortController();

  /** @throws RangeError where nothing would verify the result */
  constructor(options: InstallerOptions, record: TargetRecord) {
    const { verify, readBack } = options.commands;
    if (!verify && !readBack) throw new RangeError('an installer needs verify or readBack');
    this.#options = options;
    this.#record = record;
  }

  get closed(): boolean {
    return this.#closed.signal.aborted;
  }

  close(): void {
    this.#closed.abort();
  }

  /**
   * @param parts the application first
   * @returns why the target does not have all of it, or undefined where it has. @throws Closed
   */
  async give(parts: readonly Given[], version: string): Promise<Code | undefined> {
    try {
      const code = await this.#giveOrThrow(parts, version);
      if (code !== undefined) this.#record.change({ mark: null, has: null });
      return code;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#options.on?.('install', { exit: undefined, late: false, words: error.message });
      return error.code;
    }
  }

  /** @returns whether the target keeps what it has */
  async confirm(): Promise<boolean> {
    const { commands, verifyMs: limitMs = VERIFY_MS } = this.#options;
    if (!commands.confirm) return true;
    const values = { sha256: (this.#record.state.has ?? '').slice(0, DIGEST_CHARS) };
    return (await this.#run('confirm', commands.confirm, { values, limitMs })).exit === 0;
  }

  async #giveOrThrow(parts: readonly Given[], version: string): Promise<Code | undefined> {
    const name = parts.map(({ digest }) => hex(digest)).join('');
    const { mark, has } = this.#record.state;
    if (mark !== null) await endLeftOver(mark);
    else if (has === name) return undefined;
    const paths = parts.map((part) => this.#handOver(part));
    const values = { version, ...Object.assign({}, ...parts.map((part, i) => valuesOf(part, paths[i]!))) };
    // What was cut may have been complete, and a target in the factory may have what it should.
    if (!(await this.#has(parts, values))) {
      const code = await this.#install(values);
      if (code !== undefined) return code;
      if (!(await this.#has(parts, values))) return 'RESULT_MISMATCH';
    }
    this.#record.change({ mark: null, has: name });
    for (const path of paths) rmSync(path, { force: true });
    return undefined;
  }

  /** The slot, as a file of exactly the image's size; hashed while it is written. @throws Refusal RESULT_MISMATCH */
  #handOver({ id, bytes, digest, flash }: Given): string {
    const { verifier, fileName = 'image.bin' } = this.#options;
    const folder = id === undefined ? this.#options.folder : join(this.#options.folder, id);
    makeFolder(folder);
    const path = join(folder, fileName);
    rmSync(path, { force: true });
    const fd = openSync(path, 'wx', 0o600);
    const hash = verifier.hash();
    try {
      let at = 0;
      readChunks(flash, 0, bytes, (chunk) => {
        hash.update(chunk);
        writeAll(fd, chunk, at);
        at += chunk.length;
      });
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    syncFolder(folder);
    const intact = hex(hash.digest()) === hex(digest);
    demand(intact, 'RESULT_MISMATCH', `the slot${id ? ` of ${id}` : ''} does not hold the image that was verified`);
    return path;
  }

  async #install(values: Record<string, string>): Promise<Code | undefined> {
    const { commands, installMs: limitMs = INSTALL_MS, exitCodes } = this.#options;
    const mark = randomBytes(16).toString('hex');
    this.#record.change({ mark, has: null });
    const result = await this.#run('install', commands.install, { values, limitMs, mark });
    if (result.exit === 0) return undefined;
    if (result.late) return 'TRIAL_TIMEOUT';
    return { ...EXIT_CODES, ...exitCodes }[result.exit ?? -1] ?? 'BOOT_FAILED';
  }

  /** Each component that can be read back is, and then the whole is asked for. */
  async #has(parts: readonly Given[], values: Record<string, string>): Promise<boolean> {
    const { commands, readBacks = {}, verifyMs: limitMs = VERIFY_MS, verifier } = this.#options;
    for (const { id, bytes, digest } of parts) {
      const path = id === undefined ? commands.readBack : readBacks[id];
      // Without a command that speaks for all of them, one that nobody reads back was never seen to be there.
      if (path === undefined && !commands.verify) return false;
      const found = path === undefined ? digest : digestOf(path, bytes, verifier);
      if (found === undefined || hex(found) !== hex(digest)) return false;
    }
    if (!commands.verify) return true;
    return (await this.#run('verify', commands.verify, { values, limitMs })).exit === 0;
  }

  async #run(name: string, argv: Argv, options: CommandOptions): Promise<CommandResult> {
    const { signal } = this.#closed;
    const result = await runCommand(argv, { ...options, signal });
    this.#options.on?.(name, result);
    if (signal.aborted) throw new Closed();
    return result;
  }
}

/** Of the application as they are, of a further component with its name behind a dot. */
function valuesOf({ id, bytes, digest }: Given, path: string): Record<string, string> {
  const values = { path, bytes: String(bytes), sha256: hex(digest) };
  if (id === undefined) return values;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${name}.${id}`, value]));
}

function digestOf(path: string, bytes: number, verifier: Verifier): Uint8Array | undefined {
  if (!existsSync(path)) return undefined;
  const hash = verifier.hash();
  const fd = openSync(path, 'r');
  try {
    const piece = new Uint8Array(65_536);
    for (let at = 0; at < bytes; ) {
      const count = readSync(fd, piece, 0, Math.min(piece.length, bytes - at), at);
      if (count === 0) return undefined;
      hash.update(piece.subarray(0, count));
      at += count;
    }
    return hash.digest();
  } finally {
    closeSync(fd);
  }
}
