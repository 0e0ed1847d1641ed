/**
 * A delta with address prediction, checkpoints on its way, on the images of the sample product: power cut before, during
 * and after operations all over the update. Where it stopped it goes on, behind the model section that it reads again.
 */
import { readWholeHeader } from '@countersign/device-sdk/delta';
import { CUT_PHASES, type CutPhase, Prng } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { type PocketRelease, PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const CUTS = 24;

function device(server: PocketServer, first: PocketRelease): PocketDevice {
  return new PocketDevice(server, first, {
    board: { writeBytes: 8, eraseBytes: 4096, slotBytes: 131_072, storeBytes: 32_768 },
    ports: { workspace: new Uint8Array(16_384), memoryClass: 'L' },
  });
}

test('an update by a predicted delta survives cuts, and goes on from its checkpoints', async (t) => {
  const server = await PocketServer.create('L');
  const first = await server.publish(readSample('sensor-node', '1.0.1'));
  const image = readSample('sensor-node', '1.1.0');
  const second = await server.publish(image, { bases: [first], checkpointBytes: 16_384 });
  const [branch] = second.manifest.branches;
  const [frame] = server.frames(branch!.payload);
  t.true(readWholeHeader(frame!).predictor > 0, 'the delta of this test has a model section');

  const dry = device(server, first);
  const from = dry.board.power.operations;
  await dry.start();
  const operations = dry.board.power.operations - from;
  const random = new Prng('predicted');
  let late = 0;
  let resumed = 0;
  for (let i = 0; i < CUTS; i++) {
    const operation = from + random.below(operations);
    const phase: CutPhase = CUT_PHASES[i % CUT_PHASES.length]!;
    const one = device(server, first);
    one.board.power.cutAt(operation, phase);
    t.is(await one.startThroughCuts(), 1, `operation ${operation}, ${phase}`);
    t.is(Buffer.compare(one.runningImage(image.length), image), 0, `operation ${operation}, ${phase}`);
    t.is(one.device!.state.running.sequence, 2);
    // Behind half of the update at least one checkpoint has passed: what came after the cut must be less than all of it.
    if (operation - from < operations / 2) continue;
    late++;
    if (one.board.power.operations - operation < 0.9 * operations) resumed++;
  }
  t.true(late > 6);
  t.is(resumed, late, `${resumed} of ${late} late cuts went on from a checkpoint`);
  t.log(`${CUTS} cuts among ${operations} operations, ${late} of them late`);
});
