/** From an alignment to the commands of a container, cut into sections at every checkpoint. */
import type { Copy } from './align.ts';

/** The commands as docs/FORMAT.md numbers them. */
const COPY_FROM = 0;
const COPY_ON = 1;
const INSERT = 2;
const FILL = 3;
const GAP_ESCAPE = 63;
const PATCHES_MAX = 4;
/** A fill costs about four bytes and interrupts the literal around it; a coded run of this length costs more. */
const FILL_BYTES_MIN = 48;

export interface CommandOptions {
  /** Sections of this many bytes of output; 0 for one section. */
  sectionBytes: number;
  /** Differences that stand closer than this share one run of patches: another token costs a byte. */
  joinBytes: number;
}

/** What the commands are spent on, in bytes before coding. */
export interface Spent {
  copies: number;
  inserts: number;
  commandBytes: number;
  patchBytes: number;
  insertBytes: number;
}

/** @returns the raw bytes of each section */
export function writeCommands(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: readonly Copy[],
  options: CommandOptions,
): { sections: Uint8Array[]; spent: Spent } {
  const writer = new CommandWriter(old, fresh, options);
  let at = 0;
  for (const copy of copies) {
    writer.insert(at, copy.newStart);
    writer.copy(copy);
    at = copy.newStart + copy.length;
  }
  writer.insert(at, fresh.length);
  return { sections: writer.finish(), spent: writer.spent };
}

class CommandWriter {
  readonly spent: Spent = { copies: 0, inserts: 0, commandBytes: 0, patchBytes: 0, insertBytes: 0 };
  readonly #old: Uint8Array;
  readonly #fresh: Uint8Array;
  readonly #options: CommandOptions;
  readonly #sections: Uint8Array[] = [];
  #bytes: number[] = [];
  #output = 0;
  #oldAt = 0;

  constructor(old: Uint8Array, fresh: Uint8Array, options: CommandOptions) {
    this.#old = old;
    this.#fresh = fresh;
    this.#options = options;
  }

  insert(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const length = Math.min(to - at, this.#room());
      this.#insertPart(at, length);
      at += length;
      this.#advance(length);
    }
  }

  /** Long runs of one byte (padding, cleared tables) are one fill; what stands between them is inserted. */
  #insertPart(from: number, length: number): void {
    const end = from + length;
    let start = from;
    for (let at = from; at < end; ) {
      let run = 1;
      while (at + run < end && this.#fresh[at + run] === this.#fresh[at]) run++;
      if (run >= FILL_BYTES_MIN) {
        this.#literal(start, at);
        this.#number(4 * run + FILL);
        this.#bytes.push(this.#fresh[at]!);
        this.spent.inserts++;
        start = at + run;
      }
      at += run;
    }
    this.#literal(start, end);
  }

  #literal(from: number, to: number): void {
    if (from === to) return;
    this.#number(4 * (to - from) + INSERT);
    for (let i = from; i < to; i++) this.#bytes.push(this.#fresh[i]!);
    this.spent.inserts++;
    this.spent.insertBytes += to - from;
  }

  copy(copy: Copy): void {
    for (let done = 0; done < copy.length; ) {
      const length = Math.min(copy.length - done, this.#room());
      this.#copyPart(copy.newStart + done, copy.oldStart + done, length);
      done += length;
      this.#advance(length);
    }
  }

  #copyPart(newStart: number, oldStart: number, length: number): void {
    const distance = oldStart - this.#oldAt;
    this.#number(4 * length + (distance === 0 ? COPY_ON : COPY_FROM));
    if (distance !== 0) this.#number(distance > 0 ? 2 * distance : -2 * distance - 1);
    this.#oldAt = oldStart + length;
    this.spent.copies++;
    const differs = (i: number) => this.#fresh[newStart + i] !== this.#old[oldStart + i];
    for (let at = 0; at < length; ) {
      let gap = 0;
      while (at + gap < length && !differs(at + gap)) gap++;
      at += gap;
      const patches = at === length ? 1 : this.#patchRun(differs, at, length);
      this.#token(gap, patches);
      if (at === length) break;
      for (let i = at; i < at + patches; i++)
        this.#bytes.push((this.#fresh[newStart + i]! - this.#old[oldStart + i]!) & 0xff);
      this.spent.patchBytes += patches;
      at += patches;
    }
  }

  /** One byte: 6 bits of gap, 2 bits of patches less one; a long gap follows as a number. */
  #token(gap: number, patches: number): void {
    this.#bytes.push((Math.min(gap, GAP_ESCAPE) << 2) | (patches - 1));
    this.spent.commandBytes++;
    if (gap >= GAP_ESCAPE) this.#number(gap - GAP_ESCAPE);
  }

  /** A run of up to 4 patches goes on over short stretches that agree, and ends with a difference. */
  #patchRun(differs: (i: number) => boolean, from: number, length: number): number {
    let end = from + 1;
    const most = Math.min(length, from + PATCHES_MAX);
    for (let i = end; i < most && i - end < this.#options.joinBytes; i++) if (differs(i)) end = i + 1;
    return end - from;
  }

  #room(): number {
    const { sectionBytes } = this.#options;
    return sectionBytes === 0 ? this.#fresh.length - this.#output : sectionBytes - (this.#output % sectionBytes);
  }

  #advance(length: number): void {
    this.#output += length;
    const { sectionBytes } = this.#options;
    if (sectionBytes > 0 && this.#output % sectionBytes === 0) this.#endSection();
  }

  #endSection(): void {
    this.#sections.push(Uint8Array.from(this.#bytes));
    this.#bytes = [];
  }

  #number(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
      this.spent.commandBytes++;
    }
    this.#bytes.push(rest);
    this.spent.commandBytes++;
  }

  finish(): Uint8Array[] {
    if (this.#bytes.length > 0) this.#endSection();
    return this.#sections;
  }
}
