/**
 * Frames on disk, one file for each payload, named by its chain head: the length of a full frame, then the frames one
 * after another. A frame enters only as the chain's next one, so a lie of the network is never kept; it is hashed again
 * whenever it is read, so a disk that decayed is found out. Nothing is flushed: what a cut takes is fetched again.
 */
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { equal, hex } from '../../src/format/bytes.ts';
import { HASH_BYTES, type Sha256 } from '../../src/format/merkle.ts';
import { FRAME_BYTES_MAX } from '../../src/format/suit.ts';
import { makeFolder } from '../durable.ts';

/** Before the frames: the length of the first, which is that of all but the last. */
const START = 2;
const FRAME_WIRE_BYTES_MAX = FRAME_BYTES_MAX + HASH_BYTES;
/** Open files at once; a gateway serves one release to each of a few products. */
const OPEN_MAX = 32;

/** A payload whose frames are known from the first to `count`. */
interface Held {
  fd: number;
  full: number;
  /** Of all frames. */
  bytes: number;
  count: number;
  /** What the chain names next. */
  expected: Uint8Array;
}

export class FrameCache {
  readonly #folder: string;
  readonly #sha256: Sha256;
  readonly #bytesMax: number;
  /** Every file, the least recently used first. */
  readonly #sizes = new Map<string, number>();
  readonly #open = new Map<string, Held>();
  /** Walked already, and closed since: whoever asks for many payloads by turns must not have each hashed whole again. */
  readonly #closed = new Map<string, Held>();
  #bytes = 0;

