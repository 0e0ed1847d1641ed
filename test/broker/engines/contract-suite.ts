/**
 * The contract's rules as tables: one row for each way to be refused. A refusal changes nothing, so rows share a world.
 * One suite for every engine; `contractSuite` gives it the engine's worlds.
 */
import test from 'ava';
import { DEVICE_RULES } from './device-rules.ts';
import type { Engine } from './engine.ts';
import { GRANT_RULES } from './grant-rules.ts';
import { PASSPORT_RULES } from './passport-rules.ts';
import { PEOPLE_RULES } from './people-rules.ts';
import { REKEY_RULES } from './rekey-rules.ts';
import { RELEASE_RULES } from './release-rules.ts';
import { ROLLOUT_RULES } from './rollout-rules.ts';
import { ROOT_RULES } from './root-rules.ts';
import type { NamedRule } from './rule.ts';
import { TRIAL_RULES } from './trial-rules.ts';

const RULES: readonly NamedRule[] = [
  ...[...TRIAL_RULES, ...PASSPORT_RULES, ...REKEY_RULES, ...ROOT_RULES, ...GRANT_RULES],
  ...[...PEOPLE_RULES, ...DEVICE_RULES, ...RELEASE_RULES, ...ROLLOUT_RULES],
];

/**
 * Registers every rule as a test of this engine.
 * @param except titles of rules that are others on this engine: whatever is added later is tried on it, too
 */
export function contractSuite(engine: Engine, except: readonly string[] = []): void {
  const rules = RULES.filter(([title]) => !except.includes(title));
  if (rules.length !== RULES.length - except.length) throw new RangeError('a title of no rule');
  for (const [title, run] of rules) test(`${engine.name}: ${title}`, (t) => run(t, engine));
}
