/** The quick suite makes the first tries of every row, the long suite all others and those that alone take seconds. */
import { fileURLToPath } from 'node:url';
import type { Attack } from '@countersign/simulator/attacks/attack';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { StdioPort } from '@countersign/simulator/attacks/port/stdio';
import { runAttack } from '@countersign/simulator/attacks/run';
import type { ExecutionContext } from 'ava';

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
const QUICK_TRIES = 2;

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

/** The SDK in a process of its own, behind JSON lines. */
export function sdkBehindLines(): StdioPort {
  const program = fileURLToPath(new URL('../../../simulator/bin/sdk-under-attack.js', import.meta.url));
  return new StdioPort(`${JSON.stringify(process.execPath)} ${JSON.stringify(program)}`);
}

/** It withstands there and here, with the same codes. */
export async function sameBehindLines(t: ExecutionContext, port: StdioPort, attack: Attack): Promise<void> {
  const { outcome, failed, codes } = await runAttack(attack, port);
  t.deepEqual(failed, [], `row ${attack.id}`);
  const here = await runAttack(attack, new SdkPort());
  t.deepEqual([outcome, codes], [here.outcome, here.codes], `row ${attack.id}`);
}
