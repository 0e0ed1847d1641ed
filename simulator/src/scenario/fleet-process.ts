/** The demo's fleet, a process of its own: it does what the story asks and tells how far it is. */
import { apiClient } from '@countersign/broker/face/client/api-client';
import { openSession } from '@countersign/broker/face/client/session';
import { readProvision } from '@countersign/device-sdk/format';
import { ATTACKS, type Versions } from '../adversary/attacks.ts';
import { attempt } from '../adversary/attempt.ts';
import { openScene, type SceneOptions } from '../adversary/scene.ts';
import { Fleet, type FleetOptions } from '../fleet/fleet.ts';
import { type Goal, tally } from '../fleet/tally.ts';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import { judge, type Verdict } from '../oracle/judge.ts';
import { readRecord } from '../oracle/record.ts';
import { carriedBytes } from '../report/bytes.ts';
import { changeLine, whereabouts } from '../report/lines.ts';
import { stopwatch } from '../report/time.ts';
import { fetchFactory } from './factory.ts';
import { answerCalls } from './rpc.ts';

export interface Server {
  url: string;
  token: string;
}

/** A device as the story knows it. */
export interface Enrollable {
  number: number;
  id: Uint8Array;
  alg: number;
  publicKey: Uint8Array;
  revision: string;
  clock: boolean;
}

/** What the child tells unasked while it waits. */
export interface FleetNews {
  done: number;
  of: number;
  cuts: number;
  lost: number;
}

export type FleetHandlers = typeof handlers;

const NEWS_MS = 100;
const clock = stopwatch();
/** By product. */
const fleets = new Map<string, Fleet>();
/** The product the story is about; calls that name none are about it. */
let main: string | undefined;

const handlers = {
  /** The first fleet that is made is the story's. */
  make(options: FleetOptions & { product: string; verbose: boolean }): Enrollable[] {
    const fleet = new Fleet(options);
    fleets.set(options.product, fleet);
    main ??= options.product;
    if (options.verbose) {
      fleet.watch((device, change) => {
        const line = changeLine(clock.stamp(), device, change);
        if (line) process.stderr.write(`${line}\n`);
      });
    }
    return enrollable(fleet);
  },

  /** Image and record into every board. */
  async build({ server, product, version }: { server: Server; product: string; version: string }) {
    const factory = await fetchFactory(await sessionOf(server), product, version);
    all(product).build(factory);
    const { sequence, trustRoot } = readProvision(factory.record);
    return { imageBytes: factory.image.length, sequence, trustRoot };
  },

  async switchOn({ product, numbers }: { product?: string; numbers: number[] }) {
    await all(product).switchOn(of(numbers, product));
  },

  /** Waits until each of these is through with a release and the ledger has acknowledged what it said about it. */
  async through({ product, sequence, numbers, timeoutMs }: ThroughCall) {
    const devices = of(numbers, product);
    const done = () => devices.filter((device) => isThrough(device, sequence)).length;
    const timer = setInterval(() => {
      const { cuts, lost } = all().counts;
      tell({ done: done(), of: devices.length, cuts, lost } satisfies FleetNews);
    }, NEWS_MS);
    try {
      await all(product).until(() => done() === devices.length, timeoutMs);
    } finally {
      clearInterval(timer);
    }
    return {
      of: devices.length,
      ...ends(devices, sequence),
      unsettled: devices.filter((d) => !isThrough(d, sequence)).map(whereabouts),
    };
  },

  /** No more faults: what is refused from now on is refused for a reason that somebody made. */
  calm(_: null) {
    for (const fleet of fleets.values()) fleet.calm();
  },

  async attack({ name, number, versions, scene }: AttackCall) {
    const known = ATTACKS.find((attack) => attack.name === name)!;
    const heard = { heard: all().heard, heardElsewhere: elsewhere() };
    const hostile = await known.prepare(await openScene({ ...scene, ...heard }), versions);
    return attempt(all(), all().devices[number]!, known, hostile);
  },

  async powerCycle({ number }: { number: number }) {
    all().devices[number]!.powerCycle();
  },

  /** Frames that these devices have fetched. */
  fetched({ product, numbers }: { product?: string; numbers: number[] }) {
    return of(numbers, product).reduce((sum, { meter }) => sum + meter.frames, 0);
  },

  /** Every fleet against its own goal and its own releases; all of it together. */
  async figures({ server, goals }: { server: Server; goals: Record<string, Goal> }) {
    const chronicle = await readRecord(await sessionOf(server));
    const told = [...fleets].map(([product, fleet]) => ({
      tally: tally(fleet, goals[product]!),
      verdict: judge(fleet, chronicle),
      counts: fleet.counts,
    }));
    const devices = [...fleets.values()].flatMap((fleet) => fleet.devices);
    return {
      tally: summed(told.map((one) => one.tally)),
      counts: summed(told.map((one) => one.counts)),
      verdict: together(told.map((one) => one.verdict)),
      bytes: carriedBytes({ devices }),
    };
  },

  async stop(_: null) {
    await Promise.all([...fleets.values()].map((fleet) => fleet.switchOff()));
  },
};

