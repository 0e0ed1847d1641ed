import { demand } from '../errors.ts';
import type { Copier } from './copier.ts';
import type { OldBytes, OldImage } from './old-bytes.ts';
import type { Pages } from './pages.ts';

/** The four commands: the two low bits of a command's number; the rest is its length. */
export const COPY_FROM = 0; // a seek follows
export const COPY_ON = 1; // continues where the last copy ended
export const INSERT = 2;
export const FILL = 3;

/** Patch token: the upper 6 bits say how many old bytes stay as they are, the lower 2 how many are patched after them. */
export const GAP_ESCAPE = 63;

const AT_COMMAND = 0;
const AT_SEEK = 1;
const AT_TOKEN = 2;
const AT_GAP = 3;
const AT_PATCH = 4;
const AT_INSERT = 5;
const AT_FILL = 6;

/** Numbers that a copier saves: a dump has them with or without one. */
const COPIER_NUMBERS = 11;

/** What a plain byte was spent on, for `delta info`. */
export type Spending = 'commands' | 'patches' | 'inserts';

/** Executes plain command bytes, one at a time, within the block that ends at `blockEnd`. */
export class Commands {
  /** Old image offset at which the next copy starts without a seek. */
  oldOffset = 0;
  /** Output offset at which the current block ends; no command crosses it. */
  blockEnd = 0;
  #at = AT_COMMAND;
  #kind = 0;
  /** Bytes the current command has still to produce. */
  #left = 0;
  /** Patch bytes still to come for the current token. */
  #patches = 0;
  #number = 0;
  #digits = 0;
  /** Commands begun, by kind: for measuring only, not part of the dumped state. */
  readonly #begun = [0, 0, 0, 0];
  readonly #old: OldImage;
  readonly #oldByte: OldBytes;
  readonly #pages: Pages;
  readonly #oldBytes: number;
  readonly #full: boolean;
  readonly #copier: Copier | undefined;

  /** Without a copier copies go from image to page at once. */
  constructor(
    old: { image: OldImage; bytes: OldBytes },
    pages: Pages,
    sizes: { oldBytes: number; kind: 'delta' | 'full' },
    copier?: Copier,
  ) {
    this.#old = old.image;
    this.#oldByte = old.bytes;
    this.#copier = copier;
    this.#pages = pages;
    this.#oldBytes = sizes.oldBytes;
    this.#full = sizes.kind === 'full';
  }

