import { demand } from '../errors.ts';
import type { Spending } from './commands.ts';
import { Coding, type CodingKind, type CodingShape } from './model/coding.ts';
import { COPY_LENGTH, FILL_LENGTH, INSERT_LENGTH, SEEK } from './model/numbers.ts';
import type { Predictor } from './model/predictor.ts';
import { QUEUE_BYTES, RangeDecoder, STEP_BYTES_MAX } from './model/range-decoder.ts';
import type { OldBytes } from './old-bytes.ts';
import type { Pages } from './pages.ts';
import type { Engine, EnginePorts } from './parts.ts';

const AT_LENGTH = 0;
const AT_START = 1;
const AT_INSERT_LENGTH = 2;
const AT_INSERT = 3;
const AT_KIND = 4;
const AT_COPY_LENGTH = 5;
const AT_SEEK = 6;
const AT_COPY = 7;
const AT_FILL_LENGTH = 8;
const AT_FILL = 9;

/** What the steps are counted as, in their order. */
const SPENDING: readonly Spending[] = [
  'commands',
  'commands',
  'commands',
  'inserts',
  'commands',
  'commands',
  'commands',
  'patches',
  'commands',
  'inserts',
];

/** A block has fewer coded bytes than this: four digits of a number. */
const BLOCK_BYTES_MAX = 0x1000_0000;

/** Commands behind the range coders: inserted bytes, then a copy or a fill, in turn until the block is complete. */
export class Ranged implements Engine {
  /** Place in the old image that the next copy is expected at. */
  oldOffset = 0;
  /** Output offset at which the current block ends; no command crosses it. */
  blockEnd = 0;
  readonly #reset: () => void;
  readonly #decoder: RangeDecoder;
  readonly #coding: Coding;
  readonly #predictor: Predictor;
  readonly #pages: Pages;
  readonly #old: OldBytes;
  readonly #oldBytes: number;
  #at = AT_LENGTH;
  /** Bytes the current command has still to produce. */
  #left = 0;
  /** Coded bytes of the block that have not come yet; while its length is read, that length. */
  #coded = 0;
  #digits = 0;
  /** Commands begun, and coded bytes taken in for each kind of step: for measuring only. */
  readonly begun = { copies: 0, inserts: 0, fills: 0 };
  readonly taken: Record<Spending, number> = { commands: 0, patches: 0, inserts: 0 };

  constructor(kind: CodingKind, header: CodingShape & { oldBytes: number }, ports: EnginePorts) {
    const { predictor, bytes, pages, reset } = ports;
    const { oldBytes } = header;
    this.#decoder = new RangeDecoder(ports.queue.subarray(0, QUEUE_BYTES));
    this.#coding = new Coding(kind, header, ports.tables, { bytes, oldBytes }, { predictor, coder: this.#decoder });
    this.#predictor = predictor;
    this.#pages = pages;
    this.#old = bytes;
    this.#oldBytes = oldBytes;
    this.#reset = reset;
  }

