/** A decoder of containers written from docs/FORMAT-DELTA.md: it trusts its input and refuses next to nothing. */
import { type Asked, type Coder, LiteByPage, Range, type Trace } from './page-coders.ts';
import { type Decision, decisions, type Letters } from './page-formulas.ts';
import { MixingByPage } from './page-mixing.ts';
import { Cursor, Model, Prediction, type Unit, unfold } from './page-prediction.ts';

interface Header {
  full: boolean;
  inPlace: boolean;
  backward: boolean;
  predictor: number;
  coder: number;
  w: number;
  l: number;
  interval: number;
  entries: number;
  newBytes: number;
}

export function decodeByPage(container: Uint8Array, old: Uint8Array, trace?: Trace): Uint8Array {
  const cursor = new Cursor(container, 12);
  const [, flags, , predictor, coder, w, l, , c] = container.subarray(3) as unknown as number[];
  const [, modelBytes, runs, entries, newBytes] = Array.from({ length: 5 }, () => cursor.number()) as number[];
  const isFull = (flags! & 1) === 1;
  const place = { backward: (flags! & 2) === 2, inPlace: (flags! & 4) === 4 };
  const oldBytes = isFull ? 0 : cursor.number();
  cursor.at += isFull ? 8 : 16;
  const after = cursor.at + modelBytes!;
  const model = new Model(predictor === 0 ? undefined : cursor, runs!, oldBytes, newBytes!);
  if (predictor !== 0 && cursor.at !== after) throw new Error('the model section has another length');
  const interval = c === 0 ? newBytes! : 2 ** c!;
  const header = { full: isFull, ...place, predictor, coder, w, l, interval, entries, newBytes } as Header;
  const image = isFull ? new Uint8Array() : old.slice();
  const prediction = new Prediction(model, header.predictor, image, header.entries);
  const body = new Body(header, image, prediction, trace);
  const blocks = newBytes === 0 ? 0 : Math.ceil(newBytes! / interval);
  for (let k = 0; k < blocks; k++) body.block(cursor, place.backward ? blocks - 1 - k : k);
  if (cursor.at !== container.length) throw new Error('bytes behind the last block');
  return body.out.image;
}

class Body {
  readonly out: Output;
  readonly #header: Header;
  readonly #old: Uint8Array;
  readonly #prediction: Prediction;
  readonly #trace: Trace | undefined;
  #offset = 0;
  /** Old place less new place of the first copy of a block. */
  #m: number | undefined;

  constructor(header: Header, old: Uint8Array, prediction: Prediction, trace: Trace | undefined) {
    this.out = new Output(header.newBytes);
    this.#header = header;
    this.#old = old;
    this.#prediction = prediction;
    this.#trace = trace;
  }

  block(cursor: Cursor, i: number): void {
    this.#prediction.block();
    const { newBytes, interval, coder, backward, inPlace } = this.#header;
    const b = i * interval;
    const end = Math.min(newBytes, b + interval);
    this.out.length = b;
    if (inPlace && backward) this.#gone(b + interval, this.#old.length);
    else if (inPlace) this.#gone(0, b);
    if (backward) this.#offset = Math.max(0, Math.min(b + (this.#m ?? 0), this.#old.length));
    this.#m = undefined;
    if (coder >= 2) {
      this.#ranged(cursor, end);
      return;
    }
    const plain = coder === 0 ? () => cursor.bytes[cursor.at++]! : heatshrink(cursor, this.#header);
    while (this.out.length < end) this.#command(plain);
  }

  /** What is gone can be forgotten: it never comes back. */
  #gone(from: number, to: number): void {
    this.#old.fill(0, from, to);
    this.#prediction.gone(from, to);
  }

