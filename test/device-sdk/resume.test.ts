/** What a restart costs: a device that lost its power asks for the rest of a delta, and for its model section. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { readWholeHeader } from '@countersign/device-sdk/delta';
import { type Answer, FRAMES, type Payload } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { programs } from '../support/code.ts';
import { image as noise } from '../support/delta.ts';
import { type PocketRelease, PocketServer, type PublishOptions } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const CHECKPOINT_BYTES = 4096;
/** Many functions that have moved: the model section is longer than the shortest frames. */
const linked = programs('thumb', 2000, 5);
const { old } = linked;

/** A release with something new in every few kilobytes, so that its delta has frames to count. */
function scattered(base: Uint8Array): Uint8Array {
  const fresh = base.slice();
  for (let at = 1500; at + 40 < fresh.length; at += 1200) fresh.set(noise(40, at), at);
  return fresh;
}
const fresh = scattered(linked.fresh);

const SHAPE = { class: 'L', checkpointBytes: CHECKPOINT_BYTES } as const;
const { delta } = makeDelta(old, fresh, SHAPE);

interface Setting {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  device: PocketDevice;
  /** Indices of the frames that were sent, in order; emptied by the test. */
  sent: number[];
}

async function setting(frameBytes: number): Promise<Setting> {
  const server = await PocketServer.create('L');
  const first = await server.publish(old);
  const second = await server.publish(fresh, predicted(server, first, frameBytes));
  const device = new PocketDevice(server, first, {
    board: { writeBytes: 8, eraseBytes: CHECKPOINT_BYTES, slotBytes: 262_144, storeBytes: 32_768 },
    ports: { workspace: new Uint8Array(16_384), memoryClass: 'L' },
  });
  return { server, first, second, device, sent: [] };
}

/** The one delta, in frames of this size: fitting its model takes the encoder seconds. */
function predicted(server: PocketServer, base: PocketRelease, frameBytes: number): PublishOptions {
  const full = server.branch(makeFull(fresh, SHAPE).delta);
  return { change: { branches: [server.branch(delta, base.manifest.image, frameBytes), full] } };
}

const untouched = new WeakMap<PocketServer, PocketServer['answers']>();

/** Watches frames go out; at the frame `cutAt` the power goes at the device's next operation on its flash. */
function watch({ server, device, sent }: Setting, cutAt: number): void {
  const answers = untouched.get(server) ?? server.answers.bind(server);
  untouched.set(server, answers);
  let cut = false;
  server.answers = async (bytes: Uint8Array): Promise<Answer[]> => {
    const given = await answers(bytes);
    for (const answer of given) {
      if (answer.kind !== FRAMES) continue;
      sent.push(answer.index);
      if (cut || answer.index < cutAt) continue;
      cut = true;
      device.board.power.cutAt(device.board.power.operations + 1, 'during');
    }
    return given;
  };
}

/** Starts the device, which loses its power at that frame; leaves it off. @returns the frame that its journal names */
async function cutShort(t: ExecutionContext, all: Setting, cutAt: number): Promise<number> {
  const { device } = all;
  watch(all, cutAt);
  await t.throwsAsync(device.start(), { any: true });
  const progress = device.device!.state.pending!.progress!;
  await device.device!.stop();
  device.device = undefined;
  device.board.power.restorePower();
  return progress.frameIndex;
}

function payloadOf({ second }: Setting): Payload {
  return second.manifest.branches[0]!.payload;
}

/** Frames that hold a byte of header or model section. */
function leadOf(all: Setting): number {
  const { headerBytes, modelBytes } = readWholeHeader(all.server.frames(payloadOf(all))[0]!);
  return Math.ceil((headerBytes + modelBytes) / payloadOf(all).frameBytes);
}

const upTo = (from: number, end: number): number[] => Array.from({ length: end - from }, (_, i) => from + i);

