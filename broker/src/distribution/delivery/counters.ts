/**
 * The highest login counter of each device, so that a login is taken once, even by a broker that was killed.
 *
 * File: batches of [number of records 4, records, CRC-32 of all that 4]; a record is device id 16, counter 8; all big
 * endian. The highest counter of a device counts. Order of commitment: write a batch, fdatasync, then its logins are
 * accepted. A power cut in between costs each of these devices one counter. Only the last batch can be torn; it was
 * never accepted, and is cut off when the file is opened.
 */
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, unhex } from '@countersign/device-sdk/format';

export interface LoginCounters {
  /**
   * Takes `counter` for this device when it is above every one taken before. Durable when it resolves.
   * @throws Refusal BAD_COUNTER, BUSY (too many devices), BAD_STORE (the disk refused)
   */
  take(deviceId: Uint8Array, counter: number): Promise<void>;
  close(): Promise<void>;
}

/** Only enrolled devices get a record: this bound is for the memory, about 120 bytes a device. */
export const LOGIN_DEVICES_MAX = 1_000_000;
/** The file is rewritten when it has this many records more than twice the devices. */
export const COMPACT_RECORDS = 4_096;
const RECORD_BYTES = 24;
/** The count before and the checksum after the records. */
const FRAME_BYTES = 8;

/**
 * Opens or makes the file of counters.
 * @throws Refusal BAD_STORE when a batch before the last is damaged: an old counter might be taken again
 */
export async function openLoginCounters(
  path: string,
  options: { compactRecords?: number } = {},
): Promise<LoginCounters> {
  const file = await open(path, 'a+', 0o600).catch(badStore(`cannot open ${path}`));
  try {
    const { highest, records, bytes } = readBatches(await file.readFile(), path);
    await file.truncate(bytes);
    await file.datasync();
    return new CounterFile(path, file, highest, records, options.compactRecords ?? COMPACT_RECORDS);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** For tests and simulations: forgotten at the end of the process, so that old logins could be replayed after it. */
export function memoryLoginCounters(): LoginCounters {
  const highest = new Map<string, number>();
  return {
    async take(deviceId, counter) {
      raise(highest, hex(deviceId), counter);
    },
    async close() {},
  };
}

type Login = readonly [deviceId: Uint8Array, counter: number];

class CounterFile implements LoginCounters {
  readonly #path: string;
  readonly #highest: Map<string, number>;
  readonly #compactRecords: number;
  #file: FileHandle;
  #records: number;
  #pending: Login[] = [];
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #broken = false;
  #closed = false;

  constructor(path: string, file: FileHandle, highest: Map<string, number>, records: number, compactRecords: number) {
    this.#path = path;
    this.#file = file;
    this.#highest = highest;
    this.#records = records;
    this.#compactRecords = compactRecords;
  }

  async take(deviceId: Uint8Array, counter: number): Promise<void> {
    demand(!this.#broken && !this.#closed, 'BAD_STORE', 'the file of login counters is closed');
    // The counter is raised before the write: if that fails, it is lost, and never taken twice.
    raise(this.#highest, hex(deviceId), counter);
    this.#pending.push([deviceId, counter]);
    this.#next ??= this.#flushAfter(this.#writing);
    await this.#next;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#next?.catch(() => undefined);
    await this.#writing.catch(() => undefined);
    await this.#file.close();
  }

  /** One write and one fdatasync for all logins that came while the last one was being written. */
  #flushAfter(before: Promise<void>): Promise<void> {
    const flush = before
      .catch(() => undefined)
      .then(() => {
        const logins = this.#pending;
        this.#pending = [];
        this.#next = undefined;
        this.#writing = this.#write(logins);
        return this.#writing;
      });
    flush.catch(() => undefined);
    return flush;
  }

  async #write(logins: Login[]): Promise<void> {
    try {
      demand(!this.#broken, 'BAD_STORE', 'the file of login counters is closed');
      await this.#file.appendFile(batch(logins));
      await this.#file.datasync();
      this.#records += logins.length;
      if (this.#records > 2 * this.#highest.size + this.#compactRecords) await this.#compact();
    } catch (cause) {
      // After a failed sync nobody knows what the disk holds (the kernel may have dropped the pages).
      this.#broken = true;
      throw new Refusal('BAD_STORE', `cannot write ${this.#path}`, { cause });
    }
  }

  /** A whole new file beside the old one, then one atomic rename: a cut leaves one of the two. */
  async #compact(): Promise<void> {
    const fresh = await open(`${this.#path}.new`, 'w', 0o600);
    const logins = [...this.#highest].map(([id, counter]): Login => [unhex(id)!, counter]);
    await fresh.writeFile(batch(logins));
    await fresh.datasync();
    await fresh.close();
    await rename(`${this.#path}.new`, this.#path);
    await syncFolder(dirname(this.#path));
    await this.#file.close();
    this.#file = await open(this.#path, 'a', 0o600);
    this.#records = logins.length;
  }
}

function raise(highest: Map<string, number>, id: string, counter: number): void {
  const last = highest.get(id);
  demand(last === undefined || counter > last, 'BAD_COUNTER', `login counter ${counter}, the last one was ${last}`);
  demand(last !== undefined || highest.size < LOGIN_DEVICES_MAX, 'BUSY', 'too many devices have logged in here');
  highest.set(id, counter);
}

function batch(logins: readonly Login[]): Buffer {
  const bytes = Buffer.alloc(logins.length * RECORD_BYTES + FRAME_BYTES);
  bytes.writeUInt32BE(logins.length);
  for (const [i, [deviceId, counter]] of logins.entries()) {
    bytes.set(deviceId, 4 + i * RECORD_BYTES);
    bytes.writeBigUInt64BE(BigInt(counter), 4 + i * RECORD_BYTES + 16);
  }
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return bytes;
}

function readBatches(file: Buffer, path: string): { highest: Map<string, number>; records: number; bytes: number } {
  const highest = new Map<string, number>();
  let records = 0;
  let at = 0;
  while (at + FRAME_BYTES <= file.length) {
    const count = file.readUInt32BE(at);
    const end = at + count * RECORD_BYTES + FRAME_BYTES;
    const whole = count > 0 && end <= file.length;
    if (!whole || crc32(file.subarray(at, end - 4)) !== file.readUInt32BE(end - 4)) {
      demand(count === 0 || end >= file.length, 'BAD_STORE', `${path}: the batch at byte ${at} is damaged`);
      break;
    }
    for (let i = at + 4; i < end - 4; i += RECORD_BYTES) {
      const id = hex(file.subarray(i, i + 16));
      highest.set(id, Math.max(highest.get(id) ?? 0, Number(file.readBigUInt64BE(i + 16))));
    }
    records += count;
    at = end;
  }
  return { highest, records, bytes: at };
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function badStore(text: string): (cause: unknown) => never {
  return (cause) => {
    throw new Refusal('BAD_STORE', text, { cause });
  };
}
