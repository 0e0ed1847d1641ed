import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  asArray,
  asUint,
  COMMAND_ASK,
  COMMAND_RETRY,
  commandValue,
  decode,
  encode,
  ID_BYTES,
  type Signer,
  signStatement,
} from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../store/durable.ts';
import type { DeliveryPort } from './delivery/port.ts';
import { readIfThere } from './files.ts';
import { serial } from './serial.ts';

/** Counters are reserved on disk this many at a time: one flush for so many commands, and a crash skips the rest. */
const RESERVE = 1000;

/**
 * Commands to single devices. One counter for all of them, so it rises for each; a crash may leave a gap in it but can
 * never give a number twice.
 * @returns sends one command: the counter it got. @throws Refusal LINK_LOST, BUSY
 */
export async function openCommands(
  verifier: Verifier,
  signer: Signer,
  delivery: DeliveryPort,
  dir: string,
): Promise<(deviceId: Uint8Array, command: number) => Promise<number>> {
  await makeFolder(dir);
  const path = join(dir, 'command-counter.cbor');
  let reserved = await recall(path);
  let last = reserved;
  const inOrder = serial();

  return (deviceId, command) => {
    if (deviceId.length !== ID_BYTES) throw new RangeError(`a device id has ${ID_BYTES} bytes`);
    if (command !== COMMAND_ASK && command !== COMMAND_RETRY) throw new RangeError(`${command} is not a command`);
    return inOrder(async () => {
      const counter = await next();
      const value = commandValue({ deviceId, counter, command });
      await delivery.send(deviceId, 'cmd', await signStatement(verifier.sha256, 'cmd', value, signer));
      return counter;
    });
  };

  async function next(): Promise<number> {
    if (last === reserved) {
      await writeDurable(path, encode([1, reserved + RESERVE]));
      reserved += RESERVE;
    }
    return ++last;
  }
}

async function recall(path: string): Promise<number> {
  const bytes = await readIfThere(path);
  if (!bytes) return 0;
  const [version, counter] = asArray(decode(bytes), 'command counter', 2);
  demand(version === 1, 'BAD_STORE', `${path}: version ${String(version)}`);
  return asUint(counter, 'command counter');
}
