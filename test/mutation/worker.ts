/**
 * Runs the attack suite over an instrumented build, once as it is and then once for each check without it. Only tries in
 * which a check fired are run again without it: where it never refused anything, its absence changes nothing.
 *
 * Speaks to its parent by messages, since a mutant may hang the whole process: the parent ends it, counts that check as
 * found, and starts another for the rest.
 */
import type { Attack, Tried, Variant } from '@countersign/simulator/attacks/attack';
import { ONE_SLOT_ATTACKS } from '@countersign/simulator/attacks/one-slot';
import type { SlotLayout } from '@countersign/simulator/attacks/port/hardware';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { runVariant } from '@countersign/simulator/attacks/run';
import { ATTACKS } from '@countersign/simulator/attacks/suite';
import type { FromWorker, Result, ToWorker } from './messages.ts';
import type { Switches } from './switches.ts';

interface Baseline {
  row: number;
  layout: SlotLayout;
  variant: Variant;
  fired: Set<number>;
  millis: number;
}

const switches = (globalThis as unknown as { countersignChecks: Switches }).countersignChecks;
const say = (message: FromWorker) => process.send!(message);
let baseline: Baseline[] = [];

process.on('message', (message: ToWorker) => {
  if (message.kind === 'mutants') void mutants(message.names);
});
process.on('disconnect', () => process.exit(0));
// What a mutant left behind and that fails later belongs to nobody.
process.on('unhandledRejection', () => undefined);
process.on('uncaughtException', () => undefined);
void begin();

async function begin(): Promise<void> {
  const failed: string[] = [];
  const two = await tryAll(ATTACKS, 'two slots', failed);
  const fired = firedIn(two);
  // With one slot most tries meet the same checks: only those that meet others as well are kept.
  const one = (await tryAll(ONE_SLOT_ATTACKS, 'one slot', failed)).filter((item) =>
    [...item.fired].some((index) => !fired.has(index)),
  );
  baseline = [...two, ...one].sort((a, b) => a.millis - b.millis);
  for (const index of firedIn(one)) fired.add(index);
  const checks = switches.checks.map(({ name, kind }, index) => ({ name, kind, fired: fired.has(index) }));
  say({ kind: 'baseline', failed, checks });
}

async function tryAll(attacks: readonly Attack[], layout: SlotLayout, failed: string[]): Promise<Baseline[]> {
  const found: Baseline[] = [];
  for (const { id, variants } of attacks) {
    for (const variant of variants) {
      say({ kind: 'alive' });
      const { tried, fired } = await run({ variant, layout });
      if (isFailed(tried)) failed.push(`row ${id}, ${layout}: ${variant.how}: ${tried.why}`);
      found.push({ row: id, layout, variant, fired, millis: tried.millis });
    }
  }
  return found;
}

function firedIn(items: readonly Baseline[]): Set<number> {
  return new Set(items.flatMap(({ fired }) => [...fired]));
}

async function mutants(names: readonly string[]): Promise<void> {
  for (const name of names) {
    say({ kind: 'trying', name });
    say({ kind: 'result', name, result: await mutant(switches.checks.findIndex((check) => check.name === name)) });
  }
  say({ kind: 'done' });
}

/** The first row that fails without this check; else what stands behind it. */
async function mutant(index: number): Promise<Result> {
  const tries = baseline.filter(({ fired }) => fired.has(index));
  if (tries.length === 0) return { outcome: 'untried' };
  const behind = new Set<number>();
  for (const item of tries) {
    const { row, variant, fired: before } = item;
    const { tried, fired } = await run(item, [index]);
    if (isFailed(tried)) return { outcome: outcomeOf(tried), row, how: variant.how, code: tried.code, why: tried.why };
    for (const other of fired) if (other !== index && !before.has(other)) behind.add(other);
  }
  for (const other of behind) {
    for (const item of tries) {
      const { tried } = await run(item, [index, other]);
      if (!isFailed(tried)) continue;
      return { outcome: 'shadowed', row: item.row, how: item.variant.how, by: switches.checks[other]!.name };
    }
  }
  return { outcome: 'survived', by: [...behind].map((other) => switches.checks[other]!.name).join('; ') };
}

async function run(
  { variant, layout }: Pick<Baseline, 'variant' | 'layout'>,
  removed: readonly number[] = [],
): Promise<{ tried: Tried; fired: Set<number> }> {
  switches.removed.clear();
  for (const index of removed) switches.removed.add(index);
  switches.fired.clear();
  const tried = await runVariant(variant, new SdkPort(layout));
  const fired = new Set(switches.fired);
  switches.removed.clear();
  return { tried, fired };
}

function isFailed({ outcome }: Tried): boolean {
  return outcome !== 'refused' && outcome !== 'held';
}

/** breached: the adversary got something; renamed: another check refused, with another code. */
function outcomeOf({ outcome, code }: Tried): 'breached' | 'broken' | 'renamed' {
  if (outcome === 'succeeded') return 'breached';
  return code === 'INTERNAL' ? 'broken' : 'renamed';
}