export interface AttackCall {
  name: string;
  /** The victim. */
  number: number;
  versions: Versions;
  scene: Omit<SceneOptions, 'heard' | 'heardElsewhere'>;
}

export interface ThroughCall {
  product?: string;
  sequence: number;
  numbers: number[];
  timeoutMs: number;
}

const tell = answerCalls(handlers);

function all(product = main): Fleet {
  const fleet = fleets.get(product ?? '');
  if (!fleet) throw new RangeError('the fleet has not been made');
  return fleet;
}

function of(numbers: readonly number[], product?: string): VirtualDevice[] {
  return numbers.map((number) => all(product).devices[number]!);
}

/** Announcements of other products, so that there is something true to replay on the wrong class. */
function elsewhere(): Uint8Array[] {
  return [...fleets].flatMap(([product, { heard }]) => (product === main ? [] : heard));
}

function summed<K extends string>(counts: readonly Record<K, number>[]): Record<K, number> {
  const [first, ...others] = counts;
  const sum = { ...first! };
  for (const other of others) for (const key of Object.keys(sum) as K[]) sum[key] += other[key];
  return sum;
}

function together(verdicts: readonly Verdict[]): Verdict {
  const sum = (of: (verdict: Verdict) => number) => verdicts.reduce((total, verdict) => total + of(verdict), 0);
  const problems = verdicts.flatMap((verdict) => verdict.problems);
  return {
    ok: problems.length === 0,
    slots: sum(({ slots }) => slots),
    reports: sum(({ reports }) => reports),
    installs: sum(({ installs }) => installs),
    problems,
  };
}

function enrollable({ profiles }: Fleet): Enrollable[] {
  return profiles.map(({ number, id, keys, revision, clock }) => {
    return { number, id, alg: keys.alg, publicKey: keys.publicKey, revision, clock };
  });
}

function sessionOf({ url, token }: Server) {
  return openSession(apiClient(url, token));
}

function isThrough(device: VirtualDevice, sequence: number): boolean {
  if (device.stuck !== undefined) return true;
  return device.idle && (arrived(device, sequence) || reverted(device, sequence));
}

function arrived({ state }: VirtualDevice, sequence: number): boolean {
  return (state?.running.sequence ?? 0) >= sequence;
}

function reverted({ attempt }: VirtualDevice, sequence: number): boolean {
  return attempt?.outcome === 'reverted' && attempt.sequence === sequence;
}

/** A device that went back to what it ran, and why it says so. */
export interface Revert {
  number: number;
  revision: string;
  code: string;
}

function ends(devices: readonly VirtualDevice[], sequence: number) {
  const back = devices.filter((device) => reverted(device, sequence));
  return {
    updated: devices.filter((device) => arrived(device, sequence)).length,
    reverts: back.map(({ profile, attempt }): Revert => {
      return { number: profile.number, revision: profile.revision, code: attempt!.code };
    }),
  };
}
