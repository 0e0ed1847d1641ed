/** The quick suite makes the first tries of every row, the long suite all others and those that alone take seconds. */
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

/** Tries of one row in the quick suite, spread over the row. The long suite makes the others. */
const QUICK_TRIES = 5;

export function rowsWithLongTries(attacks: readonly Attack[]): Attack[] {
  return attacks.filter((attack) => splitTries(attack).long.variants.length > 0);
}

/** @throws TypeError where a try is named that the row does not have: it would be tried by neither suite */
export function splitTries(attack: Attack): { quick: Attack; long: Attack } {
  const named = LONG.get(attack.id) ?? [];
  for (const how of named) {
    if (!attack.variants.some((variant) => variant.how === how)) throw new TypeError(`row ${attack.id}: ${how}`);
  }
  const short = attack.variants.filter(({ how }) => !named.includes(how));
  const step = Math.max(1, short.length / QUICK_TRIES);
  const chosen = new Set(
    Array.from({ length: Math.min(short.length, QUICK_TRIES) }, (_, i) => short[Math.floor(i * step)]),
  );
  const part = (quick: boolean): Attack => ({
    ...attack,
    variants: attack.variants.filter((variant) => chosen.has(variant) === quick),
  });
  return { quick: part(true), long: part(false) };
}
