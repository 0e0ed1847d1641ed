/** The scene of most attacks on a device: it runs release 1, release 2 is published, and it has not heard of it. */
import type { Code } from '@countersign/device-sdk';
import { ANNOUNCE } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import type { Found, Ground, Variant } from './attack.ts';
import { PocketServer, type RootChange } from './pocket/publisher.ts';
import type { PocketRelease, PublishOptions } from './pocket/release.ts';
import type { Birth, Look } from './port/port.ts';
import { type Lie, Victim } from './victim.ts';

export interface Scene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  victim: Victim;
  before: Look;
}

export interface SceneOptions {
  root?: RootChange;
  birth?: Partial<Birth>;
  /** Of the second release. */
  publish?: PublishOptions;
  /** Before the first release is published. */
  begins?: (server: PocketServer) => unknown;
  /** Before the second release is published. */
  first?: (server: PocketServer) => unknown;
  image?: Uint8Array;
  /** Of the first release, further components by id: the device has them, too. */
  components?: Readonly<Record<string, Uint8Array>>;
  /** It has taken release 2, so that release 1 is old. */
  updated?: boolean;
}

/** How long a device may think about one message: questions are answered at once, retries come within seconds. */
const PATIENCE_MS = 20_000;

export const image = (seed: number, bytes = 3000): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 5) * 3) & 0xff);

/** Bytes that do not compress: a payload of as many frames as there are kilobytes. */
export const NOISE = new Prng('noise').bytes(9_000);

export const changed = (base: Uint8Array, at: number): Uint8Array =>
  base.map((byte, i) => (i % 97 === at ? byte ^ 0x5a : byte));

export async function makeScene(ground: Ground, options: SceneOptions = {}): Promise<Scene> {
  const server = await PocketServer.create('M', options.root);
  server.pageBytes = ground.port.pageBytes;
  await options.begins?.(server);
  const first = await server.publish(image(3), options.components && { components: options.components });
  const victim = await Victim.born(ground.port, server, first, options.birth);
  ground.after(() => ground.port.close());
  victim.lie = silent;
  await options.first?.(server);
  await victim.boot();
  const second = await server.publish(options.image ?? changed(first.image, 5), { bases: [first], ...options.publish });
  if (options.updated) {
    await victim.hear(await server.announcement());
    await victim.pass(PATIENCE_MS);
    if ((await victim.look()).sequence !== 2) throw new RangeError(`release 2 was not taken: ${victim.codes}`);
  }
  const before = await victim.look();
  victim.codes = [];
  return { server, first, second, victim, before };
}

/** The server says nothing of its own accord: whatever the device hears of is the adversary's. */
export const silent: Lie = (answer) => (answer.kind === ANNOUNCE ? { ...answer, announcement: null } : answer);

/** What of a device an attack must leave alone. */
type Watched = 'slot' | 'running' | 'other' | 'trial' | 'sequence' | 'floor' | 'root' | 'head' | 'failed';

function watched(look: Look): Record<Watched, unknown> {
  const { slot, slots, components = {}, trial, sequence, floor, rootVersion, headSize, headRoot, failed } = look;
  const other = slot === 0 ? 1 : 0;
  const all = (number: 0 | 1) => [slots, ...Object.values(components)].map((pair) => pair[number]).join(' ');
  return {
    ...{ slot, trial, sequence, floor, failed },
    running: all(slot),
    other: all(other),
    root: rootVersion,
    head: `${headSize} ${headRoot}`,
  };
}

/** What is not as it was, in words. */
export function harmOf(before: Look, now: Look, spare: readonly Watched[] = []): string | undefined {
  const [was, is] = [watched(before), watched(now)];
  const moved = (Object.keys(was) as Watched[]).filter((key) => !spare.includes(key) && was[key] !== is[key]);
  return moved.length === 0
    ? undefined
    : `changed: ${moved.map((key) => `${key} ${was[key]} → ${is[key]}`).join(', ')}`;
}

export async function found({ victim, before }: Scene, spare: readonly Watched[] = []): Promise<Found> {
  const harm = harmOf(before, await victim.look(), spare);
  return { harm: victim.faults[0] ? `the device stopped: ${victim.faults[0]}` : harm, codes: victim.codes };
}

export interface HeardOptions extends SceneOptions {
  /** What may change without harm. */
  spare?: readonly Watched[];
  /** After the first answer. */
  passMs?: number;
}

/** The device is made to hear these bytes as an announcement; nothing of it may change. */
export function heard(
  how: string,
  expect: Code | 'held',
  make: (scene: Scene) => Uint8Array | Promise<Uint8Array>,
  options: HeardOptions = {},
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const scene = await makeScene(ground, options);
      await scene.victim.hear(await make(scene));
      await scene.victim.pass(options.passMs ?? PATIENCE_MS);
      return found(scene, options.spare);
    },
  };
}

/** The device hears the true announcement of release 2, and every answer passes through the adversary. */
export function lied(
  how: string,
  expect: Code | 'held',
  make: (scene: Scene) => Lie,
  options: HeardOptions = {},
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const scene = await makeScene(ground, options);
      const lie = make(scene);
      scene.victim.lie = (answer, request) =>
        answer.kind === ANNOUNCE ? silent(answer, request) : lie(answer, request);
      await scene.victim.hear(await scene.server.announcement());
      await scene.victim.pass(options.passMs ?? PATIENCE_MS);
      return found(scene, options.spare ?? ['head', 'other']);
    },
  };
}

/** Whether the device still takes what is true, once the attack is over: an attack may not lock it out. */
export async function recovers({ victim, server }: Scene, sequence: number): Promise<string | undefined> {
  victim.lie = (answer) => answer;
  victim.online = true;
  await victim.boot();
  await victim.pass(2 * 3_600_000, () => false);
  const now = (await victim.look()).sequence;
  return now === sequence ? undefined : `the true release ${server.releases.length} was not taken afterwards`;
}
