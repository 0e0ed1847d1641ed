/**
 * Logistic mixing in integers, after Mahoney's lpaq: each context has a probability, each probability goes to the
 * domain ln(p / (1 - p)), a small set of weights adds them up, and both learn from the bit that comes.
 */

/** 4096 / (1 + e^-x), x in 1/256, at -2047, -1919 … 2047 in steps of 128. */
const SQUASH = [
  1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549, 2994, 3348, 3607, 3785, 3901, 3975,
  4024, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094,
];

/** From the logistic domain (-2047 to 2047) to a probability of 12 bits. */
export function squash(x: number): number {
  if (x > 2047) return 4095;
  if (x < -2047) return 1;
  const weight = x & 127;
  const i = (x >> 7) + 16;
  return (SQUASH[i]! * (128 - weight) + SQUASH[i + 1]! * weight + 64) >> 7;
}

/** The inverse of {@link squash} as a table: 8 KB that never change. */
export const STRETCH = stretchTable();

function stretchTable(): Int16Array {
  const table = new Int16Array(4096);
  let from = 0;
  for (let x = -2047; x <= 2047; x++) {
    const p = squash(x);
    for (; from <= p; from++) table[from] = x;
  }
  table.fill(2047, from);
  return table;
}
