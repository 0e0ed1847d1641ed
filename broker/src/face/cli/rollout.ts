import { EVERYONE } from '@countersign/device-sdk/format';
import type { Command } from 'commander';
import type { WaveRequest } from '../../distribution/rollouts/waves.ts';
import type { RolloutView } from '../../ledger/contract/views.ts';
import { appliesToNone } from '../../passport/fleet.ts';
import type { PlanJson } from '../api/plan-json.ts';
import { fleetAppliesIfKnown, getFleetApplies } from '../client/fleet-applies.ts';
import { getRelease } from '../client/releases.ts';
import {
  controlRollout,
  getRollout,
  openRollout,
  type Progress,
  type RolloutOp,
  type RolloutWish,
  rolloutProgress,
} from '../client/rollouts.ts';
import { connect, connectAs, type PersonOptions, personOptions, type ServerOptions, serverOptions } from './connect.ts';
import { fleetAppliesText } from './fleet-applies.ts';
import { note, verb, WrongUse } from './program.ts';
import { printable, short, table, timeText } from './table.ts';
import { collect, readPercent, readWhole } from './values.ts';

interface OpenOptions extends PersonOptions {
  wave?: string[];
  maxFailure?: number;
  reported?: number;
  jitter?: number;
  attempts?: number;
  from?: string;
  until?: string;
  anyway?: boolean;
}

/** `rollout preview|open|pause|resume|abort|advance|show|list`. */
export function rolloutVerbs(program: Command): void {
  const rollout = program.command('rollout').description('open a release to the fleet, in waves, and brake it');
  previewVerb(rollout);
  openVerb(rollout);
  controlVerb(rollout, 'pause', 'start nothing new; devices that are at it finish');
  controlVerb(rollout, 'resume', 'go on after a pause');
  controlVerb(rollout, 'abort', 'end it for good');
  controlVerb(rollout, 'advance', 'open the next wave before the plan would');
  showVerb(rollout);
  listVerb(rollout);
}

function previewVerb(rollout: Command): void {
  const command = serverOptions(
    rollout
      .command('preview <release>')
      .description('to how many devices a release would apply, by their passports; nothing is signed'),
  );
  verb(command, async (release: string, options: ServerOptions) => {
    const session = await connect(options);
    const { releaseLeaf } = await getRelease(session, release);
    const applies = await getFleetApplies(session, releaseLeaf);
    return { json: applies, text: fleetAppliesText(applies), ok: !appliesToNone(applies) };
  });
}

function openVerb(rollout: Command): void {
  const command = personOptions(rollout.command('open <release>').description('sign a plan and open the first wave'))
    .option('--wave <share or group>', '10% of the fleet, or the devices labelled hw=C; repeat for more waves', collect)
    .option('--max-failure <percent>', 'pause when more of the finished devices of a wave failed [5]', readPercent)
    .option('--reported <percent>', 'judge a wave when so many of its devices have reported [90]', readPercent)
    .option('--jitter <seconds>', 'devices spread their start over so many seconds [10]', readWhole)
    .option('--attempts <n>', 'attempts of one device at this release [3]', readWhole)
    .option('--from <time>', 'not before this time (ISO 8601)')
    .option('--until <time>', 'not after this time (ISO 8601)')
    .option('--anyway', 'also where the release applies to no device that has a passport');
  verb(command, async (release: string, options: OpenOptions) => {
    const wish = wishOf(options);
    const { session, signer } = await connectAs(options, ['operator']);
    const opened = await openRollout(session, signer, release, wish, note);
    const ends = opened.ends.map((id) => `When it opens, rollout ${id} of this product ends: it is aborted.`);
    const plan = [planTable(opened.plan.waves), fleetAppliesText(opened.applies)];
    return { json: opened, text: [`rollout ${opened.rolloutId}`, ...plan, ...ends].join('\n') };
  });
}

function wishOf(o: OpenOptions): RolloutWish {
  const judged = {
    ...(o.maxFailure !== undefined && { failurePercentMax: o.maxFailure }),
    ...(o.reported !== undefined && { reportedPercentMin: o.reported }),
  };
  const window = o.from !== undefined || o.until !== undefined;
  return {
    waves: (o.wave ?? ['100%']).map((text) => ({ ...waveOf(text), ...judged })),
    ...(window && { window: { start: secondsOf(o.from) ?? 0, end: secondsOf(o.until) ?? null } }),
    ...(o.jitter !== undefined && { jitterSeconds: o.jitter }),
    ...(o.attempts !== undefined && { attemptsMax: o.attempts }),
    ...(o.anyway && { anyway: true }),
  };
}

