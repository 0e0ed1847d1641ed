/**
 * Reports of children until the server has acknowledged them. Each is flushed before its child is told that it is here.
 * It is a second copy: the child keeps its own until it has checked the server's signature itself, so a gateway that
 * loses or drops this folder loses nothing but time.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '../../src/errors.ts';
import { equal, hex, unhex } from '../../src/format/bytes.ts';
import { leafHash, type Sha256 } from '../../src/format/merkle.ts';
import { readAck } from '../../src/format/messages.ts';
import { readReport } from '../../src/format/report.ts';
import { readStatement } from '../../src/format/statement.ts';
import { makeFolder, replaceFile } from '../durable.ts';

/**
 * A device keeps eight; twice that, because an old one may still be on its way out. The one that came first makes room: a
 * gateway cannot check a signature, and what strangers leave under any id is never acknowledged.
 */
export const REPORTS_PER_CHILD_MAX = 16;
/** Some 600 bytes each. */
export const REPORTS_MAX = 4_096;

interface Stored {
  counter: number;
  leaf: string;
  path: string;
  /** In the order in which they came; after a restart, in that of the folder. */
  came: number;
}

export class ReportStore {
  readonly #folder: string;
  readonly #sha256: Sha256;
  readonly #reports = new Map<string, Stored[]>();
  #count = 0;
  #came = 0;

  constructor(folder: string, sha256: Sha256) {
    makeFolder(folder);
    this.#folder = folder;
    this.#sha256 = sha256;
    for (const name of readdirSync(folder)) this.#recall(name);
  }

  get count(): number {
    return this.#count;
  }

  /** Children with reports that wait. */
  get devices(): Uint8Array[] {
    return [...this.#reports.keys()].map((id) => unhex(id)!);
  }

  /** In the order of their counters, as the ledger wants them. */
  of(deviceId: Uint8Array): Uint8Array[] {
    return (this.#reports.get(hex(deviceId)) ?? []).map(({ path }) => new Uint8Array(readFileSync(path)));
  }

  /**
   * Keeps one report, flushed when this returns.
   * @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE; BAD_STATEMENT for another device's report
   */
  put(deviceId: Uint8Array, bytes: Uint8Array): void {
    const report = readReport(readStatement(bytes, 'report').payload);
    demand(
      equal(report.deviceId, deviceId),
      'BAD_STATEMENT',
      'a report of another device than the child that brings it',
    );
    const leaf = hex(leafHash(this.#sha256, bytes));
    const own = this.#reports.get(hex(deviceId)) ?? [];
    if (own.some((stored) => stored.leaf === leaf)) return;
    if (own.length >= REPORTS_PER_CHILD_MAX) this.#dropFirst(own);
    else if (this.#count >= REPORTS_MAX) this.#dropFirst([...this.#reports.values()].flat());
    const path = join(this.#folder, `${hex(deviceId)}-${report.counter}-${leaf.slice(0, 16)}`);
    replaceFile(path, bytes);
    this.#add(hex(deviceId), { counter: report.counter, leaf, path });
  }

  #dropFirst(among: readonly Stored[]): void {
    const first = among.reduce((one, other) => (other.came < one.came ? other : one));
    for (const [id, own] of this.#reports) if (own.includes(first)) this.#forget(id, [first]);
  }

  /**
   * Drops what the server says it has logged. The signature is the child's to check: a forged acknowledgement costs this
   * copy, and the child brings its own again.
   */
  acknowledged(bytes: Uint8Array): void {
    const { deviceId, leafHash: leaf } = readAck(readStatement(bytes, 'ack').payload);
    const own = this.#reports.get(hex(deviceId)) ?? [];
    this.#forget(
      hex(deviceId),
      own.filter((stored) => stored.leaf === hex(leaf)),
    );
  }

  #forget(id: string, gone: readonly Stored[]): void {
    const left = (this.#reports.get(id) ?? []).filter((stored) => !gone.includes(stored));
    for (const { path } of gone) rmSync(path, { force: true });
    this.#count -= gone.length;
    if (left.length > 0) this.#reports.set(id, left);
    else this.#reports.delete(id);
  }

  /** A file that is not what its name says is a cut write or another's: it is not sent to anybody. */
  #recall(name: string): void {
    const path = join(this.#folder, name);
    const [, id, counter, start] = /^([0-9a-f]{32})-(\d{1,16})-([0-9a-f]{16})$/.exec(name) ?? [];
    const leaf = id === undefined ? '' : hex(leafHash(this.#sha256, new Uint8Array(readFileSync(path))));
    if (id === undefined || !leaf.startsWith(start!)) rmSync(path, { force: true });
    else this.#add(id, { counter: Number(counter), leaf, path });
  }

  #add(id: string, stored: Omit<Stored, 'came'>): void {
    const own = [...(this.#reports.get(id) ?? []), { ...stored, came: this.#came++ }].sort(
      (a, b) => a.counter - b.counter,
    );
    this.#reports.set(id, own);
    this.#count++;
  }
}
