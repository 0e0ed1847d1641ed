/** One bit in or out, 1 with a probability of `chance` / 65536. Decoders ignore `bit` and return what they read. */
export interface BitCoder {
  code(chance: number, bit: number): number;
}

/** Most contexts one decision can have. */
export const CONTEXTS_MAX = 6;

/** Adaptive probabilities for all decisions of a container, in memory that the caller gives. */
export interface Chances {
  /** Contexts of the next decision, for coders that mix: numbers of 32 bits, hashed. */
  readonly contexts: Int32Array;
  /** All as at the start of a block. */
  reset(): void;
  /**
   * @param set which of the decisions of {@link SETS} this is
   * @param state number of its state for coders that do not mix; -1 for a bit not worth one
   * @param count contexts in use
   */
  decide(bit: number, set: number, state: number, count: number): number;
}
