/** Mixing by docs/FORMAT-DELTA.md, independent of the product's code. */
import { type Asked, type Coder, learned, squash, stretch } from './page-coders.ts';
import type { Decision, Letters } from './page-formulas.ts';

/** The page's table of sizes. */
const SIZES = [
  { units: 11, literals: 13, followers: 8, placeSets: 32 },
  { units: 16, literals: 17, followers: 13, placeSets: 1024 },
] as const;

/** Chances and visits by place, and the eight bits that tell contexts apart. */
class Table {
  readonly #P: Uint16Array;
  readonly #n: Uint8Array;
  readonly #k: Uint8Array;
  readonly #most: number;

  constructor(states: number, most: number) {
    this.#P = new Uint16Array(states).fill(0x8000);
    this.#n = new Uint8Array(states);
    this.#k = new Uint8Array(states);
    this.#most = most;
  }

  find(h: number): number {
    const first = (h >>> 0) % this.#k.length;
    const other = first ^ 1;
    const k = Math.floor((h >>> 0) / 2 ** 24);
    if (this.#k[first] === k) return first;
    if (this.#k[other] === k) return other;
    const place = this.#n[other]! < this.#n[first]! ? other : first;
    this.#P[place] = 0x8000;
    this.#n[place] = 0;
    this.#k[place] = k;
    return place;
  }

  /** As it is now: a later context may take the place. */
  input(place: number): number {
    return stretch[this.#P[place]! >> 4]!;
  }

  learn(place: number, bit: number): void {
    this.#P[place] = learned(this.#P[place]!, bit, 65535, this.#n[place]!);
    this.#n[place] = Math.min(this.#n[place]! + 1, this.#most);
  }
}

class Sets {
  readonly #sets: number[][];

  constructor(count: number, weights: number, first: number) {
    this.#sets = Array.from({ length: count }, () => new Array<number>(weights).fill(first));
  }

  sum(set: number, inputs: readonly number[]): number {
    const weights = this.#sets[set]!;
    let sum = 256 * weights.at(-1)!;
    for (let i = 0; i < inputs.length; i++) sum += inputs[i]! * weights[i]!;
    return Math.max(-2047, Math.min(2047, Math.floor(sum / 65536)));
  }

  learn(set: number, inputs: readonly number[], x: number, bit: number): void {
    const weights = this.#sets[set]!;
    const error = 10 * (4096 * bit - squash(x));
    const move = (i: number, input: number): void => {
      const weight = weights[i]! + Math.floor((input * error + 8192) / 16384);
      weights[i] = Math.max(-0x800000, Math.min(0x7fffff, weight));
    };
    for (let i = 0; i < inputs.length; i++) move(i, inputs[i]!);
    move(weights.length - 1, 256);
  }
}

export function spread(x: number): number {
  let h = Math.imul(x, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
}

export class MixingByPage implements Coder {
  readonly #units: Table;
  readonly #sets = new Sets(123, 7, 20_000);
  readonly #literals: LiteralsByPage;

  constructor(w: number) {
    this.#units = new Table(2 ** SIZES[w]!.units, 30);
    this.#literals = new LiteralsByPage(w);
  }

  ask(decision: Decision, letters: Letters): Asked {
    const set = decision.set(letters);
    const inputs: number[] = [];
    const found = decision.contexts.map((context, i) => {
      const place = this.#units.find(spread(context(letters) + Math.imul(i, 0x3d4d51cb)));
      inputs.push(this.#units.input(place));
      return place;
    });
    const x = this.#sets.sum(set, inputs);
    const learn = (bit: number): void => {
      this.#sets.learn(set, inputs, x, bit);
      for (const place of found) this.#units.learn(place, bit);
    };
    const places = found.map((place) => place.toString(16));
    return { chance: 16 * squash(x) + 8, where: `${set}: ${places.join(' ')}`, learn };
  }

  literal(last: readonly number[], z: number, bit: (asked: Asked, i: number) => number): number {
    return this.#literals.code(last, z, bit);
  }
}

interface Expected {
  byte: number;
  m: number;
}

class LiteralsByPage {
  readonly #table: Table;
  readonly #followers: readonly Uint32Array[];
  readonly #followerBits: number;
  readonly #runStates = new Table(256, 127);
  readonly #runSets = new Sets(40, 13, 14_000);
  readonly #placeSets: Sets;
  readonly #fine: boolean;

  constructor(w: number) {
    const { literals, followers, placeSets } = SIZES[w]!;
    this.#table = new Table(2 ** literals, 30);
    this.#followerBits = followers;
    this.#followers = [0, 1, 2, 3].map(() => new Uint32Array(2 ** followers));
    this.#placeSets = new Sets(placeSets, 13, 14_000);
    this.#fine = w === 1;
  }

  code(last: readonly number[], z: number, ask: (asked: Asked, i: number) => number): number {
    const [a, b, c, d, e, f] = last as [number, number, number, number, number, number];
    const contexts = [0, a, a + 256 * b, a + 256 * b + 65536 * c, 4 * d + z, b + 256 * c, 4 * b + z, 4 * a + z];
    const v = contexts.map((x, i) => spread(x + Math.imul(i + 1, 0x3d4d51cb)));
    const four = (d << 24) | (c << 16) | (b << 8) | a;
    const keys = [
      spread(((b << 8) | a) ^ 0x3000000),
      spread(((c << 16) | (b << 8) | a) ^ 0x4000000),
      spread(four ^ 0x5550000),
      spread(Math.imul(four, 0x2c9277b5) ^ Math.imul(((f << 8) | e) + 1, 0x846ca68b)),
    ];
    const expected = keys.map((key, i) => this.#expected(i, key));
    let node = 1;
    for (let i = 7; i >= 0; i--) node = 2 * node + this.#bit(v, expected, node, i, z, ask);
    for (const [i, key] of keys.entries()) this.#follow(i, key, expected[i], node - 256);
    return node - 256;
  }

  #slot(key: number): number {
    return Math.floor((key >>> 0) / 2 ** (32 - this.#followerBits));
  }

  #expected(i: number, key: number): Expected | undefined {
    const word = this.#followers[i]![this.#slot(key)]!;
    const m = word % 256;
    if (Math.floor(word / 65536) !== (key & 0xffff) || m === 0) return undefined;
    return { byte: Math.floor(word / 256) % 256, m };
  }

  #follow(i: number, key: number, known: Expected | undefined, N: number): void {
    let next = { byte: N, m: 1 };
    if (known?.byte === N) next = { byte: N, m: Math.min(known.m + 1, 255) };
    else if (known !== undefined && known.m > 2) next = { byte: known.byte, m: known.m >> 1 };
    this.#followers[i]![this.#slot(key)] = (key & 0xffff) * 65536 + next.byte * 256 + next.m;
  }

  #bit(
    v: readonly number[],
    expected: readonly (Expected | undefined)[],
    node: number,
    bit: number,
    z: number,
    ask: (asked: Asked, i: number) => number,
  ): number {
    const inputs: number[] = [];
    const found = v.map((x) => {
      const place = this.#table.find(spread(x + Math.imul(node, 0x2545f491)));
      inputs.push(this.#table.input(place));
      return place;
    });
    const runs = expected.map((known, i) => runState(i, known, node, bit));
    for (const at of runs) inputs.push(at === undefined ? 0 : this.#runStates.input(at));
    const g = runs.findLastIndex((at) => at !== undefined) + 1;
    const run = 8 * g + bit;
    const place = this.#fine ? 256 * z + node : 8 * z + bit;
    const x = this.#runSets.sum(run, inputs);
    const y = this.#placeSets.sum(place, inputs);
    const learn = (bit: number): void => {
      this.#runSets.learn(run, inputs, x, bit);
      this.#placeSets.learn(place, inputs, y, bit);
      for (const at of found) this.#table.learn(at, bit);
      for (const at of runs) if (at !== undefined) this.#runStates.learn(at, bit);
    };
    return ask({ chance: 16 * squash((x + y) >> 1) + 8, where: `${run} ${place}`, learn }, bit);
  }
}

/** The run state that gives an input, if the table expects this bit at all. */
function runState(i: number, known: Expected | undefined, node: number, bit: number): number | undefined {
  if (known === undefined || (known.byte + 256) >> (bit + 1) !== node) return undefined;
  return 64 * i + 2 * Math.min(known.m, 31) + ((known.byte >> bit) & 1);
}
