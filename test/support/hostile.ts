/** What a hostile network does to a pocket device: other answers, floods, waiting. */
import { setImmediate as later } from 'node:timers/promises';
import { type Answer, type Request, readRequest } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import { PocketServer } from './pocket.ts';
import type { PocketDevice } from './pocket-device.ts';

export const image = (seed: number, bytes = 9000): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 5) * 3) & 0xff);

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** A publisher and the release that devices leave the factory with. */
export async function world() {
  const server = await PocketServer.create('M');
  return { server, first: await server.publish(image(3)) };
}

/** Of the release that a device runs. */
export const sequence = (device: PocketDevice): number => device.device!.state.running.sequence;

/** Bytes that do not compress. */
export function noise(bytes: number): Uint8Array {
  const random = new Prng('noise');
  return random.bytes(bytes);
}

export const changed = (base: Uint8Array, at: number): Uint8Array =>
  base.map((byte, i) => (i % 997 === at ? byte ^ 0x5a : byte));

/** Lets this much pocket time pass, with everything that is due in it. */
export async function pass(device: PocketDevice, ms: number): Promise<void> {
  const end = device.time.now + ms;
  for (let idle = 0; idle < 3; ) {
    await later();
    idle = device.time.now < end && device.time.step(end - device.time.now) ? 0 : idle + 1;
  }
  device.time.now = Math.max(device.time.now, end);
}

/** Bytes that are no announcement, different each time. */
export const junk = (i: number): Uint8Array => Uint8Array.of(0x86, 1, i & 0xff, (i >> 8) & 0xff, 0, 0, 0);

/** Every answer passes through `change` for as long as the returned switch is on. */
export function lying(
  server: PocketServer,
  change: (answer: Answer, request: Request) => Answer | Answer[],
): { on: boolean; told: number } {
  const honest = server.answers.bind(server);
  const lies = { on: true, told: 0 };
  server.answers = async (bytes) => {
    const answers = await honest(bytes);
    if (!lies.on) return answers;
    const request = readRequest(bytes);
    return answers.flatMap((answer) => {
      const said = change(answer, request);
      if (said !== answer) lies.told++;
      return said;
    });
  };
  return lies;
}
