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
import { judge } from '../oracle/judge.ts';
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
let fleet: Fleet | undefined;
let bystander: Fleet | undefined;

const handlers = {
  make(options: FleetOptions & { verbose: boolean }): Enrollable[] {
    fleet = new Fleet(options);
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
    all().build(factory);
    const { sequence, trustRoot } = readProvision(factory.record);
    return { imageBytes: factory.image.length, sequence, trustRoot };
  },

  async switchOn({ numbers }: { numbers: number[] }) {
    await all().switchOn(of(numbers));
  },

  /** Waits until each of these is through with a release and the ledger has acknowledged what it said about it. */
  async through({ sequence, numbers, timeoutMs }: { sequence: number; numbers: number[]; timeoutMs: number }) {
    const devices = of(numbers);
    const done = () => devices.filter((device) => isThrough(device, sequence)).length;
    const timer = setInterval(() => {
      const { cuts, lost } = all().counts;
      tell({ done: done(), of: devices.length, cuts, lost } satisfies FleetNews);
    }, NEWS_MS);
    try {
      await all().until(() => done() === devices.length, timeoutMs);
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
    all().calm();
  },

  /** A device of another product, so that there is something true to replay on the wrong class. */
  async makeBystander(options: FleetOptions): Promise<Enrollable[]> {
    bystander = new Fleet(options);
    return enrollable(bystander);
  },

  async bystanderHears({ server, product, version }: { server: Server; product: string; version: string }) {
    bystander!.build(await fetchFactory(await sessionOf(server), product, version));
    await bystander!.switchOn();
    return bystander!.until(() => bystander!.heard.length > 0, LISTEN_MS);
  },

  async attack({ name, number, versions, scene }: AttackCall) {
    const known = ATTACKS.find((attack) => attack.name === name)!;
    const heard = { heard: all().heard, heardElsewhere: bystander?.heard ?? [] };
    const hostile = await known.prepare(await openScene({ ...scene, ...heard }), versions);
    return attempt(all(), all().devices[number]!, known, hostile);
  },

  async powerCycle({ number }: { number: number }) {
    all().devices[number]!.powerCycle();
  },

  /** Frames that these devices have fetched. */
  fetched({ numbers }: { numbers: number[] }) {
    return of(numbers).reduce((sum, { meter }) => sum + meter.frames, 0);
  },

  async figures({ server, product, goal }: { server: Server; product: string; goal: Goal }) {
    const verdict = judge(all(), await readRecord(await sessionOf(server), product));
    const { counts } = all();
    return { tally: tally(all(), goal), bytes: carriedBytes(all()), counts: { ...counts }, verdict };
  },

  async stop(_: null) {
    await bystander?.switchOff();
    await fleet?.switchOff();
  },
};

export interface AttackCall {
  name: string;
  /** The victim. */
  number: number;
  versions: Versions;
  scene: Omit<SceneOptions, 'heard' | 'heardElsewhere'>;
}

/** A retained announcement comes with the subscription. */
const LISTEN_MS = 15_000;

const tell = answerCalls(handlers);

function all(): Fleet {
  if (!fleet) throw new RangeError('the fleet has not been made');
  return fleet;
}

function of(numbers: readonly number[]): VirtualDevice[] {
  return numbers.map((number) => all().devices[number]!);
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