function waveOf(text: string): WaveRequest {
  if (text.includes('=')) return { group: text };
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  if (percent === undefined || Number(percent) <= 0 || Number(percent) > 100) {
    throw new WrongUse(`--wave ${text}: write a share such as 10%, or a group such as hw=C`);
  }
  return { percent: Number(percent) };
}

function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || ms < 0) throw new WrongUse(`${text} is no time such as 2026-01-31T22:00:00Z`);
  return Math.floor(ms / 1000);
}

function controlVerb(rollout: Command, op: RolloutOp, description: string): void {
  const command = personOptions(rollout.command(`${op} <id>`).description(description)).option(
    '--reason <text>',
    'why; it stays on the record',
    `${op} by hand`,
  );
  verb(command, async (id: string, options: PersonOptions & { reason: string }) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const done = await controlRollout(session, signer, op, id, options.reason);
    const after = await getRollout(session, done.rolloutId);
    const json = { ...done, state: after.state, pending: after.pending };
    return { json, text: `rollout ${done.rolloutId}: ${stateText(after)}, entry ${done.leafIndex}` };
  });
}

function showVerb(rollout: Command): void {
  const command = serverOptions(rollout.command('show <id>').description('one rollout and what its devices report'));
  verb(command, async (id: string, options: ServerOptions) => {
    const session = await connect(options);
    const found = await getRollout(session, id);
    const progress = await rolloutProgress(session, found.rolloutId);
    const applies = await fleetAppliesIfKnown(session, found.releaseLeaf);
    const text = rolloutText(found, progress) + (applies ? `\n${fleetAppliesText(applies)}` : '');
    return { json: { ...found, progress, applies }, text };
  });
}

function rolloutText(found: Awaited<ReturnType<typeof getRollout>>, progress: Progress | null): string {
  const { trial, updated, reverted, refused, codes } = found.totals;
  const reported = Object.entries(codes).map(([code, count]) => `${code} ${count}`);
  return [
    `rollout ${found.rolloutId}, ${stateText(found)}`,
    `release ${found.releaseLeaf}, sequence ${found.sequence}`,
    planTable(found.waves, { current: found.wave, ...(progress && { tally: progress.waves }) }),
    `updated ${updated}, reverted ${reverted}, refused ${refused}, in trial ${trial}`,
    ...(reported.length > 0 ? [`reported: ${reported.join(', ')}`] : []),
    ...(progress?.pause ? [`paused by the server at ${timeText(progress.pause.at)}: ${progress.pause.reason}`] : []),
    ...(progress?.problem ? [`waiting: ${progress.problem.code}: ${progress.problem.text}`] : []),
  ]
    .map((line) => line.split('\n').map(printable).join('\n'))
    .join('\n');
}

function listVerb(rollout: Command): void {
  const command = serverOptions(rollout.command('list').description('all rollouts')).option(
    '--product <name>',
    'of one product',
  );
  verb(command, async (options: ServerOptions & { product?: string }) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/rollouts', { product: options.product })) as RolloutView[];
    const rows = all.map((r) => [
      r.rolloutId,
      stateText(r),
      `${r.wave + 1} of ${r.waves.length}`,
      short(r.releaseLeaf),
      r.openedBy,
    ]);
    return { json: all, text: table(['rollout', 'state', 'wave', 'release', 'opened by'], rows) };
  });
}

function stateText({ state, pending }: Pick<RolloutView, 'state' | 'pending'>): string {
  return pending ? `${state}, ${pending} pending` : state;
}

/** @param seen which wave is open now, and how far each one is */
function planTable(waves: PlanJson['waves'], seen: { current?: number; tally?: Progress['waves'] } = {}): string {
  const rows = waves.map((wave, i) => [
    i === seen.current ? `${i + 1} *` : `${i + 1}`,
    wave.cohorts.map(cohortText).join(' + '),
    wave.devices,
    `${wave.failurePercentMax} %`,
    `${wave.reportedPercentMin} %`,
    ...(seen.tally ? [seen.tally[i]?.finished ?? 0, seen.tally[i]?.failed ?? 0, seen.tally[i]?.silent ?? 0] : []),
  ]);
  const head = ['wave', 'who', 'devices', 'failures allowed', 'judged at'];
  return table(seen.tally ? [...head, 'finished', 'failed', 'silent'] : head, rows);
}

function cohortText(cohort: PlanJson['waves'][number]['cohorts'][number]): string {
  if ('root' in cohort) return printable(`group ${short(cohort.root)}`);
  return cohort.threshold >= EVERYONE
    ? 'everyone'
    : `${((100 * cohort.threshold) / EVERYONE).toFixed(1)} % of the fleet`;
}