  #copy(n: number): void {
    this.#m ??= this.#offset - this.out.length;
    this.#prediction.copy(this.#offset, this.out.length, n);
  }

  #command(plain: () => number): void {
    const number = numberFrom(plain);
    const n = Math.floor(number / 4);
    if (number % 4 === 2) for (let i = 0; i < n; i++) this.out.push(plain());
    else if (number % 4 === 3) this.out.push(...new Array<number>(n).fill(plain()));
    else this.#patched(plain, n, number % 4 === 0 ? unfold(numberFrom(plain)) : 0);
  }

  #patched(plain: () => number, n: number, seek: number): void {
    this.#offset += seek;
    this.#copy(n);
    const end = this.out.length + n;
    let unit: Unit | undefined;
    let bytes: number[] = [];
    const put = (difference: number): void => {
      if (unit === undefined) unit = this.#prediction.look(this.#offset, this.out.length, end - this.out.length);
      const byte = (unit.G[bytes.length]! + difference) & 0xff;
      this.out.push(byte);
      bytes.push(byte);
      this.#offset++;
      if (bytes.length < unit.size) return;
      this.#prediction.learn(Uint8Array.from(bytes));
      unit = undefined;
      bytes = [];
    };
    while (this.out.length < end) {
      const token = plain();
      const gap = token >> 2 === 63 ? 63 + numberFrom(plain) : token >> 2;
      for (let i = 0; i < gap; i++) put(0);
      for (let i = 0; i <= (token & 3) && this.out.length < end; i++) put(plain());
    }
  }

  #ranged(cursor: Cursor, end: number): void {
    const length = cursor.number();
    const range = new Range(cursor.bytes.subarray(cursor.at, cursor.at + length));
    cursor.at += length;
    const { coder, w, l } = this.#header;
    const ask = coder === 2 ? new LiteByPage() : new MixingByPage(w);
    const block = new Block(range, ask, { w, l }, this.#trace);
    if (coder === 3 && l > 0) block.learn(this.#old, this.#offset);
    const pass = (count: number): void => {
      this.#offset = Math.min(this.#offset + count, this.#old.length);
    };
    const put = (byte: number): void => {
      this.out.push(byte);
      block.recent(byte);
    };
    while (this.out.length < end) {
      const inserted = block.number(0);
      for (let i = 0; i < inserted; i++) {
        const byte = block.literal(this.out.length);
        put(byte);
        pass(1);
      }
      if (this.out.length === end) break;
      if (block.ask('kind of command', {}) === 1) {
        const count = block.number(3) + 1;
        const byte = block.literal(this.out.length);
        for (let i = 0; i < 6; i++) block.recent(byte);
        for (let i = 0; i < count; i++) this.out.push(byte);
        pass(count);
        continue;
      }
      const count = block.number(1) + 1;
      this.#offset += unfold(block.number(2));
      this.#copy(count);
      for (let left = count; left > 0; ) {
        const unit = this.#prediction.look(this.#offset, this.out.length, left);
        const bytes = block.unit(unit, this.#prediction);
        this.#prediction.learn(bytes);
        for (const byte of bytes) put(byte);
        this.#offset += unit.size;
        left -= unit.size;
      }
    }
    if (!range.used) throw new Error('coded bytes that were not used');
  }
}

/** The image, and the place in it of the next byte. */
class Output {
  readonly image: Uint8Array;
  length = 0;

  constructor(bytes: number) {
    this.image = new Uint8Array(bytes);
  }

  push(...bytes: number[]): void {
    this.image.set(bytes, this.length);
    this.length += bytes.length;
  }
}

const DECISIONS = decisions();

/** What is remembered within a block, by the page's letters. */
class Block {
  readonly #range: Range;
  readonly #coder: Coder;
  readonly #shape: { w: number; l: number };
  readonly #trace: Trace | undefined;
  /** a to f. */
  last = [0, 0, 0, 0, 0, 0];
  #H = 0;
  #Q = 0;
  readonly #L = new Array<number>(8).fill(0);
  readonly #R = new Uint8Array(8);

  constructor(range: Range, coder: Coder, shape: { w: number; l: number }, trace?: Trace) {
    this.#range = range;
    this.#coder = coder;
    this.#shape = shape;
    this.#trace = trace;
  }

  recent(byte: number): void {
    this.last = [byte, ...this.last.slice(0, 5)];
  }

  ask(name: string, letters: Letters): number {
    const decision = DECISIONS.get(name) as Decision;
    return this.#decide(name, letters, this.#coder.ask(decision, { ...letters, w: this.#shape.w }));
  }

  #decide(name: string, letters: Letters, { chance, where, learn }: Asked): number {
    const bit = this.#range.bit(chance);
    learn(bit);
    this.#trace?.({ name, letters, where, chance, bit, range: this.#range.range, code: this.#range.code });
    return bit;
  }

  number(f: number): number {
    let k = 0;
    while (k < 31 && this.ask('number, i below k', { f, i: k }) === 1) k++;
    let y = 1;
    for (let i = k - 1; i >= 0; i--) {
      const j = i === k - 1 ? 0 : i === k - 2 ? 1 + (y % 2) : 3;
      y = 2 * y + this.ask('number, bit i', { f, k, i, j });
    }
    return y - 1;
  }

  /** The old image tells its literals first. */
  learn(old: Uint8Array, offset: number): void {
    const coder = this.#coder as MixingByPage;
    const u = Math.min(2 ** this.#shape.l, old.length);
    const s = Math.max(0, Math.min(offset - Math.floor(u / 2), old.length - u));
    for (let at = s; at < s + u; at++) {
      coder.literal(this.last, at % 4, ({ learn }, i) => {
        const bit = (old[at]! >> i) & 1;
        learn(bit);
        return bit;
      });
      this.recent(old[at]!);
    }
    this.last = [0, 0, 0, 0, 0, 0];
  }

  literal(offset: number): number {
    const z = offset % 4;
    if (this.#coder instanceof MixingByPage) {
      return this.#coder.literal(this.last, z, (asked, i) => this.#decide('literal, bit i', { i }, asked));
    }
    let node = 1;
    for (let i = 7; i >= 0; i--) node = 2 * node + this.ask('literal, bit i', { a: this.last[0]!, node, i, z });
    return node - 256;
  }

  unit(unit: Unit, prediction: Prediction): Uint8Array {
    const { O, G, size: s, kind: K } = unit;
    const four = O.subarray(0, 4).reduceRight((all, byte) => all * 256 + byte, 0);
    const E = s >= 3 ? four : Math.imul(four + s, 0x10001);
    const M = unit.moved ? 1 : 0;
    const same = this.ask('same', { K, M, O, E, H: this.#H, Q: this.#Q });
    this.#H = (2 * this.#H + 1 - same) % 65536;
    this.#Q = same === 1 ? Math.min(this.#Q + 1, 255) : 0;
    if (same === 1) return G;
    const letters = { K, M, O, E, s, G, H: this.#H, Q: this.#Q };
    if (M === 1 && this.ask('old', letters) === 1) return O;
    if (K !== 0 && this.ask('form', letters) === 1) {
      prediction.put((unit.target + this.#shift(letters)) >>> 0);
      return G;
    }
    return this.#different(letters, s, G);
  }

  #shift(letters: Letters): number {
    const L = this.#L;
    let i = 0;
    while (i < 8 && this.ask('list, i', { ...letters, i }) === 0) i++;
    const shift = i < 8 ? L[i]! : (L[0]! + unfold(this.number(4))) | 0;
    L.splice(Math.min(i, 7), 1);
    L.unshift(shift);
    return shift;
  }

  #different(letters: Letters & { O: Uint8Array }, s: number, G: Uint8Array): Uint8Array {
    let x = 0;
    for (let i = 0; i < s; i++) {
      const asked = i < s - 1 || x > 0;
      x += (asked ? this.ask('mask, i', { ...letters, i, x }) : 1) * 2 ** i;
    }
    const N = G.slice();
    const { l } = this.#shape;
    for (let i = 0; i < s; i++) {
      if ((x >> i) % 2 === 0) continue;
      const u = i === 0 ? this.last[0]! : N[i - 1]!;
      const q = i === 0 ? (s === 1 ? 0 : letters.O[1]!) : G[i - 1]!;
      const y = l === 4 ? i % 4 : s === 1 ? 0 : s === 2 ? 1 + i : s === 3 ? 3 + i : 6 + (i % 4);
      let node = 1;
      for (let n = 7; n >= 0; n--) {
        const v = 65536 * (8 * s + i) + 256 * node;
        node = 2 * node + this.ask('residual, byte i, bit n', { ...letters, i, n, node, v, u, q, y, R: this.#R });
      }
      this.#R[i] = node - 256;
      N[i] = G[i]! + node - 256;
    }
    return N;
  }
}

function numberFrom(plain: () => number): number {
  let value = 0;
  for (let place = 1; ; place *= 128) {
    const byte = plain();
    value += (byte % 128) * place;
    if (byte < 128) return value;
  }
}

/** Plain bytes of one block; the bits behind its last token are passed over with the byte they are in. */
function heatshrink(cursor: Cursor, { w, l }: Header): () => number {
  const window: number[] = new Array<number>(2 ** w).fill(0);
  const waiting: number[] = [];
  let bits = 0;
  let count = 0;
  const take = (need: number): number => {
    let value = 0;
    for (let i = 0; i < need; i++) {
      if (count === 0) {
        bits = cursor.bytes[cursor.at++]!;
        count = 8;
      }
      value = 2 * value + ((bits >> --count) & 1);
    }
    return value;
  };
  const emit = (byte: number): void => {
    window.push(byte);
    waiting.push(byte);
  };
  return () => {
    if (waiting.length > 0) return waiting.shift()!;
    if (take(1) === 1) emit(take(8));
    else {
      const d = take(w);
      for (let m = take(l); m >= 0; m--) emit(window[window.length - 1 - d]!);
    }
    return waiting.shift()!;
  };
}
