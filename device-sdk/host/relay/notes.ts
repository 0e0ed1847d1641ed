/**
 * Small things that are worth having when the server is away: announcements by class, answers by their question, logins
 * by device. Each file begins with the digest of its content, and what does not match it is not there.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { concat, equal } from '../../src/format/bytes.ts';
import { HASH_BYTES } from '../../src/format/merkle.ts';
import { makeFolder, replaceFile, TEMPORARY_SUFFIX } from '../durable.ts';

export class Notes {
  readonly #folder: string;
  readonly #max: number;
  readonly #known = new Map<string, Uint8Array>();

  /** @param max notes kept; the oldest go first */
  constructor(folder: string, max: number) {
    makeFolder(folder);
    this.#folder = folder;
    this.#max = max;
    const names = readdirSync(folder).map((name) => ({ name, at: statSync(join(folder, name)).mtimeMs }));
    for (const { name } of names.sort((a, b) => a.at - b.at)) this.#recall(name);
    // The limit may have been lowered, or a cut have come between a new note and the end of the oldest.
    this.#trim();
  }

  get(name: string): Uint8Array | undefined {
    return this.#known.get(name);
  }

  put(name: string, bytes: Uint8Array): void {
    const before = this.#known.get(name);
    if (before && equal(before, bytes)) return;
    replaceFile(join(this.#folder, name), concat(digestOf(bytes), bytes));
    this.#known.delete(name);
    this.#known.set(name, bytes);
    this.#trim();
  }

  delete(name: string): void {
    if (this.#known.delete(name)) rmSync(join(this.#folder, name), { force: true });
  }

  #trim(): void {
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#max) break;
      this.delete(oldest);
    }
  }

  #recall(name: string): void {
    const path = join(this.#folder, name);
    if (name.endsWith(TEMPORARY_SUFFIX)) {
      // A cut write, whole perhaps: its rename never was, and nobody has been promised it.
      rmSync(path, { force: true });
      return;
    }
    const file = new Uint8Array(readFileSync(path));
    const bytes = file.slice(HASH_BYTES);
    if (equal(digestOf(bytes), file.subarray(0, HASH_BYTES))) this.#known.set(name, bytes);
    else rmSync(path, { force: true });
  }
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
