/** The worst minutes of a fleet: releases upon releases, a server that restarts, clocks that jump; then a healed world. */
import { Prng } from '@countersign/device-sdk/rig';
import type { VirtualRates } from './faults.ts';
import type { VirtualLog } from './log.ts';
import type { VirtualWorld } from './world.ts';

/** Far above any field: one message in ten goes wrong, and an update rarely passes without a power cut. */
export const CHAOS_RATES: VirtualRates = { loss: 0.06, lie: 0.03, powerCut: 400 };

/** Between two releases: less than a fleet takes in this weather, so that they overtake each other. */
const RELEASE_EVERY_MS = 25_000;
const RESTARTS = 2;
/** One server is away for so long. */
const DOWN_MS = [500, 15_000] as const;
/** On average every device's clock is set once. */
const CLOCK_YEARS = [-30, -1, 0, 1, 30] as const;
const YEAR_SECONDS = 365 * 86_400;

/** Five times that a device asks for its announcement. */
const PATIENCE_MS = 5 * 120_000;

/** One seed in so many has a product of two components. */
const RADIO_ONE_IN = 3;

/** Whether the devices of this seed have a radio beside their application. */
export function drawsRadio(seed: string): boolean {
  return new Prng(seed, 'radio').oneIn(RADIO_ONE_IN);
}

/** And so many have signers whose keys are of a key generation centre. */
const KGC_ONE_IN = 4;

export function drawsKgc(seed: string): boolean {
  return new Prng(seed, 'kgc').oneIn(KGC_ONE_IN);
}

interface Moment {
  at: number;
  happen(): Promise<unknown> | unknown;
}

export async function runChaos(
  world: VirtualWorld,
  { seed, releases }: { seed: string; releases: readonly string[] },
  log: VirtualLog,
): Promise<void> {
  const random = new Prng(seed, 'chaos');
  const end = (releases.length + 1) * RELEASE_EVERY_MS;
  const moments = [...rollouts(world, releases, log), ...restarts(world, random, end, log)];
  moments.push(...jumps(world, random, end, log));
  moments.sort((a, b) => a.at - b.at);
  for (const { at, happen } of moments) {
    while (await world.step(at));
    await happen();
  }
  while (await world.step(end));
  world.heal();
  log.world('the world is healed: no faults, right clocks');
  // What a device refused was perhaps damaged on its way: it is asked what it says now, and has had time to ask again.
  while (await world.step(end + PATIENCE_MS));
}

/** In the first half of each stretch, when the server is up. */
function rollouts(world: VirtualWorld, releases: readonly string[], log: VirtualLog): Moment[] {
  return releases.map((version, i) => ({
    at: i * RELEASE_EVERY_MS,
    async happen() {
      await world.rollOut(version);
      log.world(`release ${version} is rolled out`);
    },
  }));
}

/** Each within a stretch of its own, over before the next release comes. */
function restarts(world: VirtualWorld, random: Prng, end: number, log: VirtualLog): Moment[] {
  const stretches = end / RELEASE_EVERY_MS;
  return Array.from({ length: RESTARTS }, (_, i) => {
    const [least, most] = DOWN_MS;
    const from = ((i + 1) % stretches) * RELEASE_EVERY_MS + 1 + random.below(RELEASE_EVERY_MS - most - 2);
    const until = from + least + random.below(most - least);
    return [
      { at: from, happen: () => said(log, 'the server ends', () => world.stopServer()) },
      { at: until, happen: () => said(log, 'the server is back', () => world.startServer()) },
    ];
  }).flat();
}

function jumps(world: VirtualWorld, random: Prng, end: number, log: VirtualLog): Moment[] {
  return world.fleet.profiles.map(() => {
    const { number } = world.fleet.profiles[random.below(world.fleet.profiles.length)]!;
    const seconds = CLOCK_YEARS[random.below(CLOCK_YEARS.length)]! * YEAR_SECONDS + random.below(86_400);
    const happen = () => {
      world.clockErrors.set(number, seconds);
      log.world(`the clock of device ${number} is wrong by ${seconds} s`);
    };
    return { at: random.below(end), happen };
  });
}

function said(log: VirtualLog, text: string, act: () => Promise<void>): Promise<void> {
  log.world(text);
  return act();
}
