/** A fleet that joins a running server: enrolled, provisioned, connected over TCP, watched until it has arrived. */
import { randomBytes } from 'node:crypto';
import type { Session } from '@countersign/broker/face/client/session';
import { readProvision, type Signer } from '@countersign/device-sdk/format';
import type { FaultRates } from '../fleet/faults.ts';
import { Fleet } from '../fleet/fleet.ts';
import { formatRevisions, type Revisions } from '../fleet/profile.ts';
import { type Goal, hasArrived, isSettled, standing, tally } from '../fleet/tally.ts';
import { judge, type Verdict } from '../oracle/judge.ts';
import { readRecord } from '../oracle/record.ts';
import { carriedBytes } from '../report/bytes.ts';
import { changeLine, whereabouts } from '../report/lines.ts';
import type { FleetOutcome } from '../report/outcome.ts';
import { progress } from '../report/progress.ts';
import { stopwatch } from '../report/time.ts';
import { wornFlash } from '../report/wear.ts';
import { enrolProfiles, fetchFactory } from './factory.ts';
import { watchGoal } from './goal.ts';
import { ledgerFigures, pinHead } from './ledger-figures.ts';

export interface SimulateOptions {
  product: string;
  /** Version of the factory image. */
  from: string;
  devices: number;
  seed: string;
  revisions: Revisions;
  faults: FaultRates;
  /** `updated`: every device is through with a release newer than the factory's. `settled`: nobody has anything to do. */
  until: 'updated' | 'settled';
  timeoutSeconds: number;
  verbose: boolean;
  /** The server's folder, where it can be read: its block files are audited at the end. */
  data?: string | undefined;
  /** Labels beside hw=REVISION. */
  labels: Record<string, string>;
  /** Stay connected when all is done, until told to end. */
  keepRunning?: Promise<void>;
  say(line: string): void;
}

export interface Simulated {
  outcome: FleetOutcome;
  verdict: Verdict;
  /** Whether the fleet got where it was to get, in time. */
  reached: boolean;
}

/** Random, short enough to type again. */
export function freshSeed(): string {
  return randomBytes(4).toString('hex');
}

export async function simulate(session: Session, operator: Signer, options: SimulateOptions): Promise<Simulated> {
  const { product, from, say, until, timeoutSeconds } = options;
  const clock = stopwatch();
  say(headline(options));
  const fleet = new Fleet(options);
  const factory = await fetchFactory(session, product, from);
  await enrolProfiles(session, operator, product, fleet.profiles, () => options.labels);
  fleet.build(factory);
  say(`${clock.stamp()}  ${options.devices} devices enrolled, each with ${product} ${from} in slot 0`);
  const { sequence: first, trustRoot } = readProvision(factory.record);
  const anchor = await pinHead(session, trustRoot);
  const watch = await watchGoal(session, product, first);
  if (until === 'updated' && watch.goal.sequence <= first) say(`${clock.stamp()}  ${waitingLine(options)}`);
  const bar = progress(`${product} on ${options.devices} devices`, options.devices);
  const unwatch = fleet.watch((device, change) => {
    const line = options.verbose ? changeLine(clock.stamp(), device, change) : undefined;
    if (line) say(line);
  });
  let ended = false;
  void options.keepRunning?.then(() => {
    ended = true;
  });
  try {
    await fleet.switchOn();
    let reached = false;
    await fleet.until(() => {
      const { goal } = watch;
      bar.update(fleet.devices.filter((device) => standing(device, goal) !== undefined).length, noteOf(fleet));
      reached = until === 'settled' ? isSettled(fleet, goal) : goal.sequence > first && hasArrived(fleet, goal);
      return reached || ended;
    }, timeoutSeconds * 1000);
    bar.stop();
    if (!reached) sayWhoIsMissing(fleet, watch.goal, say);
    const seconds = clock.seconds();
    const verdict = judge(fleet, await readRecord(session));
    const outcome: FleetOutcome = {
      seed: options.seed,
      devices: options.devices,
      ...tally(fleet, watch.goal),
      seconds: rounded(seconds),
      bytes: carriedBytes(fleet),
      wear: wornFlash(fleet),
      attacks: [],
      ledger: await ledgerFigures(session, anchor, options.data),
    };
    if (options.keepRunning && !ended) {
      const { updated, reverted, refused, stuck } = outcome;
      say(`${clock.stamp()}  updated ${updated}, reverted ${reverted}, refused ${refused}, stuck ${stuck}`);
      say(`${clock.stamp()}  the fleet stays connected; Ctrl-C ends it and prints this in full`);
      await options.keepRunning;
    }
    return { outcome, verdict, reached };
  } finally {
    bar.stop();
    unwatch();
    watch.stop();
    await fleet.switchOff();
  }
}

/** Nothing moves until somebody opens a rollout: whoever waits shall know for what, and how long. */
function waitingLine({ product, from, timeoutSeconds, keepRunning }: SimulateOptions): string {
  const end = keepRunning ? 'Ctrl-C ends it' : `gives up after ${timeoutSeconds} s`;
  return `waiting for a rollout of ${product} newer than ${from}; ${end}`;
}

const MISSING_SHOWN = 10;

function sayWhoIsMissing(fleet: Fleet, goal: Goal, say: (line: string) => void): void {
  const missing = fleet.devices.filter((device) => (device.state?.running.sequence ?? 0) < goal.sequence);
  for (const device of missing.slice(0, MISSING_SHOWN)) say(whereabouts(device));
  if (missing.length > MISSING_SHOWN) say(`and ${missing.length - MISSING_SHOWN} more`);
}

function noteOf({ counts }: Fleet): string {
  return `power cuts ${counts.cuts}, links lost ${counts.lost}`;
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}

/** Everything that is needed to do it again, before anything is done. */
export function headline({
  seed,
  devices,
  revisions,
  faults,
}: Pick<SimulateOptions, 'seed' | 'devices' | 'revisions' | 'faults'>): string {
  const cut = faults.powerCut > 0 ? `1/${faults.powerCut} operations` : 'never';
  return `seed ${seed}  devices ${devices}  hardware ${formatRevisions(revisions)}  loss ${100 * faults.loss}%  power-cut ${cut}`;
}
