/**
 * A device with one slot holds a container, whole or in part, when something else is announced. What lies in the staging
 * area is proven by the chain of the branch it came by, and by no other.
 */
import {
  ABORTED,
  type Answer,
  FRAMES,
  hex,
  OPEN,
  type Payload,
  REFUSED,
  readRequest,
} from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { image } from '../support/delta.ts';
import { type PocketRelease, PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const base = image(9_300, 3);
const fresh = new Uint8Array([...image(700, 9), ...base]);
/** With this frame of the full image the first ones of it are in the flash, and the last ones have not come. */
const MANY = 6;
/** Everything but a restart of its own: a trial waits. */
const WAITS = 3;
const other = { rolloutId: new Uint8Array(16).fill(9) };
const making = (bases: PocketRelease[]) => ({ bases, checkpointBytes: 4096, inPlace: true, policy: WAITS });

class Scene {
  readonly server: PocketServer;
  readonly device: PocketDevice;
  readonly first: PocketRelease;
  readonly second: PocketRelease;
  /** Chain heads that frames were asked of since {@link asked} was called, and the first frame of each question. */
  #asked: string[] = [];
  readonly firsts: number[] = [];
  /** The server has lost the delta. */
  lost = false;
  /** At this frame the power goes, once. */
  cutAt = Number.POSITIVE_INFINITY;

  constructor(server: PocketServer, first: PocketRelease, second: PocketRelease) {
    this.server = server;
    this.first = first;
    this.second = second;
    this.device = new PocketDevice(server, first, { oneSlot: {} });
    const answers = server.answers.bind(server);
    server.answers = (bytes: Uint8Array) => this.#answer(bytes, answers);
  }

  static async open(withDelta = true): Promise<Scene> {
    const server = await PocketServer.create('M');
    const first = await server.publish(base);
    return new Scene(server, first, await server.publish(fresh, making(withDelta ? [first] : [])));
  }

  get delta(): Payload {
    return this.second.manifest.branches[0]!.payload;
  }

  get full(): Payload {
    return this.second.manifest.branches.at(-1)!.payload;
  }

  asked(): string[] {
    return [...new Set(this.#asked.splice(0))];
  }

  /** Another rollout of a release, on the way to a device that is on. */
  async announce(release: PocketRelease, state = OPEN, change = {}): Promise<void> {
    await this.server.roll(release, state, change);
    this.device.link!.events!.announcement(await this.server.announcement());
    await this.device.settle();
  }

  async #answer(bytes: Uint8Array, answers: (bytes: Uint8Array) => Promise<Answer[]>): Promise<Answer[]> {
    const request = readRequest(bytes);
    if (request.kind !== FRAMES) return answers(bytes);
    const { id, chainHead, first } = request;
    this.#asked.push(hex(chainHead));
    this.firsts.push(first);
    if (this.lost && hex(chainHead) === hex(this.delta.chainHead))
      return [{ id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 }];
    const given = await answers(bytes);
    if (given.some((answer) => answer.kind === FRAMES && answer.index >= this.cutAt)) {
      this.cutAt = Number.POSITIVE_INFINITY;
      const { power } = this.device.one!;
      power.cutAt(power.operations + 1, 'during');
    }
    return given;
  }
}

function demandRuns(t: ExecutionContext, { device }: Scene, expected: Uint8Array, sequence: number): void {
  t.is(device.device!.state.running.sequence, sequence);
  t.is(device.device!.state.pending, undefined);
  t.is(Buffer.compare(device.runningImage(expected.length), expected), 0);
}

test('staged whole, it keeps its own chain under a rollout that would have chosen another branch', async (t) => {
  const scene = await Scene.open();
  const { device, delta, full, second } = scene;
  scene.lost = true;
  await device.start();
  t.deepEqual(
    device.device!.state.pending!.chainHead,
    full.chainHead,
    'the delta was lost, so the full image is staged',
  );
  t.deepEqual(scene.asked(), [hex(delta.chainHead), hex(full.chainHead)]);
  await scene.announce(second, ABORTED);
  t.is(device.device!.state.pending!.phase, 'staged');

  scene.lost = false;
  await scene.server.roll(second, OPEN, other);
  await device.start();
  const { pending, inPlace } = device.device!.state;
  t.is(pending!.phase, 'trial');
  t.deepEqual(pending!.rolloutId, other.rolloutId);
  t.deepEqual(pending!.chainHead, full.chainHead);
  t.is(inPlace!.bytes, full.bytes, 'chain and sizes are of one container');
  t.deepEqual(scene.asked(), [], 'nothing is fetched again');
  await device.start();
  demandRuns(t, scene, fresh, 2);
});

test('staged whole and spoilt since, it is dropped, and the branch of the new rollout is fetched', async (t) => {
  const scene = await Scene.open();
  const { device, delta, full, second } = scene;
  scene.lost = true;
  await device.start();
  t.deepEqual(device.device!.state.pending!.chainHead, full.chainHead);
  await scene.announce(second, ABORTED);
  device.one!.slots.staging.corrupt(full.bytes - 1, 1);

  scene.lost = false;
  scene.asked();
  await scene.server.roll(second, OPEN, other);
  await device.start();
  const { pending, inPlace } = device.device!.state;
  t.deepEqual(pending!.chainHead, delta.chainHead);
  t.is(inPlace!.bytes, delta.bytes);
  t.deepEqual(scene.asked(), [hex(delta.chainHead)]);
  await device.start();
  demandRuns(t, scene, fresh, 2);
});

test('staged whole, and a newer release is announced: the old container is nothing to the new one', async (t) => {
  const scene = await Scene.open();
  const { device, server, first } = scene;
  await device.start();
  t.is(device.device!.state.pending!.phase, 'trial');
  t.deepEqual(device.device!.state.pending!.chainHead, scene.delta.chainHead);

  const newer = new Uint8Array([...base.subarray(0, 5000), ...image(300, 11), ...base.subarray(5000)]);
  const third = await server.publish(newer, making([first]));
  device.link!.events!.announcement(await server.announcement());
  await device.settle();
  const { pending, inPlace } = device.device!.state;
  t.is(pending!.sequence, 3);
  t.is(pending!.phase, 'trial');
  t.is(inPlace!.bytes, third.manifest.branches[0]!.payload.bytes);
  t.deepEqual(pending!.chainHead, third.manifest.branches[0]!.payload.chainHead);
  t.is(Buffer.compare(device.runningImage(base.length), base), 0, 'the boot stage has written nothing');
  await device.start();
  demandRuns(t, scene, newer, 3);
});

for (const [what, withDelta] of [
  ['the same branch, it is gone on with', false],
  ['another branch, it is begun anew', true],
] as const) {
  test(`staged in part, under a new rollout that chooses ${what}`, async (t) => {
    const scene = await Scene.open(withDelta);
    const { device, delta, full, second } = scene;
    scene.lost = withDelta;
    scene.cutAt = MANY;
    await t.throwsAsync(device.start(), { any: true });
    const { progress, chainHead } = device.device!.state.pending!;
    t.deepEqual(chainHead, full.chainHead);
    t.true(progress!.frameIndex > 0 && progress!.frameIndex < full.frameCount);
    await device.device!.stop();
    device.device = undefined;
    device.one!.power.restorePower();

    scene.lost = false;
    scene.firsts.length = 0;
    await scene.server.roll(second, OPEN, other);
    await device.start();
    const { pending, inPlace } = device.device!.state;
    t.is(pending!.phase, 'trial');
    t.is(scene.firsts[0], withDelta ? 0 : progress!.frameIndex);
    t.deepEqual(pending!.chainHead, withDelta ? delta.chainHead : full.chainHead);
    t.is(inPlace!.bytes, withDelta ? delta.bytes : full.bytes);
    await device.start();
    demandRuns(t, scene, fresh, 2);
  });
}
