/**
 * A running device under hostile messages on every way in, mutations of valid ones above all: no fault, no hang, nothing
 * that grows, nothing stored that was not proven; and the honest release is taken afterwards. Then its store with damage
 * of any kind. COUNTERSIGN_FUZZ_SECONDS lengthens the run (default 2, shared), COUNTERSIGN_FUZZ_SEED repeats one.
 */

import { Device, Refusal } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import {
  ackValue,
  commandValue,
  encodeAnswer,
  FRESHNESS,
  freshValue,
  leafHash,
  signStatement,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import test from 'ava';
import { changed, image, noise, pass } from '../support/hostile.ts';
import { Chance, mutate } from '../support/mutate.ts';
import { PocketServer, pocketLink, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const SECONDS = Number(process.env.COUNTERSIGN_FUZZ_SECONDS ?? 2);
const SEED = Number(process.env.COUNTERSIGN_FUZZ_SEED ?? 1);
/** One message with all that follows from it, on a loaded machine too. */
const MESSAGE_MS_MAX = 2_000;
/** Timers of a device at once: questions, rounds, schedule, limits. More would be something that grows. */
const TIMERS_MAX = 16;

const { sha256 } = verifier;
const keys = nodeKeyStore(-19, new Uint8Array(32).fill(42));

async function world() {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const device = new PocketDevice(server, first);
  const old = await server.announcement();
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  await device.start();
  return { server, device, old, second };
}

/** Counts the timers that wait. */
function countTimers(device: PocketDevice): () => number {
  const live = new Set<object>();
  const after = device.time.after.bind(device.time);
  device.time.after = (ms, call) => {
    const one = {};
    live.add(one);
    const cancel = after(ms, () => {
      live.delete(one);
      call();
    });
    return () => {
      live.delete(one);
      cancel();
    };
  };
  return () => live.size;
}

const stored = (device: PocketDevice): string => {
  const { root, ...rest } = device.device!.state;
  return JSON.stringify([root.root.version, rest]);
};

test.serial(
  'mutated, cut, replayed and misplaced messages change nothing, and the honest release is taken',
  async (t) => {
    const { server, device, old, second } = await world();
    const { deviceId } = device;
    const sign = (kind: 'cmd' | 'ack' | 'fresh' | 'login', value: Parameters<typeof signStatement>[2]) =>
      signStatement(sha256, kind, value, kind === 'login' ? keys : server.signers.command);
    const command = await sign('cmd', commandValue({ deviceId, counter: 1, command: 1 }));
    device.link!.events!.command(command);
    await pass(device, 1000);
    const current = await server.announcement();
    const third = await server.publish(changed(second.image, 6), { bases: [second] });
    const next = await server.announcement();
    const valid = [
      current,
      old,
      command,
      await sign('ack', ackValue({ deviceId, counter: 1, leafHash: leafHash(sha256, current) })),
      await sign('cmd', commandValue({ deviceId: new Uint8Array(16), counter: 9, command: 2 })),
      await sign('fresh', freshValue({ nonce: new Uint8Array(16), headDigest: sha256(current) })),
      await sign('login', [deviceId, 'pocket', 1]),
      third.leaf,
      third.block2,
      server.rollout,
      server.rootBytes,
      encodeAnswer({ id: 1, kind: FRESHNESS, statement: command }),
    ];
    const honest = server.answers;
    server.answers = async () => []; // honest answers would move the device on
    const before = stored(device);
    const timers = countTimers(device);
    const chance = new Chance(SEED);
    const end = performance.now() + (SECONDS * 1000) / 3;
    const { announcement, answer, command: cmd } = device.link!.events!;
    device.events.length = 0;
    let messages = 0;
    while (performance.now() < end) {
      const began = performance.now();
      const from = chance.below(3) === 0 ? next : valid[chance.below(valid.length)]!;
      const replayed = from !== next && chance.below(4) === 0;
      const bytes = replayed ? from : mutate(from, chance);
      if (Buffer.compare(bytes, next) === 0) continue; // the mutation undid itself
      [announcement, answer, cmd][chance.below(3)]!(bytes);
      await pass(device, chance.below(4000));
      messages++;
      if (performance.now() - began > MESSAGE_MS_MAX) t.fail(`more than ${MESSAGE_MS_MAX} ms`);
      if (timers() > TIMERS_MAX) t.fail(`${timers()} timers wait`);
      if (stored(device) !== before) t.fail(`the store has changed: ${Buffer.from(bytes).toString('hex')}`);
      if (device.events.length > 10_000) device.events.length = 0;
    }
    t.log(`${messages} messages`);
    t.true(messages > 20);
    t.false(device.events.some(({ kind }) => kind === 'fault'));
    server.answers = honest;
    server.time += Math.floor(device.time.now / 1000); // days have passed: the log has signed its head again
    announcement(await server.announcement());
    for (let minute = 0; minute < 90 && !device.board.boot.restartRequested; minute++) await pass(device, 60_000);
    await device.start();
    t.is(device.device!.state.running.sequence, 3);
  },
);

test.serial(
  'mutated answers to a device at work are never held against the release, and never reach a slot that boots',
  async (t) => {
    const server = await PocketServer.create('M');
    const first = await server.publish(image(3));
    const third = await server.publish(noise(12_000), { checkpointBytes: 4096 });
    const announced = await server.announcement();
    const chance = new Chance(SEED + 1);
    const end = performance.now() + (SECONDS * 1000) / 3;
    let answers = 0;
    let lives = 0;
    for (; lives === 0 || performance.now() < end; lives++) {
      server.reports.length = 0;
      const device = new PocketDevice(server, first, { clock: lives % 2 === 0, ports: { askSeconds: 600 } });
      const silent = server.answers;
      server.answers = async () => [];
      await device.start();
      server.answers = silent;
      const timers = countTimers(device);
      const { link } = device;
      const request = link!.request.bind(link);
      link!.request = async (bytes) => {
        for (const said of await server.answers(bytes)) {
          const honest = encodeAnswer(said);
          await null;
          answers++;
          link!.events?.answer(chance.below(2) ? honest : mutate(honest, chance));
        }
      };
      link!.events!.announcement(announced);
      for (let i = 0; i < 20 && !device.board.boot.restartRequested; i++) {
        await pass(device, 30_000);
        if (timers() > TIMERS_MAX) t.fail(`${timers()} timers wait`);
      }
      t.false(device.events.some(({ kind }) => kind === 'fault'));
      t.deepEqual(device.device!.state.failed, []);
      link!.request = request;
      for (let minute = 0; minute < 90 && !device.board.boot.restartRequested; minute++) await pass(device, 60_000);
      await device.start();
      t.is(device.device!.state.running.sequence, 2);
      t.deepEqual(device.runningImage(third.image.length), third.image);
      for (const [i, report] of server.reports.entries()) t.is(report.counter, i + 1);
    }
    t.log(`${lives} devices, ${answers} answers`);
  },
);

test.serial('a store with damage of any kind opens as it was at some time, or is refused as BAD_STATE', async (t) => {
  const { server, device } = await world();
  await device.device!.stop();
  const whole = device.board.store.dump();
  const chance = new Chance(SEED + 2);
  const end = performance.now() + (SECONDS * 1000) / 3;
  const outcomes = { opened: 0, refused: 0 };
  while (performance.now() < end) {
    const bytes = whole.slice();
    if (chance.below(4) === 0) bytes.fill(chance.below(2) ? 0xff : 0, chance.below(bytes.length));
    else for (let flips = 1 + chance.below(12); flips > 0; flips--) bytes[flip(chance, bytes)]! ^= 1 << chance.below(8);
    device.board.store.load(bytes);
    try {
      const opened = open(device, server);
      outcomes.opened++;
      const { running, floor } = opened.state;
      if (![1, 2].includes(running.sequence) || floor > 2) t.fail('the store opened as it never was');
      await opened.stop();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'BAD_STATE') t.fail(String(error));
      outcomes.refused++;
    }
  }
  t.log(outcomes);
  t.true(outcomes.opened > 0 && outcomes.refused > 0);
});

function open({ board, time }: PocketDevice, server: PocketServer): Device {
  return new Device({
    ...{
      verifier,
      keys,
      slots: board.slots,
      store: board.store,
      boot: board.boot,
      link: pocketLink(server),
      timer: time,
    },
    entropy: { random: (bytes) => new Uint8Array(bytes) },
    clock: { now: () => undefined },
    health: { selfTest: async () => true, deadlineMs: 1000 },
    workspace: new Uint8Array(8192),
    decoders: EVERY_DECODER,
    memoryClass: 'M',
  });
}

/** Most flips go to the places in use: in an erased rest they would prove nothing. */
function flip(chance: Chance, bytes: Uint8Array): number {
  for (let i = 0; i < 20; i++) {
    const at = chance.below(bytes.length);
    if (bytes[at] !== 0xff) return at;
  }
  return chance.below(bytes.length);
}
