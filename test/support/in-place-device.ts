/**
 * A whole device, with one slot or with two, from the announcement to its report, with the power cut on the way: it always comes back,
 * the image is the old or the new one and never half of both, and in the end it is the new one.
 */
import { type Direction, readWholeHeader } from '@countersign/device-sdk/delta';
import { hex, outcomeOf } from '@countersign/device-sdk/format';
import { CUT_PHASES, type CutPhase } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import type { ExecutionContext } from 'ava';
import { image } from './delta.ts';
import { type PocketRelease, PocketServer, verifier } from './pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from './pocket-device.ts';

const { sha256 } = verifier;

export interface InPlacePair {
  old: Uint8Array;
  fresh: Uint8Array;
  memoryClass: 'M' | 'L';
  pageBytes: number;
  options: PocketDeviceOptions;
}

export interface InPlaceScene extends InPlacePair {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  direction: Direction | undefined;
}

export async function inPlaceScene(pair: InPlacePair): Promise<InPlaceScene> {
  const server = await PocketServer.create(pair.memoryClass);
  const first = await server.publish(pair.old);
  const making = { bases: [first], checkpointBytes: pair.pageBytes, inPlace: pair.options.oneSlot !== undefined };
  const second = await server.publish(pair.fresh, making);
  const [frame] = server.frames(second.manifest.branches[0]!.payload);
  return { ...pair, server, first, second, direction: readWholeHeader(frame!).inPlace };
}

export function deviceOf(s: InPlaceScene): PocketDevice {
  s.server.reports.length = 0;
  s.server.gone = false;
  return new PocketDevice(s.server, s.first, s.options);
}

/** Operations of the undisturbed run after provisioning, and the first of them that the boot stage does. */
export async function dryRun(s: InPlaceScene): Promise<{ from: number; boot: number; to: number }> {
  const device = deviceOf(s);
  const { power } = device.hardware;
  const from = power.operations;
  let boot = 0;
  device.told = ({ kind }) => {
    if (kind === 'restart') boot = power.operations;
  };
  await device.start();
  return { from, boot, to: power.operations };
}

/** @param again a second cut so many operations behind the first, where it is still on the way */
export async function cutOnce(
  t: ExecutionContext,
  s: InPlaceScene,
  operation: number,
  phase: CutPhase,
  again?: number,
): Promise<void> {
  const device = deviceOf(s);
  const { power } = device.hardware;
  power.cutAt(operation, phase);
  if (again !== undefined) device.cutAgain = [again];
  const cuts = await device.startThroughCuts();
  const where = `operation ${operation}, ${phase}`;
  t.true(cuts >= 1, where);
  demandUpdated(t, s, device, where);
}

export function demandUpdated(t: ExecutionContext, s: InPlaceScene, device: PocketDevice, where: string): void {
  t.is(hex(sha256(device.runningImage(s.fresh.length))), hex(sha256(s.fresh)), where);
  const { state } = device.device!;
  t.is(state.running.sequence, 2, where);
  t.is(state.floor, 2, where);
  t.is(state.inPlace, undefined, where);
  const last = s.server.reports.at(-1);
  t.is(last && outcomeOf(last), 'updated', where);
  t.is(state.outbox.length, 0, where);
}

/**
 * A cut at every operation of the update in each phase, or at every `stride`-th in one phase, by turns.
 * @returns the number of cuts
 */
export async function cutEverywhere(t: ExecutionContext, s: InPlaceScene, stride?: number): Promise<number> {
  const { from, boot, to } = await dryRun(s);
  t.true(boot > from && to > boot, 'the boot stage writes');
  let cuts = 0;
  for (let operation = from; operation < to; operation += stride ?? 1) {
    const phases = stride === undefined ? CUT_PHASES : [CUT_PHASES[((operation / stride) % 3) | 0]!];
    for (const phase of phases) {
      await cutOnce(t, s, operation, phase);
      cuts++;
    }
  }
  return cuts;
}

/** Two releases of a sample, in place, with the address prediction of its CPU. */
export async function cutSample(
  t: ExecutionContext,
  product: string,
  from: string,
  to: string,
  stride: number,
): Promise<void> {
  const scene = await inPlaceScene({
    old: readSample(product, from),
    fresh: readSample(product, to),
    memoryClass: 'L',
    pageBytes: 16_384,
    options: {
      oneSlot: {
        ...{ writeBytes: 8, eraseBytes: 4096, slotBytes: 131_072, scratchBytes: 16_384, stagingBytes: 32_768 },
        ...{ storeBytes: 32_768, workspaceBytes: 16_384 },
      },
      ports: { workspace: new Uint8Array(16_384), memoryClass: 'L' },
    },
  });
  const { from: first, to: last } = await dryRun(scene);
  t.log(`${scene.direction}, ${last - first} operations, ${await cutEverywhere(t, scene, stride)} cuts`);
}

const base = image(9_300, 3);
const grown = new Uint8Array([...image(700, 9), ...base]).map((byte, i) => (i % 701 === 0 ? byte ^ 1 : byte));
const small = { memoryClass: 'M', pageBytes: 4096, options: { oneSlot: {} } } as const;
/** An image that grows at its front, and back. */
export const SMALL_PAIRS: Record<'backward' | 'forward', InPlacePair> = {
  backward: { ...small, old: base, fresh: grown },
  forward: { ...small, old: grown, fresh: base },
};
