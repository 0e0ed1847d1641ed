/** One run: releases are rolled out to a fleet in a virtual world, and all that happens is said, line by line. */

import type { Log } from '@countersign/broker/distribution/ports';
import { replayAll } from '@countersign/broker/ledger/memory/ledger';
import { equal, hex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { formatRevisions, type Revisions } from '../fleet/profile.ts';
import { hasArrived, standing, tally } from '../fleet/tally.ts';
import { judge, type Verdict } from '../oracle/judge.ts';
import { carriedBytes } from '../report/bytes.ts';
import { whereabouts } from '../report/lines.ts';
import type { FleetOutcome } from '../report/outcome.ts';
import { wornFlash } from '../report/wear.ts';
import { drawsKgc, drawsRadio, runChaos } from './chaos.ts';
import type { VirtualRates } from './faults.ts';
import { type VirtualLog, virtualLog } from './log.ts';
import { chronicleOf } from './record.ts';
import { watchSafety } from './safety.ts';
import { VirtualWorld } from './world.ts';

export interface VirtualOptions {
  seed: string;
  devices: number;
  revisions: Revisions;
  rates: VirtualRates;
  /** Devices of two components, an application and a radio. Left out: by the seed with chaos, else no. */
  radio?: boolean | undefined;
  /** Signers with keys of a key generation centre. Left out: by the seed with chaos, else no. */
  kgc?: boolean | undefined;
  /** Rolled out one after another, each when the fleet is through with the one before. */
  releases: readonly string[];
  /** Virtual seconds for each of them. */
  timeoutSeconds: number;
  line(text: string): void;
  /** Releases come one upon the other, the server is restarted and clocks jump, until the world is healed. */
  chaos?: boolean;
  /** Told of the world once it stands, before anything happens in it. */
  begun?(world: VirtualWorld): void;
}

export interface VirtualRun {
  outcome: FleetOutcome;
  verdict: Verdict;
  /** Whether every release got where it was to get, in time. */
  reached: boolean;
  /** Events of the virtual clock. */
  events: number;
  /** Boots, power cuts, updates and reverts at which the judge looked into the flash. */
  looks: number;
  /** The command that does the same again. */
  replay: string;
}

/** Milliseconds between two devices that are switched on. */
const SWITCH_ON_MS = 20;
/** Virtual time between two looks at whether the fleet has arrived. */
const LOOK_MS = 1_000;

export async function runVirtual(asked: VirtualOptions): Promise<VirtualRun> {
  const chaotic = asked.chaos === true;
  const radio = asked.radio ?? (chaotic && drawsRadio(asked.seed));
  const options = { ...asked, radio, kgc: asked.kgc ?? (chaotic && drawsKgc(asked.seed)) };
  const { line, releases, timeoutSeconds } = options;
  let log: VirtualLog | undefined;
  const later: Log = {
    info: (fields, text) => log?.server.info(fields, text),
    warn: (fields, text) => log?.server.warn(fields, text),
    error: (fields, text) => log?.server.error(fields, text),
  };
  line(headlineOf(options));
  const world = await VirtualWorld.create({ ...options, log: later });
  log = virtualLog(world.time, line);
  const { fleet } = world;
  const unwatch = fleet.watch((device, change) => log.device(device, change));
  try {
    options.begun?.(world);
    const chronicle = chronicleOf(world.ledger);
    const safety = watchSafety(world, chronicle, log.world);
    switchOn(world);
    let reached = true;
    if (options.chaos) {
      await runChaos(world, options, log);
      reached = await runUntilArrived(world, timeoutSeconds * 1000);
    } else {
      for (const version of releases) {
        await world.rollOut(version);
        log.world(`release ${version} is rolled out`);
        reached = (await runUntilArrived(world, timeoutSeconds * 1000)) && reached;
      }
    }
    const goal = await world.goal();
    for (const device of fleet.devices) {
      if (standing(device, goal) !== 'updated') log.world(whereabouts(device));
    }
    const atTheEnd = judge(fleet, chronicle());
    const problems = [...safety.problems, ...atTheEnd.problems];
    const verdict: Verdict = { ...atTheEnd, ok: problems.length === 0, problems };
    const outcome: FleetOutcome = {
      seed: options.seed,
      devices: options.devices,
      ...tally(fleet, goal),
      seconds: Math.round(world.time.elapsedMs() / 10) / 100,
      bytes: carriedBytes(fleet),
      wear: wornFlash(fleet),
      attacks: [],
      ledger: await figuresOf(world),
    };
    return { outcome, verdict, reached, events: world.time.happened, looks: safety.looks, replay: replayOf(options) };
  } finally {
    unwatch();
    await world.end();
  }
}

function switchOn({ fleet, time }: VirtualWorld): void {
  for (const device of fleet.devices) time.after(device.profile.number * SWITCH_ON_MS, () => device.switchOn());
}

async function runUntilArrived(world: VirtualWorld, ms: number): Promise<boolean> {
  const { time, fleet } = world;
  const end = time.elapsedMs() + ms;
  for (let look = time.elapsedMs() + LOOK_MS; look < end; look += LOOK_MS) {
    while (await world.step(look));
    if (hasArrived(fleet, await world.goal())) return true;
  }
  return false;
}

/** Every block is executed again from nothing and must lead to the head that the ledger signed last. */
async function figuresOf({ ledger }: VirtualWorld): Promise<FleetOutcome['ledger']> {
  const { head } = await ledger.head();
  const { frontier } = await replayAll(ledger.blocks, nodeVerifier());
  const verified = frontier.size === head.size && equal(frontier.root(), head.root);
  return { entries: head.size, blocks: ledger.blocks.length, root: hex(head.root), verified };
}

/** Everything that is needed to do it again, before anything is done. */
function headlineOf({ seed, devices, revisions, rates, releases, radio, kgc }: VirtualOptions): string {
  const { loss, lie, powerCut } = rates;
  const cut = powerCut > 0 ? `1/${powerCut} operations` : 'never';
  const faults = `loss ${percent(loss)}%  lies ${percent(lie)}%  power-cut ${cut}`;
  const parts = radio ? '  components app,radio' : '';
  const keys = kgc ? '  keys issued' : '';
  return `virtual  seed ${seed}  devices ${devices}${parts}${keys}  hardware ${formatRevisions(revisions)}  releases ${releases.join(',')}  ${faults}`;
}

function replayOf({ seed, devices, revisions, rates, chaos, radio, kgc, timeoutSeconds }: VirtualOptions): string {
  const { loss, lie, powerCut } = rates;
  const faults = ['--loss', percent(loss), '--lie', percent(lie), '--power-cut', powerCut > 0 ? `1/${powerCut}` : '0'];
  const drawn = (name: string, on?: boolean) => (on ? [`--${name}`] : chaos ? [`--no-${name}`] : []);
  const parts = [...drawn('radio', radio), ...drawn('kgc', kgc)];
  const own = ['--virtual', ...(chaos ? ['--chaos'] : faults), ...parts, '--seed', seed, '--devices', String(devices)];
  const rest = ['--revisions', formatRevisions(revisions), '--timeout', String(timeoutSeconds)];
  return `replay: countersign simulate ${[...own, ...rest].join(' ')}`;
}

/** Without the rounding errors of a division by 100. */
function percent(share: number): string {
  return String(Math.round(share * 1e8) / 1e6);
}
