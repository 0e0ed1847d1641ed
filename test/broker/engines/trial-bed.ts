/** A release that waits for its trial, and records about it. */
import { objectDigest, type Product, productArgs } from '@countersign/broker/ledger/contract/args';
import { type TrialProfile, type TrialRecord, trialArgs } from '@countersign/broker/ledger/contract/trial-args';
import { type Manifest, utf8 } from '@countersign/device-sdk/format';
import type { ExecutionContext } from 'ava';
import {
  act,
  newRelease,
  PRODUCT,
  PRODUCT_OBJECT,
  sha256,
  type TestRelease,
  type tx,
  type World,
} from '../ledger-world.ts';
import type { Engine } from './engine.ts';

export const REQUIRED = { devices: 3, successPercent: 90 };
const BASE = { digest: sha256(utf8('image 0')), bytes: 40_000 };

/** From one base, and the full image. */
export const BRANCHES: Manifest['branches'] = [BASE, undefined].map((base, i) => ({
  ...(base && { base }),
  payload: { bytes: 2_000, chainHead: sha256(utf8(`chain ${i}`)), frameBytes: 1024, frameCount: 2 },
  memoryClass: 'M' as const,
  workspaceBytes: 8192,
}));

/** A release of a product with this rule, uploaded by alice. */
export async function uploaded(
  t: ExecutionContext,
  engine: Engine,
  requireTrial: typeof REQUIRED | undefined,
  oneSlot?: Product['oneSlot'],
) {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  const { alice, bob } = world.people;
  await act(world, alice!, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, requireTrial, oneSlot }));
  const release = await newRelease(world, 1, undefined, { branches: BRANCHES });
  await act(world, alice!, 'upload', release.leaf, release.args);
  return { world, release, alice: alice!, bob: bob! };
}

export function profile(change: Partial<TrialProfile> = {}): TrialProfile {
  return { hardware: 'A', baseDigest: BASE.digest, devices: 10, outcomes: [{ code: 'OK', count: 10 }], ...change };
}

export function recordOf({ leaf }: TestRelease, change: Partial<TrialRecord> = {}): TrialRecord {
  return {
    releaseLeaf: leaf,
    sequence: 1,
    seed: 'seed-1',
    faults: { lossPpm: 30_000, liePpm: 0, powerCut: 400 },
    profiles: [profile(), profile({ baseDigest: null })],
    logDigest: sha256(utf8('log')),
    ...change,
  };
}

export const failing = (failed: number, code = 'SELF_TEST_FAILED') =>
  profile({
    outcomes: [
      { code: 'OK', count: 10 - failed },
      { code, count: failed },
    ],
  });

export const trialObject = (leaf: Uint8Array) => objectDigest(sha256, 'trial', leaf);

export async function send(world: World, signer: Parameters<typeof tx>[0], record: TrialRecord) {
  return act(world, signer, 'trial', trialObject(record.releaseLeaf), trialArgs(record));
}
