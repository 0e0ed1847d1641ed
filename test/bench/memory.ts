/**
 * RAM of a device by memory class and stage: what it must hold at once, counted while the true SDK takes an update of a
 * sample, beside the most that formats and class allow. Code, stack and the link's own buffers come besides.
 *   node test/dist/bench/memory.js
 */
import { CLASS_BYTES, CLASSES, type MemoryClass } from '@countersign/device-sdk/delta';
import {
  ANNOUNCE,
  ANNOUNCEMENT_BYTES_MAX,
  ANSWER_BYTES_MAX,
  type Answer,
  encodeAnswer,
  FRAME_BYTES,
  FRAMES,
  ROOT_BYTES_MAX,
  readRequest,
} from '@countersign/device-sdk/format';
import { Journal, WINDOW_FRAMES } from '@countersign/device-sdk/install';
import { readSample } from '@countersign/firmware-samples';
import { bench } from '../support/bench.ts';
import { PocketServer } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const [OLD, NEW] = ['1.0.1', '1.1.0'].map((version) => readSample('sensor-node', version)) as [Uint8Array, Uint8Array];
const PROOF_BYTES = 32;

/** The largest of its kind that was on the way, or in use, at one moment. */
interface Counted {
  announcement: number;
  answer: number;
  window: number;
  delta: number;
  full: number;
  state: number;
  root: number;
}

const row = bench('class', 'stage', 'what', 'bytes', 'bytes_max');
for (const name of CLASSES) {
  for (const [stage, what, bytes, most] of rowsOf(name, await count(name))) row(name, stage, what, bytes, most);
}

function rowsOf(name: MemoryClass, c: Counted): [stage: string, what: string, bytes: number, most: number | ''][] {
  const [frame, limit] = [FRAME_BYTES[name] + PROOF_BYTES, CLASS_BYTES[name]];
  const verify = c.announcement + c.root + c.answer + c.state;
  const apply = c.window + Math.max(c.delta, c.full) + c.state;
  return [
    ['always', 'state: head, identity, releases, failures, reports', c.state, ''],
    ['verify', 'announcement', c.announcement, ANNOUNCEMENT_BYTES_MAX],
    ['verify', 'trust root', c.root, ROOT_BYTES_MAX],
    ['verify', 'largest proof that was asked for', c.answer, ANSWER_BYTES_MAX],
    ['verify', 'together', verify, ''],
    ['fetch', `frames in flight: ${c.window / frame} of ${frame} bytes`, c.window, WINDOW_FRAMES * frame],
    ['apply', 'workspace of the delta', c.delta, limit],
    ['apply', 'workspace of the full image', c.full, limit],
    ['fetch and apply', 'together', apply, ''],
  ];
}

async function count(name: MemoryClass): Promise<Counted> {
  const server = await PocketServer.create(name);
  const first = await server.publish(OLD);
  const workspace = new Uint8Array(CLASS_BYTES[name]);
  const ports = { workspace, memoryClass: name };
  const device = new PocketDevice(server, first, { ports, board: { slotBytes: 131_072, storeBytes: 32_768 } });
  const { manifest } = await server.publish(NEW, { bases: [first] });
  const [delta, full] = manifest.branches.map(({ workspaceBytes }) => workspaceBytes);
  const counted = {
    announcement: (await server.announcement()).length,
    answer: 0,
    window: 0,
    delta: delta!,
    full: full!,
  };
  const answers = server.answers.bind(server);
  server.answers = async (bytes) => {
    const request = readRequest(bytes);
    const given: Answer[] = await answers(bytes);
    const most = Math.max(...given.map((answer) => encodeAnswer(answer).length));
    if (request.kind === FRAMES) {
      const inFlight = request.count * (FRAME_BYTES[name] + PROOF_BYTES);
      counted.window = Math.max(counted.window, inFlight);
    } else if (request.kind !== ANNOUNCE) counted.answer = Math.max(counted.answer, most);
    return given;
  };
  await device.start();
  if (device.device!.state.running.sequence !== 2) throw new Error(`class ${name} did not take the update`);
  const root = server.rootBytes.length;
  return { ...counted, state: Journal.open(device.board.store).bytesUsed - root, root };
}