  /** Takes one byte of the container. @returns true when it completed the block */
  feed(byte: number): boolean {
    if (this.#at === AT_LENGTH) {
      if (!this.#length(byte)) return false;
    } else {
      this.#decoder.put(byte);
      this.#coded--;
    }
    while (this.#coded === 0 || this.#decoder.waiting >= STEP_BYTES_MAX) {
      const at = this.#at;
      const waiting = this.#decoder.waiting;
      const ended = this.#step();
      this.taken[SPENDING[at]!] += waiting - this.#decoder.waiting;
      if (ended) return true;
    }
    return false;
  }

  /** Canonical LEB128: the number of coded bytes that follow. */
  #length(byte: number): boolean {
    demand(byte !== 0 || this.#digits === 0, 'BAD_DELTA', 'number not in its shortest form');
    this.#coded += (byte & 0x7f) * 2 ** (7 * this.#digits++);
    demand(this.#coded < BLOCK_BYTES_MAX && this.#digits <= 4, 'BAD_DELTA', 'a block over its limit');
    if (byte >= 0x80) return false;
    this.#digits = 0;
    this.#at = AT_START;
    return true;
  }

  #step(): boolean {
    const { numbers } = this.#coding;
    switch (this.#at) {
      case AT_START:
        this.#coding.reset(this.oldOffset);
        this.#reset();
        this.#decoder.start();
        this.#at = AT_INSERT_LENGTH;
        return false;
      case AT_INSERT_LENGTH:
        this.#begin(numbers.code(0, INSERT_LENGTH));
        if (this.#left > 0) this.begun.inserts++;
        this.#at = this.#left > 0 ? AT_INSERT : AT_KIND;
        return false;
      case AT_INSERT:
        this.#insert();
        break;
      case AT_KIND:
        this.#at = this.#coding.kind(0) === 0 ? AT_COPY_LENGTH : AT_FILL_LENGTH;
        return false;
      case AT_COPY_LENGTH:
        this.#begin(numbers.code(0, COPY_LENGTH) + 1);
        this.#at = AT_SEEK;
        return false;
      case AT_SEEK:
        this.#seek(numbers.codeSigned(0, SEEK));
        return false;
      case AT_COPY:
        this.#copy();
        break;
      case AT_FILL_LENGTH:
        this.#begin(numbers.code(0, FILL_LENGTH) + 1);
        this.#at = AT_FILL;
        return false;
      default:
        this.#fill();
    }
    return this.#pages.offset === this.blockEnd && this.#endBlock();
  }

  #begin(length: number): void {
    demand(length <= this.blockEnd - this.#pages.offset, 'BAD_DELTA', 'a command crosses the end of its block');
    this.#left = length;
  }

  #insert(): void {
    const { literals, recent } = this.#coding;
    const byte = literals.code(0, this.#pages.offset);
    recent.put(byte);
    this.#pages.put(byte);
    this.#pass(1);
    if (--this.#left === 0) this.#at = AT_KIND;
  }

  /** Inserted bytes mostly stand for old ones. */
  #pass(count: number): void {
    this.oldOffset = Math.min(this.oldOffset + count, this.#oldBytes);
  }

  #fill(): void {
    const { literals, recent } = this.#coding;
    const byte = literals.code(0, this.#pages.offset);
    recent.fill(byte);
    this.#pages.fill(byte, this.#left);
    this.#pass(this.#left);
    this.begun.fills++;
    this.#left = 0;
    this.#at = AT_INSERT_LENGTH;
  }

  #seek(distance: number): void {
    this.oldOffset += distance;
    this.#old.beginCopy(this.oldOffset, this.#left, this.#pages.offset);
    this.#predictor.copy(this.oldOffset, this.#pages.offset, this.#left);
    this.begun.copies++;
    this.#at = AT_COPY;
  }

  #copy(): void {
    const { units, recent } = this.#coding;
    this.#predictor.look(this.oldOffset, this.#pages.offset, this.#left);
    units.code();
    const { size } = this.#predictor.unit;
    for (let i = 0; i < size; i++) recent.put(units.bytes[i]!);
    this.#pages.write(units.bytes, size);
    this.oldOffset += size;
    this.#left -= size;
    if (this.#left === 0) this.#at = AT_INSERT_LENGTH;
  }

  #endBlock(): boolean {
    // The encoder leaves out only what the decoder replaces by zeros, so a block is never longer than what is used.
    demand(this.#coded === 0 && this.#decoder.waiting === 0, 'BAD_DELTA', 'bytes left over at the end of a block');
    this.#at = AT_LENGTH;
    this.#left = 0;
    return true;
  }

  save(): number[] {
    const { units, recent } = this.#coding;
    const packed = this.#at | (this.#digits << 4);
    const place = [this.oldOffset, this.blockEnd, packed, this.#left, this.#coded];
    return [...place, ...recent.save(), ...this.#predictor.save(), ...this.#decoder.save(), ...units.save()];
  }

  load(numbers: readonly number[]): void {
    const [oldOffset, blockEnd, packed, left, coded] = numbers as [number, number, number, number, number];
    const at = packed & 15;
    const digits = packed >>> 4;
    const working = at === AT_INSERT || at === AT_COPY || at === AT_FILL || at === AT_SEEK;
    const placed = at <= AT_FILL && digits <= 4 && oldOffset <= this.#oldBytes;
    const begun = working === left > 0 && (at === AT_LENGTH || coded > 0);
    const bounded = coded < BLOCK_BYTES_MAX && left <= blockEnd - this.#pages.offset;
    const there = at !== AT_COPY || left <= this.#oldBytes - oldOffset;
    demand(placed && begun && bounded && there, 'BAD_STATE', 'dumped commands');
    const { units, recent } = this.#coding;
    recent.load(numbers.slice(5, 7));
    this.oldOffset = oldOffset;
    this.blockEnd = blockEnd;
    this.#at = at;
    this.#digits = digits;
    this.#left = left;
    this.#coded = coded;
    this.#predictor.load(numbers.slice(7, 10));
    this.#decoder.load(numbers.slice(10, 14), at > AT_START);
    units.load(numbers.slice(14));
  }
}