  constructor(folder: string, sha256: Sha256, bytesMax: number) {
    makeFolder(folder);
    this.#folder = folder;
    this.#sha256 = sha256;
    this.#bytesMax = bytesMax;
    const files = readdirSync(folder).map((name) => ({ name, ...timesOf(join(folder, name)) }));
    for (const { name, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) this.#resize(name, size);
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many frames from the first on are here. */
  count(chainHead: Uint8Array): number {
    return this.#held(chainHead)?.count ?? 0;
  }

  /** Frame `index`, whole and proven; undefined where it is not here. */
  read(chainHead: Uint8Array, index: number): Uint8Array | undefined {
    const held = this.#held(chainHead);
    if (!held || index >= held.count) return undefined;
    const piece = index === 0 ? readPiece(held, 0, held.full) : readPiece(held, index * held.full - HASH_BYTES);
    const expected = index === 0 ? chainHead : piece.subarray(0, HASH_BYTES);
    const frame = index === 0 ? piece : piece.slice(HASH_BYTES);
    if (equal(this.#sha256(frame), expected)) return frame;
    // Whatever follows rests on bytes that have changed.
    this.#drop(hex(chainHead));
    return undefined;
  }

  /** Takes the chain's next frame. @returns false where it is not that, or has no place */
  add(chainHead: Uint8Array, index: number, frame: Uint8Array): boolean {
    const name = hex(chainHead);
    // Made only for a frame that has the very digest: names of strangers' choice must not become files.
    if (index === 0 && !equal(this.#sha256(frame), chainHead)) return false;
    const held = this.#held(chainHead) ?? (index === 0 ? this.#load(name, chainHead) : undefined);
    if (!held || index !== held.count || frame.length === 0 || frame.length > FRAME_WIRE_BYTES_MAX) return false;
    if (!equal(this.#sha256(frame), held.expected) || !fits(held, frame)) return false;
    if (!this.#makeRoom(name, frame.length)) return false;
    if (held.count === 0) writeSync(held.fd, Uint8Array.of(frame.length >> 8, frame.length & 255), 0, START, 0);
    writeSync(held.fd, frame, 0, frame.length, START + held.bytes);
    grow(held, frame);
    this.#resize(name, START + held.bytes);
    return true;
  }

  /** Whether the chain names another frame here. False where nobody can tell, which is nothing against who sent it. */
  isWrong(chainHead: Uint8Array, index: number, frame: Uint8Array): boolean {
    if (index === 0) return !equal(this.#sha256(frame), chainHead);
    const held = this.#held(chainHead);
    return held !== undefined && index === held.count && !equal(this.#sha256(frame), held.expected);
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #held(chainHead: Uint8Array): Held | undefined {
    const name = hex(chainHead);
    if (!this.#sizes.has(name)) return undefined;
    const held = this.#open.get(name);
    if (!held) return this.#load(name, chainHead);
    this.#use(name, held);
    return held;
  }

  #use(name: string, held: Held): void {
    this.#open.delete(name);
    this.#open.set(name, held);
    this.#resize(name, START + held.bytes);
    for (const [oldest, other] of this.#open) {
      if (this.#open.size <= OPEN_MAX) break;
      closeSync(other.fd);
      this.#open.delete(oldest);
      this.#closed.set(oldest, other);
    }
  }

  /** What a former run left is walked once along its chain; from the first wrong byte on it is cut off. */
  #load(name: string, chainHead: Uint8Array): Held {
    const path = join(this.#folder, name);
    closeSync(openSync(path, 'a', 0o600));
    const fd = openSync(path, 'r+');
    const before = this.#closed.get(name);
    if (before) {
      this.#closed.delete(name);
      const again = { ...before, fd };
      this.#use(name, again);
      return again;
    }
    const held: Held = { fd, full: 0, bytes: 0, count: 0, expected: chainHead };
    const size = timesOf(path).size - START;
    const [high = 0, low = 0] = readBytes(held.fd, 0, START);
    held.full = Math.min(high * 256 + low, FRAME_WIRE_BYTES_MAX);
    while (held.full > 0 && held.bytes < size) {
      const frame = readPiece(held, held.bytes, held.full);
      if (!equal(this.#sha256(frame), held.expected)) break;
      grow(held, frame);
    }
    ftruncateSync(held.fd, held.count === 0 ? 0 : START + held.bytes);
    // The file's own time tells the next run which was used last.
    const now = new Date();
    utimesSync(path, now, now);
    this.#use(name, held);
    return held;
  }

  /** Forgets the least recently used payloads, whole, until there is room. */
  #makeRoom(name: string, bytes: number): boolean {
    for (const oldest of [...this.#sizes.keys()]) {
      if (this.#bytes + bytes + START <= this.#bytesMax) return true;
      if (oldest !== name) this.#drop(oldest);
    }
    return this.#bytes + bytes + START <= this.#bytesMax;
  }

  #resize(name: string, size: number): void {
    this.#bytes += size - (this.#sizes.get(name) ?? 0);
    this.#sizes.delete(name);
    this.#sizes.set(name, size);
  }

  #drop(name: string): void {
    const held = this.#open.get(name);
    if (held) closeSync(held.fd);
    this.#open.delete(name);
    this.#closed.delete(name);
    this.#bytes -= this.#sizes.get(name) ?? 0;
    this.#sizes.delete(name);
    rmSync(join(this.#folder, name), { force: true });
  }
}

/** Only the last frame is shorter than the first; the file could not be taken apart otherwise. */
function fits({ full, bytes, count }: Held, frame: Uint8Array): boolean {
  return count === 0 || (frame.length <= full && bytes === count * full);
}

function grow(held: Held, frame: Uint8Array): void {
  if (held.count === 0) held.full = frame.length;
  held.bytes += frame.length;
  held.count++;
  held.expected = frame.slice(-HASH_BYTES);
}

/** From a place among the frames; shorter at the end of the file. */
function readPiece({ fd, full }: Held, from: number, length = full + HASH_BYTES): Uint8Array {
  return readBytes(fd, START + from, length);
}

function readBytes(fd: number, from: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const read = readSync(fd, bytes, done, length - done, from + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.slice(0, done);
}

function timesOf(path: string): { size: number; mtimeMs: number } {
  const { size, mtimeMs } = statSync(path);
  return { size, mtimeMs };
}
