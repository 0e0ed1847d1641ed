/**
 * What a device with one slot makes of deltas that were signed and are bad anyway: each is refused while the old image is
 * whole. A signature says who made a delta, not that it is right.
 */
import { makeDelta } from '@countersign/broker/delta/index';
import type { DeltaHeader } from '@countersign/device-sdk/delta';
import { readWholeHeader } from '@countersign/device-sdk/delta';
import { outcomeOf } from '@countersign/device-sdk/format';
import test, { type ExecutionContext } from 'ava';
import { byHand, copyFrom, image, insert, number, token } from '../support/delta.ts';
import { type PocketRelease, PocketServer } from '../support/pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from '../support/pocket-device.ts';

const base = image(9_300, 3);
const fresh = new Uint8Array([...image(700, 9), ...base]);
const BLOCK = 4096;
const made = { class: 'M', inPlace: true, checkpointBytes: BLOCK } as const;
const good = makeDelta(base, fresh, made).delta;

interface Tried {
  device: PocketDevice;
  server: PocketServer;
  second: PocketRelease;
  /** What applying a branch ended with, one after another. */
  applied: string[];
}

/** A device that is offered one delta, and a full image that its staging area holds or not. */
async function offer(delta: Uint8Array, options: PocketDeviceOptions): Promise<Tried> {
  const server = await PocketServer.create('M');
  const first = await server.publish(base);
  const containers = { delta };
  const second = await server.publish(fresh, {
    bases: [first],
    containers,
    checkpointBytes: BLOCK,
    workspaceBytes: 1000,
  });
  const device = new PocketDevice(server, first, options);
  const applied: string[] = [];
  device.told = (event) => {
    if (event.kind === 'stage' && event.stage === 'apply') applied.push(event.code);
  };
  await device.start();
  return { device, server, second, applied };
}

const header = (flags: number, checkpointBits = 12) => ({ flags, checkpointBits, memoryClass: 1 });
const literally = (bytes: Uint8Array) => insert(...bytes);
const rest = (from: number) => [...literally(fresh.subarray(from, 2 * BLOCK)), ...literally(fresh.subarray(2 * BLOCK))];

const hostile: [why: string, delta: Uint8Array, code: string][] = [
  ['its direction is flipped', flipped(good), 'BAD_DELTA'],
  [
    'a copy reads what the block before has written over',
    byHand(base, fresh, header(4), [
      ...literally(fresh.subarray(0, BLOCK)),
      ...[...copyFrom(100, BLOCK - 1), ...token(100), ...rest(BLOCK + 100)],
    ]),
    'BAD_DELTA',
  ],
  [
    'its last block is cut short',
    byHand(base, fresh, header(4), [...literally(fresh.subarray(0, BLOCK)), ...number(4 * 100 + 2), 1, 2, 3]),
    'BAD_DELTA',
  ],
  [
    'it makes another image, and only the end of it differs',
    byHand(base, fresh, header(4), [
      ...literally(fresh.subarray(0, BLOCK)),
      ...literally(fresh.subarray(BLOCK, 2 * BLOCK)),
      ...literally(fresh.subarray(2 * BLOCK).map((byte, i) => (i === 1000 ? byte ^ 1 : byte))),
    ]),
    'RESULT_MISMATCH',
  ],
  [
    'backward, it makes another image, and only its end differs, which is made first',
    byHand(base, fresh, header(6), [
      ...literally(fresh.subarray(2 * BLOCK).map((byte, i) => (i === 1000 ? byte ^ 1 : byte))),
      ...literally(fresh.subarray(BLOCK, 2 * BLOCK)),
      ...literally(fresh.subarray(0, BLOCK)),
    ]),
    'RESULT_MISMATCH',
  ],
  [
    'backward, it makes another image, and only the first byte differs, which is made in the last block',
    byHand(base, fresh, header(6), [
      ...literally(fresh.subarray(2 * BLOCK)),
      ...literally(fresh.subarray(BLOCK, 2 * BLOCK)),
      ...literally(fresh.subarray(0, BLOCK).with(0, fresh[0]! ^ 1)),
    ]),
    'RESULT_MISMATCH',
  ],
  [
    'its pages are larger than the scratch page',
    byHand(base, fresh, header(4, 13), [
      ...literally(fresh.subarray(0, 2 * BLOCK)),
      ...literally(fresh.subarray(2 * BLOCK)),
    ]),
    'NO_STAGING',
  ],
  ['it was made for two slots', makeDelta(base, fresh, { class: 'M', checkpointBytes: BLOCK }).delta, 'UNSUPPORTED'],
  ['it is from another base', otherBase(), 'WRONG_BASE'],
];

for (const [why, delta, code] of hostile) {
  test(`one slot: ${why}: refused twice, then the full image is taken`, async (t) => {
    const { device, second, applied } = await offer(delta, { oneSlot: {} });
    t.deepEqual(applied, [code, code, 'OK']);
    demandRuns(t, device, fresh, second.manifest.sequence);
  });
}

test('one slot: where nothing but the bad delta fits the staging area, the old image stays to the last byte', async (t) => {
  const { device, applied } = await offer(flipped(good), { oneSlot: { stagingBytes: 4096 } });
  t.deepEqual(applied, ['BAD_DELTA', 'BAD_DELTA']);
  t.true(device.codes().includes('NO_STAGING'));
  demandRuns(t, device, base, 1);
});

test('two slots: a delta for one slot is refused, and the full image is taken', async (t) => {
  const { device, second, applied } = await offer(good, {});
  t.deepEqual(applied, ['UNSUPPORTED', 'UNSUPPORTED', 'OK']);
  demandRuns(t, device, fresh, second.manifest.sequence);
});

test('one slot: a byte that changes in the staging area before the boot stage costs a fetch, not the image', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(base);
  await server.publish(fresh, { bases: [first], checkpointBytes: BLOCK, inPlace: true });
  const device = new PocketDevice(server, first, { oneSlot: {} });
  let restarts = 0;
  device.told = ({ kind }) => {
    if (kind === 'restart' && restarts++ === 0) device.one!.slots.staging.corrupt(40, 1);
  };
  await device.start();
  t.is(restarts, 2);
  demandRuns(t, device, fresh, 2);
  const told = server.reports.map((report) => `${outcomeOf(report)} ${report.code}`);
  t.deepEqual(told, ['trial OK', 'refused BAD_FRAME', 'trial OK', 'updated OK'], 'and somebody hears of it');
});

function demandRuns(t: ExecutionContext, device: PocketDevice, expected: Uint8Array, sequence: number): void {
  t.is(Buffer.compare(device.runningImage(expected.length), expected), 0);
  t.is(device.device!.state.running.sequence, sequence);
  t.is(device.device!.state.pending, undefined);
}

/** The other direction, in a container that says the truth about everything else. */
function flipped(container: Uint8Array): Uint8Array {
  const { inPlace }: DeltaHeader = readWholeHeader(container);
  return container.with(4, inPlace === 'backward' ? 4 : 6);
}

/** Of the same size, so that only its tag tells. */
function otherBase(): Uint8Array {
  return makeDelta(base.with(9000, base[9000]! ^ 1), fresh, made).delta;
}
