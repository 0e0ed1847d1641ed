/**
 * An A/B update, or a revert, with a power cut at every operation: the old or the new image, never neither, and it
 * finishes afterwards.
 */
import { outcomeOf } from '@countersign/device-sdk/format';
import { type BoardOptions, CUT_PHASES, type CutPhase } from '@countersign/device-sdk/rig';
import type { ExecutionContext } from 'ava';
import { changed, image } from './hostile.ts';
import { type PocketRelease, PocketServer, verifier } from './pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from './pocket-device.ts';

const { sha256 } = verifier;
/** Of each image. */
const BYTES = 9000;

interface Scene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  options: PocketDeviceOptions;
}

async function scene(board: Partial<BoardOptions>, passes: boolean): Promise<Scene> {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  // A checkpoint every 4 KB, so that resuming is on the path.
  const second = await server.publish(changed(first.image, 5), { bases: [first], checkpointBytes: 4096 });
  return { server, first, second, options: { board, passes: (version) => passes || version === '1.0.0' } };
}

/** Operations of the undisturbed run after provisioning. */
async function dryRun(s: Scene): Promise<{ from: number; to: number }> {
  const device = new PocketDevice(s.server, s.first, s.options);
  const from = device.board.power.operations;
  await device.start();
  s.server.reports.length = 0;
  return { from, to: device.board.power.operations };
}

async function cutAt(
  t: ExecutionContext,
  s: Scene,
  operation: number,
  phase: CutPhase,
  passes: boolean,
): Promise<void> {
  const device = new PocketDevice(s.server, s.first, s.options);
  s.server.reports.length = 0;
  device.board.power.cutAt(operation, phase);
  const cuts = await device.startThroughCuts();
  const where = `operation ${operation}, ${phase}`;
  t.is(cuts, 1, where);
  const running = device.runningImage(BYTES);
  t.deepEqual(sha256(running), sha256(passes ? s.second.image : s.first.image), where);
  t.is(device.device!.state.running.sequence, passes ? 2 : 1, where);
  const last = s.server.reports.at(-1);
  t.is(last && outcomeOf(last), passes ? 'updated' : 'reverted', where);
  t.is(device.device!.state.outbox.length, 0, where);
}

/**
 * Cuts the power at every operation, one life each.
 * @param everyPhase each operation before, during and after; or one of these, by turns
 * @returns the number of cuts
 */
export async function cutEverywhere(
  t: ExecutionContext,
  board: Partial<BoardOptions>,
  passes: boolean,
  everyPhase: boolean,
): Promise<number> {
  const s = await scene(board, passes);
  const { from, to } = await dryRun(s);
  t.true(to - from > 15);
  let cuts = 0;
  for (let operation = from; operation < to; operation++) {
    for (const phase of everyPhase ? CUT_PHASES : [CUT_PHASES[operation % 3]!]) {
      await cutAt(t, s, operation, phase, passes);
      cuts++;
    }
  }
  return cuts;
}
