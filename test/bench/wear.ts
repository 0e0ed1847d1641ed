/**
 * What one update costs the flash, by path and geometry: erases of slots and of the store, of the block that has most of
 * them, and bytes written. The true SDK on the rig; no random part, so every run gives the same.
 *   node test/dist/bench/wear.js
 */
import { CLASS_BYTES } from '@countersign/device-sdk/delta';
import { FlashRegion, GEOMETRIES, type Wear, WearMeter } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import { bench } from '../support/bench.ts';
import { PocketServer, rotate } from '../support/pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from '../support/pocket-device.ts';

const [OLD, NEW] = ['1.0.1', '1.1.0'].map((version) => readSample('sensor-node', version)) as [Uint8Array, Uint8Array];
const SLOT_BYTES = 131_072;
const STORE_BYTES = 32_768;
const PAGE_BYTES = 16_384;

/** What a path publishes, and where it does it. */
interface Path {
  oneSlot?: boolean;
  full?: boolean;
  fails?: boolean;
  rotations?: number;
  nothing?: boolean;
}

const PATHS: Record<string, Path> = {
  'two slots, delta': {},
  'two slots, full image': { full: true },
  'two slots, delta that is reverted': { fails: true },
  'two slots, delta behind four trust roots': { rotations: 4 },
  'one slot, delta': { oneSlot: true },
  'a start with nothing new': { nothing: true },
};

const columns = ['erases', 'worst_block', 'written_bytes'];
const row = bench(
  'path',
  'geometry',
  'operations',
  ...columns.map((c) => `slots_${c}`),
  ...columns.map((c) => `store_${c}`),
);
for (const [name, path] of Object.entries(PATHS)) {
  for (const [where, geometry] of Object.entries(GEOMETRIES)) row(name, where, ...(await wearOf(path, geometry)));
}

async function wearOf(path: Path, geometry: { writeBytes: number; eraseBytes: number }): Promise<number[]> {
  const server = await PocketServer.create('L');
  const first = await server.publish(OLD);
  const birth = server.provision(first, new Uint8Array(16).fill(7));
  for (let i = 0; i < (path.rotations ?? 0); i++) await rotate(server);
  const bases = path.full ? [] : [first];
  if (!path.nothing) {
    await server.publish(NEW, { bases, inPlace: path.oneSlot ?? false, checkpointBytes: PAGE_BYTES });
  }
  const device = new PocketDevice(server, first, { ...optionsOf(path, geometry), birth });
  const { slots, store, power } = device.hardware;
  const meters = regionsOf(slots).map((region) => new WearMeter(region));
  const stored = new WearMeter(store);
  const before = power.operations;
  await device.start();
  const sequence = device.device!.state.running.sequence;
  if (sequence !== (path.fails || path.nothing ? 1 : 2)) throw new Error(`it runs release ${sequence}`);
  const all = meters.map((meter) => meter.read());
  return [power.operations - before, ...cells(together(all)), ...cells(stored.read())];
}

function optionsOf(
  { oneSlot, fails }: Path,
  geometry: { writeBytes: number; eraseBytes: number },
): PocketDeviceOptions {
  const storeBytes = Math.max(STORE_BYTES, 2 * geometry.eraseBytes);
  const parts = { ...geometry, slotBytes: SLOT_BYTES, storeBytes };
  const workspaceBytes = CLASS_BYTES.L;
  const ports = { workspace: new Uint8Array(workspaceBytes), memoryClass: 'L' as const };
  const passes = (version: string) => !fails || version === '1.0.0';
  if (!oneSlot) return { ports, passes, board: parts };
  return { ports, passes, oneSlot: { ...parts, scratchBytes: PAGE_BYTES, stagingBytes: 65_536, workspaceBytes } };
}

function regionsOf(slots: object): FlashRegion[] {
  return Object.values(slots).filter((part) => part instanceof FlashRegion);
}

function together(all: readonly Wear[]): Wear {
  const sum = (of: (wear: Wear) => number) => all.reduce((total, wear) => total + of(wear), 0);
  const worst = Math.max(...all.map((wear) => wear.worst));
  return { erases: sum(({ erases }) => erases), worst, written: sum(({ written }) => written) };
}

function cells({ erases, worst, written }: Wear): number[] {
  return [erases, worst, written];
}