for (const [frameBytes, part, lead] of [
  [256, 0.9, 'several frames'],
  [1024, 0.9, 'the first frame'],
] as const) {
  test(`behind a cut the rest is fetched and the model section in ${lead}, at ${frameBytes} bytes`, async (t) => {
    const all = await setting(frameBytes);
    const { frameCount } = payloadOf(all);
    // A few frames are on their way at once: the device has had some less than were sent.
    const from = await cutShort(t, all, Math.floor(part * frameCount));
    t.true(from > 0.5 * frameCount && from < part * frameCount, `frame ${from} of ${frameCount}`);
    t.is(leadOf(all) > 1, frameBytes === 256);
    all.sent.length = 0;
    await all.device.start();
    t.deepEqual(all.sent, [...upTo(0, leadOf(all)), ...upTo(from, frameCount)]);
    t.is(Buffer.compare(all.device.runningImage(fresh.length), fresh), 0);
    t.log(`${all.sent.length} of ${frameCount} frames, ${leadOf(all)} of them for the model section`);
  });
}

test('a first frame that holds model section and checkpoint is not fetched twice', async (t) => {
  const all = await setting(4096);
  const { frameCount } = payloadOf(all);
  const from = await cutShort(t, all, 1);
  t.is(from, 0);
  all.sent.length = 0;
  await all.device.start();
  t.deepEqual(all.sent, upTo(0, frameCount));
  t.is(Buffer.compare(all.device.runningImage(fresh.length), fresh), 0);
});

test('a second cut behind the model section costs the model section again and nothing more', async (t) => {
  const all = await setting(256);
  const { frameCount } = payloadOf(all);
  const from = await cutShort(t, all, Math.floor(0.7 * frameCount));
  all.sent.length = 0;
  // The same again, as soon as the first frame behind the model section has been sent.
  t.is(await cutShort(t, all, from), from);
  t.deepEqual(all.sent.slice(0, leadOf(all) + 1), [...upTo(0, leadOf(all)), from]);
  all.sent.length = 0;
  await all.device.start();
  t.deepEqual(all.sent, [...upTo(0, leadOf(all)), ...upTo(from, frameCount)]);
  t.is(Buffer.compare(all.device.runningImage(fresh.length), fresh), 0);
});

test('between model section and rest the link may fall silent', async (t) => {
  const all = await setting(256);
  const { frameCount } = payloadOf(all);
  const from = await cutShort(t, all, Math.floor(0.7 * frameCount));
  const { answers } = all.server;
  all.server.answers = async (bytes) =>
    (await answers(bytes)).filter((answer) => answer.kind !== FRAMES || answer.index < from);
  await all.device.start();
  t.true(all.device.codes().includes('LINK_LOST'));
  t.is(all.device.device!.state.pending!.progress!.frameIndex, from);
  all.server.answers = answers;
  await all.device.device!.stop();
  all.device.device = undefined;
  await all.device.start();
  t.is(Buffer.compare(all.device.runningImage(fresh.length), fresh), 0);
});

test('a release that comes instead is fetched from its first frame', async (t) => {
  const all = await setting(256);
  const { server, first, device, sent } = all;
  const { frameCount } = payloadOf(all);
  await cutShort(t, all, Math.floor(0.7 * frameCount));
  const image = fresh.with(700, fresh[700]! ^ 1);
  const third = await server.publish(image, { bases: [first], checkpointBytes: CHECKPOINT_BYTES });
  sent.length = 0;
  await device.start();
  t.deepEqual(sent, upTo(0, third.manifest.branches[0]!.payload.frameCount));
  t.is(Buffer.compare(device.runningImage(image.length), image), 0);
});

test('a lying server gains nothing: neither by another model section nor by another frame at the jump', async (t) => {
  for (const lie of ['lead', 'jump'] as const) {
    const all = await setting(256);
    const { frameCount } = payloadOf(all);
    const from = await cutShort(t, all, Math.floor(0.7 * frameCount));
    const { answers } = all.server;
    const wrong = lie === 'lead' ? 1 : from;
    all.server.answers = async (bytes) =>
      (await answers(bytes)).map((answer) =>
        answer.kind === FRAMES && answer.index === wrong
          ? { ...answer, frame: answer.frame.with(5, answer.frame[5]! ^ 1) }
          : answer,
      );
    await all.device.start();
    t.true(all.device.codes().includes('BAD_FRAME'), lie);
    t.is(all.device.device!.state.running.sequence, 1);
    t.is(all.device.device!.state.pending!.progress!.frameIndex, from, 'what was fetched is kept');
    await all.device.device!.stop();
    all.device.device = undefined;
    all.server.answers = answers;
    await all.device.start();
    t.is(Buffer.compare(all.device.runningImage(fresh.length), fresh), 0);
  }
});