  /** What the next plain byte will be. */
  get spending(): Spending {
    if (this.#at === AT_COMMAND || this.#at === AT_SEEK) return 'commands';
    return this.#at === AT_INSERT || this.#at === AT_FILL ? 'inserts' : 'patches';
  }

  counts(): { copies: number; inserts: number; fills: number } {
    const [from, on, inserts, fills] = this.#begun as [number, number, number, number];
    return { copies: from + on, inserts, fills };
  }

  /** @returns true when this byte completed the block */
  step(byte: number): boolean {
    switch (this.#at) {
      case AT_COMMAND:
        if (this.#digit(byte)) this.#command(this.#take());
        return false;
      case AT_SEEK:
        if (this.#digit(byte)) this.#seek(this.#take());
        return false;
      case AT_TOKEN:
        this.#token(byte);
        break;
      case AT_GAP:
        if (this.#digit(byte)) this.#gap(GAP_ESCAPE + this.#take());
        break;
      case AT_PATCH:
        this.#patch(byte);
        break;
      case AT_INSERT:
        this.#pages.put(byte);
        if (--this.#left === 0) this.#at = AT_COMMAND;
        break;
      default:
        this.#pages.fill(byte, this.#left);
        this.#at = AT_COMMAND;
    }
    return this.#at === AT_COMMAND && this.#pages.offset === this.blockEnd;
  }

  #command(number: number): void {
    this.#kind = number % 4;
    this.#left = Math.floor(number / 4);
    this.#begun[this.#kind]!++;
    demand(this.#left > 0, 'BAD_DELTA', 'a command of no bytes');
    demand(this.#left <= this.blockEnd - this.#pages.offset, 'BAD_DELTA', 'a command crosses the end of its block');
    demand(!this.#full || this.#kind >= INSERT, 'BAD_DELTA', 'a copy in a full image');
    if (this.#kind === COPY_ON) this.#startCopy();
    else this.#at = this.#kind === COPY_FROM ? AT_SEEK : this.#kind === INSERT ? AT_INSERT : AT_FILL;
  }

  #seek(number: number): void {
    demand(number > 0, 'BAD_DELTA', 'a seek to the same place');
    this.oldOffset += number % 2 === 0 ? number / 2 : -(number + 1) / 2;
    this.#startCopy();
  }

  #startCopy(): void {
    this.#oldByte.beginCopy(this.oldOffset, this.#left, this.#pages.offset);
    this.#copier?.begin(this.oldOffset, this.#pages.offset, this.#left);
    this.#at = AT_TOKEN;
  }

  #token(byte: number): void {
    this.#patches = (byte & 3) + 1;
    if (byte >> 2 === GAP_ESCAPE) this.#at = AT_GAP;
    else this.#gap(byte >> 2);
  }

  #gap(count: number): void {
    demand(count <= this.#left, 'BAD_DELTA', 'a gap longer than its copy');
    if (this.#copier === undefined) this.#pass(count);
    else for (let i = 0; i < count; i++) this.#put(this.#copier, 0);
    if (this.#left === 0) {
      demand(this.#patches === 1, 'BAD_DELTA', 'patches after the end of a copy');
      this.#at = AT_COMMAND;
      return;
    }
    demand(this.#patches <= this.#left, 'BAD_DELTA', 'patches longer than their copy');
    this.#at = AT_PATCH;
  }

  #pass(count: number): void {
    this.#pages.copy(this.#old, this.oldOffset, count);
    this.oldOffset += count;
    this.#left -= count;
  }

  /** One byte of a copy: what it ought to be, and a difference. */
  #put(copier: Copier, difference: number): void {
    const byte = (copier.guess(this.oldOffset, this.#pages.offset, this.#left) + difference) & 0xff;
    copier.take(byte);
    this.#pages.put(byte);
    this.oldOffset++;
    this.#left--;
  }

  #patch(byte: number): void {
    if (this.#copier === undefined) {
      this.#pages.put((this.#oldByte.byte(this.oldOffset) + byte) & 0xff);
      this.oldOffset++;
      this.#left--;
    } else this.#put(this.#copier, byte);
    if (this.#left === 0) this.#at = AT_COMMAND;
    else if (--this.#patches === 0) this.#at = AT_TOKEN;
  }

  /** Collects canonical LEB128 below 2^32. @returns true when the number is complete */
  #digit(byte: number): boolean {
    demand(this.#digits < 4 || byte < 16, 'BAD_DELTA', 'number over 32 bits');
    demand(byte !== 0 || this.#digits === 0, 'BAD_DELTA', 'number not in its shortest form');
    this.#number += (byte & 0x7f) * 2 ** (7 * this.#digits);
    this.#digits++;
    return byte < 0x80;
  }

  #take(): number {
    const number = this.#number;
    this.#number = 0;
    this.#digits = 0;
    return number;
  }

  /** With the page, this object's whole state: eight numbers, and the copier's. */
  save(): number[] {
    const { oldOffset, blockEnd } = this;
    const own = [oldOffset, blockEnd, this.#at, this.#kind, this.#left, this.#patches, this.#number, this.#digits];
    return [...own, ...(this.#copier?.save() ?? new Array<number>(COPIER_NUMBERS).fill(0))];
  }

  load(numbers: readonly number[]): void {
    const [oldOffset, blockEnd, at, kind, left, patches, number, digits] = numbers as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const copying = at === AT_TOKEN || at === AT_GAP || at === AT_PATCH;
    const placed = oldOffset <= this.#oldBytes && at <= AT_FILL && kind <= FILL && digits <= 4;
    const bounded = patches <= 4 && left <= blockEnd - this.#pages.offset;
    const there = !copying || left <= this.#oldBytes - oldOffset;
    const begun = (at === AT_COMMAND || left > 0) && (at !== AT_PATCH || patches > 0);
    demand(placed && bounded && there && begun, 'BAD_STATE', 'dumped commands');
    this.#copier?.load(numbers.slice(8));
    this.oldOffset = oldOffset;
    this.blockEnd = blockEnd;
    this.#at = at;
    this.#kind = kind;
    this.#left = left;
    this.#patches = patches;
    this.#number = number;
    this.#digits = digits;
  }
}
