/** A rollout's plan: what its waves add up to. */
import { demand } from '@countersign/device-sdk';
import { COHORTS_MAX, type Cohort, compare } from '@countersign/device-sdk/format';
import type { Plan } from './args.ts';

/**
 * Everybody in waves 0 to `wave`, in one form only: the largest share first, then the groups in byte order, each once.
 * Rollout statements carry exactly this.
 * @throws RangeError for a wave that the plan does not have
 */
export function unionOfWaves(waves: readonly { cohorts: readonly Cohort[] }[], wave: number): Cohort[] {
  if (!Number.isInteger(wave) || wave < 0 || wave >= waves.length) throw new RangeError(`there is no wave ${wave}`);
  return normalCohorts(waves.slice(0, wave + 1).flatMap(({ cohorts }) => cohorts));
}

function normalCohorts(cohorts: readonly Cohort[]): Cohort[] {
  const shares = cohorts.flatMap((cohort) => ('threshold' in cohort ? [cohort.threshold] : []));
  const roots = cohorts.flatMap((cohort) => ('root' in cohort ? [cohort.root] : [])).sort(compare);
  const groups = roots.filter((root, i) => i === 0 || compare(root, roots[i - 1]!) !== 0);
  const share: Cohort[] = shares.length > 0 ? [{ threshold: Math.max(...shares) }] : [];
  return [...share, ...groups.map((root) => ({ root }))];
}

export function sameCohorts(a: readonly Cohort[], b: readonly Cohort[]): boolean {
  const [first, second] = [normalCohorts(a), normalCohorts(b)];
  return first.length === second.length && first.every((cohort, i) => sameCohort(cohort, second[i]!));
}

function sameCohort(a: Cohort, b: Cohort): boolean {
  if ('root' in a) return 'root' in b && compare(a.root, b.root) === 0;
  return 'threshold' in b && a.threshold === b.threshold;
}

/** @throws Refusal BAD_STATEMENT for a plan that could not be carried out as it stands */
export function checkPlan(plan: Plan): void {
  for (const { cohorts } of plan.waves) {
    demand(
      cohorts.length >= 1 && cohorts.length <= COHORTS_MAX,
      'BAD_STATEMENT',
      `${cohorts.length} cohorts in a wave`,
    );
  }
  for (let wave = 1; wave < plan.waves.length; wave++) {
    // The statement of such a wave could not be told from that of the one before: it would be made again for ever.
    const adds = !sameCohorts(unionOfWaves(plan.waves, wave), unionOfWaves(plan.waves, wave - 1));
    demand(adds, 'BAD_STATEMENT', `wave ${wave + 1} adds nobody to those before it`);
  }
  const everybody = unionOfWaves(plan.waves, plan.waves.length - 1).length;
  demand(everybody <= COHORTS_MAX, 'BAD_STATEMENT', `the waves make ${everybody} cohorts, at most ${COHORTS_MAX} fit`);
  const { window } = plan;
  const forwards = !window || window.end === null || window.end > window.start;
  demand(forwards, 'BAD_STATEMENT', 'the window ends before it starts');
  demand(plan.attemptsMax >= 1, 'BAD_STATEMENT', 'a device needs at least one attempt');
}
