/**
 * The trial of one branch before anyone signs: a virtual board with the base image runs the true device code, which
 * verifies, fetches, applies, boots, tests itself and confirms; then again with the power cut at seeded moments. An
 * outside judge looks into the flash afterwards.
 */

import { Device, type DeviceEvent, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { CLASS_BYTES } from '@countersign/device-sdk/delta';
import { equal, framesBytes, hex, readManifest } from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { provisionStore } from '@countersign/device-sdk/provision';
import {
  type Board,
  boardFactory,
  bootPasses,
  bootRegion,
  CUT_PHASES,
  findDescriptor,
  GEOMETRIES,
  type OneSlotBoard,
  oneSlotBoardFactory,
  otherSlot,
  PowerCut,
  Prng,
  restart,
} from '@countersign/device-sdk/rig';
import type { TrialJob } from '../branch.ts';
import type { TrialSummary } from '../prepared.ts';
import { secondsSince } from '../seconds.ts';
import { BENCH_TIME, trialRelease } from './authority.ts';
import { BenchTimer, benchLink } from './bench.ts';

/** Restarts of one device: trial, confirmation, one power cut and the boots around it. More means it never settles. */
const BOOTS_MAX = 8;
/** The journal of a device: twice what its state takes. */
const STORE_BYTES = 32_768;

/** @throws Refusal TRIAL_RIG with what went wrong, where nothing may be signed */
export async function tryBranch(job: TrialJob): Promise<TrialSummary> {
  const start = performance.now();
  try {
    checkDescriptor(job);
    const run = await bench(job);
    const hardware = [...job.bench.hardware];
    const operations = await run(hardware[0]!, 0);
    for (const other of hardware.slice(1)) await run(other, 0);
    const cuts = isHeld(job) ? job.bench.cuts : 0;
    const random = new Prng('trial', hex(job.payload.chainHead));
    for (let cut = 0; cut < cuts; cut++) {
      const phase = CUT_PHASES[cut % CUT_PHASES.length]!;
      await run(hardware[cut % hardware.length]!, cut + 1, { operation: random.below(operations), phase });
    }
    return { operations, cuts, hardware, seconds: secondsSince(start) };
  } catch (cause) {
    if (cause instanceof Refusal && cause.code === 'TRIAL_RIG') throw cause;
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new Refusal('TRIAL_RIG', `the trial of the branch from ${job.baseName} failed: ${said}`, { cause });
  }
}

/** With one slot a device takes what its staging area holds. Anything larger it must refuse, and stay as it is. */
function isHeld({ oneSlot, payload }: TrialJob): boolean {
  return !oneSlot || framesBytes(payload) <= oneSlot.stagingBytes;
}

/** An image with a descriptor must be what it is published as. One without a descriptor is taken at its word. */
function checkDescriptor({ image, product, version }: TrialJob): void {
  const found = findDescriptor(image);
  if (!found) return;
  const named = found.product === product;
  demand(named, 'TRIAL_RIG', `the image says it is ${found.product}, it is published as ${product}`);
  const labelled = version === undefined || found.version === version;
  demand(labelled, 'TRIAL_RIG', `the image says it is version ${found.version}, it is published as ${version}`);
}

type Cut = Parameters<Board['power']['cutAt']>;
type AnyBoard = Board | OneSlotBoard;
type End = 'confirmed' | 'restart' | 'refused';
type Run = (hardware: string, seed: number, cut?: { operation: Cut[0]; phase: Cut[1] }) => Promise<number>;

/** Everything the runs share. A run returns how many operations on flash and boot record it took. */
async function bench(job: TrialJob): Promise<Run> {
  const verifier = remembering(nodeVerifier());
  const identity = nodeKeyStore(-19, generateKeyPair(-19).secret);
  const deviceId = verifier.sha256(identity.publicKey).slice(0, 16);
  const imageId = (image: Uint8Array) => ({ digest: verifier.sha256(image), bytes: image.length });
  const components = job.components?.map(({ id, running }) => ({ id, ...imageId(running) }));
  const factory = { ...imageId(job.running), ...(components && { components }) };
  const { announcement, provision } = await trialRelease(verifier, job.manifest, factory, deviceId);
  const { memoryClass, payload, frames } = job;
  const { sequence } = readManifest(job.manifest);
  const board = boards(job, verifier);
  const expected: End = isHeld(job) ? 'confirmed' : 'refused';

  return async (hardware, seed, cut) => {
    const one = board('trial', hex(payload.chainHead), seed);
    provisionStore(one.store, verifier, provision);
    const before = one.power.operations;
    if (cut) one.power.cutAt(before + cut.operation, cut.phase);
    await live(one, hardware);
    demand(!one.power.armed, 'TRIAL_RIG', 'the power was never cut');
    expected === 'refused' ? judgeKept(one, job) : judge(one, job, hardware);
    return one.power.operations - before;
  };

  /** Boots until the new release is confirmed, or refused where it has to be. */
  async function live(one: AnyBoard, hardware: string): Promise<void> {
    for (let boots = 0; boots < BOOTS_MAX; boots++) {
      const ended = await boot(one, hardware);
      if (ended === expected) return;
    }
    throw new Refusal('TRIAL_RIG', `not settled after ${BOOTS_MAX} boots`);
  }

  /** One life of the device, from power to restart or power cut. */
  async function boot(one: AnyBoard, hardware: string): Promise<End> {
    const timer = new BenchTimer();
    let ended: 'restart' | 'refused' | undefined;
    let failed: unknown;
    const on = (event: DeviceEvent): void => {
      if (event.kind === 'restart') ended = 'restart';
      if (event.kind === 'refused' && event.code === 'NO_STAGING' && expected === 'refused') ended = 'refused';
      else if (event.kind === 'refused')
        failed ??= new Refusal('TRIAL_RIG', `the device refused: ${event.code} ${event.text}`);
      if (event.kind === 'fault') failed ??= event.error;
      if (event.kind === 'stage' && event.code !== 'OK')
        failed ??= new Refusal('TRIAL_RIG', `${event.stage}: ${event.code}`);
    };
    const selfTest = async (): Promise<boolean> => {
      const passes = bootPasses(one.boot.booted, hardware);
      if (!passes) failed ??= new Refusal('TRIAL_RIG', `the self-test fails on hardware revision ${hardware}`);
      return passes;
    };
    let device: Device | undefined;
    try {
      restart(one);
      device = new Device({
        verifier,
        keys: identity,
        slots: one.slots,
        store: one.store,
        boot: one.boot,
        link: benchLink(timer, announcement, [{ payload, frames }, ...(job.others ?? [])]),
        timer,
        entropy: { random: (bytes) => new Uint8Array(bytes) },
        clock: { now: () => BENCH_TIME },
        health: { selfTest, deadlineMs: 60_000 },
        workspace: new Uint8Array(CLASS_BYTES[memoryClass]),
        decoders: EVERY_DECODER,
        memoryClass,
        on,
      });
      const started = await settle(timer, device.start());
      if (failed !== undefined) throw failed;
      if (started === 'restart') return 'restart';
      if (device.state.running.sequence === sequence && device.state.floor === sequence) return 'confirmed';
      await timer.runUntil(() => ended !== undefined || failed !== undefined || one.power.off);
      if (failed !== undefined) throw failed;
      return ended ?? 'restart';
    } catch (error) {
      if (error instanceof PowerCut || one.power.off) return 'restart';
      throw error;
    } finally {
      await device?.stop().catch(() => {});
    }
  }
}

/** Boards boot dozens of times with one trust root: each of its keys is checked once. Half of a trial's time else. */
function remembering(verifier: Verifier): Verifier {
  const checked = new Set<string>();
  const checkKey = (alg: number, publicKey: Uint8Array): void => {
    const name = `${alg} ${hex(publicKey)}`;
    if (!checked.has(name)) verifier.checkKey(alg, publicKey);
    checked.add(name);
  };
  return { ...verifier, checkKey };
}

/** Start may wait for timers of its own (the self-test's deadline). */
async function settle<T>(timer: BenchTimer, work: Promise<T>): Promise<T> {
  let settled = false;
  const end = () => {
    settled = true;
  };
  work.then(end, end);
  await timer.runUntil(() => settled);
  return work;
}

/** What lies in the flash, read past the device's own code. */
function judge(one: AnyBoard, { image, running, components = [] }: TrialJob, hardware: string): void {
  const booted = restart(one);
  const { slot, trial } = booted;
  const held = bootRegion(one).dump(0, image.length);
  demand(equal(held, image), 'TRIAL_RIG', 'the slot that boots does not hold the new image');
  demand(!trial, 'TRIAL_RIG', 'the new image is still on trial after it was confirmed');
  demand(bootPasses(booted, hardware), 'TRIAL_RIG', `the self-test fails on hardware ${hardware}`);
  if ('slot' in one.slots) return;
  const old = one.slots[otherSlot(slot)].dump(0, running.length);
  demand(equal(old, running), 'TRIAL_RIG', 'the old slot was written to');
  for (const [i, { id, image: fresh, running: before }] of components.entries()) {
    const { slots } = one.slots.components![i]!;
    const there = equal(slots[slot].dump(0, fresh.length), fresh);
    demand(there, 'TRIAL_RIG', `the slot of ${id} that boots does not hold the new image`);
    const kept = equal(slots[otherSlot(slot)].dump(0, before.length), before);
    demand(kept, 'TRIAL_RIG', `the old slot of ${id} was written to`);
  }
}

/** A branch that no staging area of the class holds has left the image alone. */
function judgeKept(one: AnyBoard, { running }: TrialJob): void {
  restart(one);
  const kept = equal(bootRegion(one).dump(0, running.length), running);
  demand(kept, 'TRIAL_RIG', 'the slot was written to, and the staging area is too small for the branch');
}

function boards(job: TrialJob, verifier: Verifier): (...seed: (string | number)[]) => AnyBoard {
  const { bench: options, slotBytes, running: image, oneSlot, memoryClass } = job;
  const common = { ...GEOMETRIES[options.geometry], slotBytes, storeBytes: STORE_BYTES, image };
  const components = job.components?.map(({ id, slotBytes: bytes, running }) => ({
    id,
    slotBytes: bytes,
    image: running,
  }));
  if (!oneSlot) return boardFactory({ ...common, ...(components && { components }) });
  const { pageBytes, stagingBytes } = oneSlot;
  const workspaceBytes = CLASS_BYTES[memoryClass];
  return oneSlotBoardFactory({ ...common, scratchBytes: pageBytes, stagingBytes, workspaceBytes, verifier });
}
