/** Tries that alone take seconds: the long suite makes them, the quick one all others. */
import type { Attack } from '@countersign/simulator/attacks/attack';

/** By row: what each does to hundreds of messages, on fresh devices again and again. */
const LONG: ReadonlyMap<number, readonly string[]> = new Map([
  [
    24,
    [
      'exchanges every value in a trust root, and signs it with the root keys',
      'exchanges every value in the manifest, one at a time, and signs what can be signed',
      'exchanges every value in a plan of a rollout, and signs it',
      'exchanges every value in a report, and signs it',
    ],
  ],
]);

export const ROWS_WITH_LONG_TRIES = [...LONG.keys()];

/** @throws TypeError where a try is named that the row does not have: it would be tried by neither suite */
export function splitTries(attack: Attack): { quick: Attack; long: Attack } {
  const named = LONG.get(attack.id) ?? [];
  for (const how of named) {
    if (!attack.variants.some((variant) => variant.how === how)) throw new TypeError(`row ${attack.id}: ${how}`);
  }
  const part = (long: boolean): Attack => ({
    ...attack,
    variants: attack.variants.filter(({ how }) => named.includes(how) === long),
  });
  return { quick: part(false), long: part(true) };
}
