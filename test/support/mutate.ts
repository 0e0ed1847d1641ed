/** Seeded randomness for fuzz tests: the same seed gives the same cases. */
export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 to below `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
}

/** One to four faults: a flipped bit, another byte, a cut, a piece left out, doubled or moved, random bytes at the end. */
export function mutate(bytes: Uint8Array, chance: Chance): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (let faults = 1 + chance.below(4); faults > 0; faults--) out = fault(out, chance);
  return out;
}

function fault(bytes: Uint8Array, chance: Chance): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(chance.below(256));
  const at = chance.below(bytes.length);
  const length = 1 + chance.below(8);
  switch (chance.below(7)) {
    case 0:
      bytes[at]! ^= 1 << chance.below(8);
      return bytes;
    case 1:
      bytes[at] = [0, 1, 0x7f, 0x80, 0xff, chance.below(256)][chance.below(6)]!;
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
    case 4:
      return Uint8Array.from([...bytes.subarray(0, at + length), ...bytes.subarray(at)]);
    case 5:
      bytes.copyWithin(chance.below(bytes.length), at, at + length);
      return bytes;
    default:
      return Uint8Array.from([...bytes, ...Array.from({ length }, () => chance.below(256))]);
  }
}
