/**
 * A release of two components with the power cut at every operation: whatever the loader boots, both components are of
 * one release. And it finishes afterwards.
 */
import { outcomeOf } from '@countersign/device-sdk/format';
import { type BoardOptions, CUT_PHASES, type CutPhase } from '@countersign/device-sdk/rig';
import type { ExecutionContext } from 'ava';
import { type PocketRelease, PocketServer, verifier } from './pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from './pocket-device.ts';

const { sha256 } = verifier;
export const APP_BYTES = 9000;
export const RADIO_BYTES = 5000;
export const image = (bytes: number, seed: number) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 5) * 3) & 0xff);
export const changed = (base: Uint8Array, at: number) => base.map((byte, i) => (i % 997 === at ? byte ^ 0x5a : byte));

export interface ComponentScene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  options: PocketDeviceOptions;
  passes: boolean;
}

/** @param radio what the second release has for a radio; left out: another one */
export async function componentScene(
  board: Partial<BoardOptions>,
  passes: boolean,
  radio: 'changes' | 'stays' = 'changes',
): Promise<ComponentScene> {
  const server = await PocketServer.create('M');
  const old = image(RADIO_BYTES, 7);
  const first = await server.publish(image(APP_BYTES, 3), { components: { radio: old } });
  // A checkpoint every 4 KB, so that resuming is on the path.
  const components = { radio: radio === 'changes' ? changed(old, 9) : old };
  const second = await server.publish(changed(first.image, 5), { bases: [first], components, checkpointBytes: 4096 });
  return { server, first, second, options: { board, passes: (version) => passes || version === '1.0.0' }, passes };
}

/** The release whose components lie in these slots, all of them. */
export function releaseIn({ board }: PocketDevice, slot: 0 | 1, releases: readonly PocketRelease[]): number {
  const lies = (flash: { dump(at: number, length: number): Uint8Array }, wanted: Uint8Array) =>
    Buffer.from(flash.dump(0, wanted.length)).equals(wanted);
  return releases.findIndex(
    (release) =>
      lies(board.slots[slot], release.image) &&
      (board.slots.components ?? []).every(({ id, slots }) => lies(slots[slot], release.components[id]!)),
  );
}

/** Operations of the undisturbed run after provisioning. */
async function dryRun(s: ComponentScene): Promise<{ from: number; to: number }> {
  const device = new PocketDevice(s.server, s.first, s.options);
  const from = device.board.power.operations;
  await device.start();
  s.server.reports.length = 0;
  return { from, to: device.board.power.operations };
}

async function cutAt(t: ExecutionContext, s: ComponentScene, operation: number, phase: CutPhase): Promise<void> {
  const where = `operation ${operation}, ${phase}`;
  const device = new PocketDevice(s.server, s.first, s.options);
  const releases = [s.first, s.second];
  s.server.reports.length = 0;
  device.jumped = (slot) => t.not(releaseIn(device, slot, releases), -1, `${where}: a mix of releases was booted`);
  device.board.power.cutAt(operation, phase);
  t.is(await device.startThroughCuts(), 1, where);
  t.is(releaseIn(device, device.board.boot.record.good, releases), s.passes ? 1 : 0, where);
  t.is(device.device!.state.running.sequence, s.passes ? 2 : 1, where);
  const last = s.server.reports.at(-1)!;
  t.is(outcomeOf(last), s.passes ? 'updated' : 'reverted', where);
  const runs = s.passes ? s.second : s.first;
  t.deepEqual(
    last.components?.map(({ digest }) => digest),
    [sha256(runs.components.radio!)],
    where,
  );
  t.is(device.device!.state.outbox.length, 0, where);
}

/**
 * Cuts the power at every operation, or at every `stride`th, in each phase, one life each.
 * @returns the number of cuts
 */
export async function cutComponents(t: ExecutionContext, s: ComponentScene, stride = 1): Promise<number> {
  const { from, to } = await dryRun(s);
  t.true(to - from > 25, `${to - from} operations`);
  let cuts = 0;
  for (let operation = from; operation < to; operation += stride)
    for (const phase of CUT_PHASES) {
      await cutAt(t, s, operation, phase);
      cuts++;
    }
  t.log(`${to - from} operations, ${cuts} cuts`);
  return cuts;
}
