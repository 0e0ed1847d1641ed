/** The same pairs of firmware on devices with two slots and with one, there and back: where the power may go. */
import { readSample } from '@countersign/firmware-samples';
import type { ExecutionContext } from 'ava';
import { cutEverywhere, dryRun, type InPlacePair, inPlaceScene } from './in-place-device.ts';

export const SAMPLE_PAIRS = [
  ['pump-monitor', '3.0.1', '3.1.0'],
  ['sensor-node', '1.0.1', '1.1.0'],
  ['valve-controller', '2.0.0', '2.0.1'],
] as const;

export const LAYOUTS = ['two slots', 'one slot'] as const;
export type Layout = (typeof LAYOUTS)[number];

const PAGE_BYTES = 16_384;
const FLASH = { writeBytes: 8, eraseBytes: 4096, storeBytes: 32_768 };

export function pairOn(layout: Layout, old: Uint8Array, fresh: Uint8Array, stagingBytes = 131_072): InPlacePair {
  // One for each pair: tests of one file run side by side.
  const ports = { workspace: new Uint8Array(16_384), memoryClass: 'L' } as const;
  const flash = { ...FLASH, slotBytes: Math.max(old.length, fresh.length) };
  const oneSlot = { ...flash, scratchBytes: PAGE_BYTES, stagingBytes, workspaceBytes: 16_384 };
  const options = layout === 'one slot' ? { ports, oneSlot } : { ports, board: flash };
  return { old, fresh, memoryClass: 'L', pageBytes: PAGE_BYTES, options };
}

export function samplePair(
  [product, from, to]: (typeof SAMPLE_PAIRS)[number],
  back: boolean,
): [Uint8Array, Uint8Array] {
  const [old, fresh] = [readSample(product, from), readSample(product, to)];
  return back ? [fresh, old] : [old, fresh];
}

/**
 * @param most cuts, spread over the update and its phases; left out: every operation, before, during and after
 * @returns the direction of a delta in place
 */
export async function cutPair(t: ExecutionContext, pair: InPlacePair, most?: number): Promise<string | undefined> {
  const scene = await inPlaceScene(pair);
  const { from, to } = await dryRun(scene);
  const stride = most === undefined ? undefined : Math.ceil((to - from) / most);
  const cuts = await cutEverywhere(t, scene, stride);
  t.log(`${scene.direction ?? 'beside'}, ${to - from} operations, ${cuts} cuts`);
  return scene.direction;
}
