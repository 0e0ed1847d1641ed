/** A device with one slot that waits for its owner's restart: its trial is taken back while nothing has been written. */
import { ABORTED, outcomeOf } from '@countersign/device-sdk/format';
import test from 'ava';
import { image } from '../support/delta.ts';
import { PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

test('a trial that waits for its restart is taken back, the old image stays, and a reopened rollout goes on', async (t) => {
  const server = await PocketServer.create('M');
  const base = image(9_300, 3);
  const fresh = new Uint8Array([...image(700, 9), ...base]);
  const first = await server.publish(base);
  const device = new PocketDevice(server, first, { oneSlot: {} });
  const making = { bases: [first], checkpointBytes: 4096, inPlace: true };
  const second = await server.publish(fresh, { ...making, policy: 3 });
  await device.start();
  t.is(device.device!.state.pending?.phase, 'trial');
  await server.roll(second, ABORTED);
  device.link!.events!.announcement(await server.announcement());
  await device.settle();
  t.is(device.device!.state.pending?.phase, 'staged');
  t.deepEqual(server.reports.map(outcomeOf), ['trial', 'refused']);
  t.is(server.reports[1]!.code, 'NOT_OPEN');

  await device.start();
  t.is(device.device!.state.running.sequence, 1);
  t.is(Buffer.compare(device.runningImage(base.length), base), 0, 'the boot stage has written nothing');

  await server.roll(second);
  await device.start();
  t.is(device.device!.state.pending?.phase, 'trial', 'what was staged is still there');
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
  t.is(Buffer.compare(device.runningImage(fresh.length), fresh), 0);
});
