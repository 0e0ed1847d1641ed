/** The life of a device in one process, told in codes and bytes: run bundled as it is, and bundled for a small device. */
import { EVERY_DECODER } from '@countersign/device-sdk/decoders';
import { outcomeOf } from '@countersign/device-sdk/format';
import { PocketServer, verifier } from './pocket.ts';
import { PocketDevice } from './pocket-device.ts';

const image = Uint8Array.from({ length: 9000 }, (_, i) => (i * 3 + (i >> 5) * 3) & 0xff);
const changed = (at: number) => image.map((byte, i) => (i % 997 === at ? byte ^ 0x5a : byte));
const told: unknown[] = [];

const server = await PocketServer.create('M');
const first = await server.publish(image);
const device = new PocketDevice(server, first, { ports: { decoders: EVERY_DECODER } });
const second = await server.publish(changed(5), { bases: [first] });
const payloads = second.manifest.branches.map(({ payload }) => server.frames(payload));
for (const frames of payloads) for (const frame of frames) frame[3]! ^= 1;
await device.start();
tell();
for (const frames of payloads) for (const frame of frames) frame[3]! ^= 1;
await device.start();
tell();
for (const bytes of [[], [0x80], [0x85, 1, 2], [0xd8, 0x6b, 0xa0], [0xa1, 0x18, 1, 1]].map((list) =>
  Uint8Array.from(list),
)) {
  device.link!.events!.announcement(bytes);
  device.link!.events!.command(bytes);
  device.link!.events!.answer(bytes);
  await device.settle();
}
tell();
await server.publish(changed(7), { change: { classId: new Uint8Array(16) } });
await device.start();
tell();
const containers = { delta: Uint8Array.of(0x43, 0x53, 0x44, 9) };
await server.publish(changed(9), { bases: [second], containers, workspaceBytes: 4096 });
await device.start();
tell();
console.log(JSON.stringify(told));

function tell(): void {
  const { running, floor, head } = device.device!.state;
  const slot = Buffer.from(verifier.sha256(device.runningImage(9000))).toString('hex');
  told.push([device.codes(), server.reports.map(outcomeOf), running.sequence, floor, head.size, slot]);
}
