/**
 * Block files, the only truth: each block behind its length in 4 bytes, big-endian, in files of bounded size that are
 * named by the number of their first block. Appended and flushed, never rewritten.
 */
import { type FileHandle, open, readdir, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { flush } from '../../store/durable.ts';
import { STORED_BLOCK_BYTES_MAX } from '../log/block.ts';

/** A new file is begun beyond this, so that copies and backups move in handy pieces. */
export const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;
const NAME = /^(\d{10})\.blocks$/;

/** Where a block stands. */
export interface Place {
  /** Number of the first block in its file. */
  segment: number;
  /** Of the block itself, behind its length. */
  offset: number;
  length: number;
}

/** What a file holds from one place on: a block, or bytes that are none. `whole` includes the length in front. */
export type Frame = { whole: Place } & ({ place: Place; bytes: Uint8Array } | { torn: string });

export function segmentName(first: number): string {
  return `${first.toString().padStart(10, '0')}.blocks`;
}

/** First block numbers of all files, in order. */
export async function listSegments(folder: string): Promise<number[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => (NAME.test(name) ? [Number(NAME.exec(name)![1])] : [])).sort((a, b) => a - b);
}

/** Reads blocks one after another, from a place on. A torn frame is the last one that is given of a file. */
export async function* readFrames(folder: string, from?: Place): AsyncGenerator<Frame> {
  for (const segment of await listSegments(folder)) {
    if (from && segment < from.segment) continue;
    const start = from && segment === from.segment ? from.offset + from.length : 0;
    yield* framesOf(folder, segment, start);
  }
}

async function* framesOf(folder: string, segment: number, start: number): AsyncGenerator<Frame> {
  const file = await open(join(folder, segmentName(segment)), 'r');
  try {
    const { size } = await file.stat();
    const window = new Window(file, size);
    for (let at = start; at < size; ) {
      const frame = await frameAt(window, segment, at, size);
      yield frame;
      at = frame.whole.offset + frame.whole.length;
    }
  } finally {
    await file.close();
  }
}

async function frameAt(window: Window, segment: number, at: number, size: number): Promise<Frame> {
  const offset = at + LENGTH_BYTES;
  const whole = { segment, offset: at, length: size - at };
  if (offset > size) return { whole, torn: `${size - at} bytes where a block's length should stand` };
  const length = Buffer.from(await window.take(at, LENGTH_BYTES)).readUInt32BE();
  // The length may be damage: it is bounded before anything is allocated.
  if (length > STORED_BLOCK_BYTES_MAX) return { whole, torn: `a block of ${length} bytes is impossible` };
  if (offset + length > size) return { whole, torn: `${size - offset} of ${length} bytes of a block` };
  const place = { segment, offset, length };
  const bytes = await window.take(offset, length);
  return { whole: { segment, offset: at, length: LENGTH_BYTES + length }, place, bytes };
}

/** Small blocks are read many at a time: a system call for each would cost as much as checking its signatures. */
const WINDOW_BYTES = 64 * 1024;

class Window {
  readonly #file: FileHandle;
  readonly #size: number;
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  async take(offset: number, length: number): Promise<Uint8Array> {
    const inside = offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
    if (!inside) {
      this.#bytes = await readAt(this.#file, offset, Math.min(Math.max(length, WINDOW_BYTES), this.#size - offset));
      this.#start = offset;
    }
    return this.#bytes.slice(offset - this.#start, offset - this.#start + length);
  }
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    demand(bytesRead > 0, 'BAD_STORE', 'a block file became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

/** Cuts off everything from a place on, and flushes. */
export async function cutAt(folder: string, place: Place): Promise<void> {
  const path = join(folder, segmentName(place.segment));
  await truncate(path, place.offset);
  await flush(path);
}

/**
 * Writes a block where it stands already and flushes it. A mere flush is not enough for what another process left: where
 * its own flush had failed, Linux takes the pages for clean, and the next one succeeds without writing them.
 */
export async function writeAgain(folder: string, { segment, offset }: Place, bytes: Uint8Array): Promise<void> {
  const path = join(folder, segmentName(segment));
  const file = await open(path, 'r+');
  try {
    await writeAll(file, framed(bytes), offset - LENGTH_BYTES);
    await file.datasync();
  } finally {
    await file.close();
  }
  await flush(path);
}

function framed(bytes: Uint8Array): Buffer {
  const whole = Buffer.allocUnsafe(LENGTH_BYTES + bytes.length);
  whole.writeUInt32BE(bytes.length);
  whole.set(bytes, LENGTH_BYTES);
  return whole;
}

async function writeAll(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }
}

/** Writes block files, and reads single blocks and parts of them. */
export class Segments {
  readonly #folder: string;
  readonly #bytesMax: number;
  /** One handle for each file, also where two reads come at once: the second one's would never be closed. */
  readonly #readers = new Map<number, Promise<FileHandle>>();
  #writer: { file: FileHandle; segment: number; size: number } | undefined;

  constructor(folder: string, bytesMax = SEGMENT_BYTES_MAX) {
    this.#folder = folder;
    this.#bytesMax = bytesMax;
  }

  /** Resolves after fdatasync: what it gives back survives a power cut. */
  async append(number: number, bytes: Uint8Array): Promise<Place> {
    const writer = await this.#writable(number);
    await writeAll(writer.file, framed(bytes), writer.size);
    await writer.file.datasync();
    const offset = writer.size + LENGTH_BYTES;
    writer.size += LENGTH_BYTES + bytes.length;
    return { segment: writer.segment, offset, length: bytes.length };
  }

  async #writable(number: number) {
    if (!this.#writer) {
      const last = (await listSegments(this.#folder)).at(-1) ?? number;
      this.#writer = await this.#openWriter(last);
    }
    if (this.#writer.size < this.#bytesMax) return this.#writer;
    await this.#writer.file.close();
    this.#writer = await this.#openWriter(number);
    return this.#writer;
  }

  async #openWriter(segment: number) {
    const path = join(this.#folder, segmentName(segment));
    // Created here and flushed with its folder, or the next block's file could vanish with its name in a power cut.
    await (await open(path, 'a')).close();
    await flush(path);
    const file = await open(path, 'r+');
    return { file, segment, size: (await file.stat()).size };
  }

  /** @param place of bytes inside a block file */
  async read(place: Place): Promise<Uint8Array> {
    let file = this.#readers.get(place.segment);
    if (!file) {
      file = open(join(this.#folder, segmentName(place.segment)), 'r').catch((cause) => {
        this.#readers.delete(place.segment);
        throw new Refusal('BAD_STORE', `block file ${segmentName(place.segment)} cannot be read`, { cause });
      });
      this.#readers.set(place.segment, file);
    }
    return readAt(await file, place.offset, place.length);
  }

  /** A block with the length that is written before it: damage there ends every later reading of the file. */
  async readFramed({ segment, offset, length }: Place): Promise<{ block: Uint8Array; length: number }> {
    const whole = { segment, offset: offset - LENGTH_BYTES, length: LENGTH_BYTES + length };
    const bytes = Buffer.from(await this.read(whole));
    return { block: bytes.subarray(LENGTH_BYTES), length: bytes.readUInt32BE() };
  }

  async close(): Promise<void> {
    for (const file of this.#readers.values()) await file.then((opened) => opened.close()).catch(() => undefined);
    this.#readers.clear();
    await this.#writer?.file.close();
    this.#writer = undefined;
  }
}
