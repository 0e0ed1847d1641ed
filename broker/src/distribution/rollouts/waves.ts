/** Waves: which devices may install when, as a plan that a person signs. */
import { demand, type Entropy } from '@countersign/device-sdk';
import {
  COHORTS_MAX,
  type Cohort,
  EVERYONE,
  ID_BYTES,
  placeOf,
  type Sha256,
  unhex,
} from '@countersign/device-sdk/format';
import { type Plan, WAVES_MAX, type Wave } from '../../ledger/contract/args.ts';
import { sameCohorts, unionOfWaves } from '../../ledger/contract/plan.ts';
import type { RolloutView } from '../../ledger/contract/views.ts';
import { systemEntropy } from '../ports.ts';
import type { Registry } from '../registry.ts';
import type { Groups } from './groups.ts';

/** What an operator asks for: a share of the fleet (all waves up to this one together) or a group by labels. */
export type WaveRequest = ({ percent: number } | { group: string }) & {
  failurePercentMax?: number;
  reportedPercentMin?: number;
};

export interface PlanRequest {
  releaseLeaf: Uint8Array;
  waves: readonly WaveRequest[];
  window?: { start: number; end: number | null };
  jitterSeconds?: number;
  attemptsMax?: number;
}

/** One failure in twenty stops a rollout; an operator who expects more says so. */
export const FAILURE_PERCENT_MAX = 5;
/** A tenth of a fleet may be switched off or away without holding up the rest. */
export const REPORTED_PERCENT_MIN = 90;
/** Devices of one class start within this time of each other, so that a broker is not asked by all at once. */
export const JITTER_SECONDS = 10;
/** Attempts of one device at one release: enough for a bad link, not enough to wear out flash. */
export const ATTEMPTS_MAX = 3;

/**
 * Makes the plan, with a fresh rollout id, for a person to sign. Groups are stored before it is returned, so that
 * members can be given their proofs whenever it is opened.
 * @param fleet ids of the class's enrolled devices, in hex
 * @throws Refusal BAD_REQUEST
 */
export async function planWaves(
  sha256: Sha256,
  parts: { registry: Registry; groups: Groups; entropy?: Entropy },
  fleet: readonly string[],
  request: PlanRequest,
): Promise<Plan> {
  const count = request.waves.length;
  demand(count >= 1 && count <= WAVES_MAX, 'BAD_REQUEST', `${count} waves, expected 1 to ${WAVES_MAX}`);
  const rolloutId = (parts.entropy ?? systemEntropy).random(ID_BYTES);
  const rest = new Set(fleet);
  const waves: Wave[] = [];
  for (const wave of request.waves) waves.push(await planWave(wave));
  demand(
    unionOfWaves(waves, waves.length - 1).length <= COHORTS_MAX,
    'BAD_REQUEST',
    `at most ${COHORTS_MAX - 1} groups and one share`,
  );
  for (let i = 1; i < count; i++) {
    const adds = !sameCohorts(unionOfWaves(waves, i), unionOfWaves(waves, i - 1));
    demand(adds, 'BAD_REQUEST', `wave ${i + 1} adds nobody to those before it`);
  }
  return {
    rolloutId,
    releaseLeaf: request.releaseLeaf,
    waves,
    ...(request.window ? { window: request.window } : {}),
    jitterSeconds: request.jitterSeconds ?? JITTER_SECONDS,
    attemptsMax: request.attemptsMax ?? ATTEMPTS_MAX,
  };

  async function planWave(wave: WaveRequest): Promise<Wave> {
    const { cohort, inside } = 'group' in wave ? await groupOf(wave.group) : shareOf(wave.percent);
    const devices = [...rest].filter(inside);
    for (const id of devices) rest.delete(id);
    return {
      cohorts: [cohort],
      failurePercentMax: percent(wave.failurePercentMax ?? FAILURE_PERCENT_MAX, 'failurePercentMax'),
      reportedPercentMin: percent(wave.reportedPercentMin ?? REPORTED_PERCENT_MIN, 'reportedPercentMin'),
      devices: devices.length,
    };
  }

  async function groupOf(selector: string): Promise<{ cohort: Cohort; inside: (id: string) => boolean }> {
    const labelled = parts.registry.group(selector);
    const members = fleet.filter((id) => labelled.has(id));
    demand(members.length > 0, 'BAD_REQUEST', `no enrolled device of this class is in ${selector}`);
    const root = await parts.groups.make(rolloutId, members.map(idBytes));
    return { cohort: { root }, inside: (id) => labelled.has(id) };
  }

  function shareOf(share: number): { cohort: Cohort; inside: (id: string) => boolean } {
    demand(typeof share === 'number' && share > 0 && share <= 100, 'BAD_REQUEST', 'a share is over 0 and up to 100 %');
    const threshold = Math.ceil((share / 100) * EVERYONE);
    return { cohort: { threshold }, inside: (id) => placeOf(sha256, rolloutId, idBytes(id)) < threshold };
  }
}

function percent(value: number, what: string): number {
  demand(Number.isInteger(value) && value >= 0 && value <= 100, 'BAD_REQUEST', `${what} is a whole number 0 to 100`);
  return value;
}

function idBytes(id: string): Uint8Array {
  return unhex(id)!;
}

/** The waves of a rollout as the ledger shows it, with bytes for hex. */
export function wavesOf(view: RolloutView): Wave[] {
  return view.waves.map((wave) => ({
    ...wave,
    cohorts: wave.cohorts.map((cohort) => ('root' in cohort ? { root: unhex(cohort.root)! } : cohort)),
  }));
}

/**
 * The wave in which each device gets its turn; devices of no wave are absent.
 * @param devices ids in hex
 */
export async function waveOfEach(
  sha256: Sha256,
  groups: Groups,
  view: RolloutView,
  devices: Iterable<string>,
): Promise<Map<string, number>> {
  const rolloutId = idBytes(view.rolloutId);
  const waves = await Promise.all(wavesOf(view).map(({ cohorts }) => Promise.all(cohorts.map(testOf))));
  const found = new Map<string, number>();
  for (const id of devices) {
    const place = placeOf(sha256, rolloutId, idBytes(id));
    const wave = waves.findIndex((tests) => tests.some((test) => test(id, place)));
    if (wave >= 0) found.set(id, wave);
  }
  return found;

  async function testOf(cohort: Cohort): Promise<(id: string, place: number) => boolean> {
    if ('threshold' in cohort) return (_, place) => place < cohort.threshold;
    const members = (await groups.members(cohort.root)) ?? new Set<string>();
    return (id) => members.has(id);
  }
}
