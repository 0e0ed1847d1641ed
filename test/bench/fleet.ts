/**
 * A fleet over TCP: seconds from the operator's signature under the rollout until every device runs the new image and has
 * its report acknowledged; processor time and memory of both processes. Run after a build:
 *   node test/dist/bench/fleet.js [devices=300 ...]
 * The server side is `countersign up`, the fleet one process with that many true devices, this one a third that waits.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { openSession } from '@countersign/broker/face/client/session';
import { clientTokenPath } from '@countersign/broker/face/up/folders';
import { startBroker } from '@countersign/simulator/scenario/broker-process';
import type { FleetHandlers } from '@countersign/simulator/scenario/fleet-process';
import { firstPeople, open, release } from '@countersign/simulator/scenario/people';
import { startChild } from '@countersign/simulator/scenario/rpc';
import { bench } from '../support/bench.ts';
import { cpuSeconds, peakBytes, residentBytes } from '../support/process.ts';

const PRODUCT = 'sensor-node';
const [FACTORY, NEXT] = ['1.0.0', '1.0.1'];
/** Seconds, and megabytes in all processes, by number of devices. */
const GOALS: Record<number, { seconds: number; megabytes?: number }> = {
  300: { seconds: 15 },
  10000: { seconds: 120, megabytes: 1_536 },
};
const TIMEOUT_MS = 600_000;

const row = bench('devices', 'what', 'value', 'unit', 'goal');
const sizes = process.argv.slice(2).map(Number);
for (const devices of sizes.length > 0 ? sizes : [300]) await fleetOf(devices);

async function fleetOf(devices: number): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'countersign-bench-'));
  const broker = await startBroker({ data, port: 0, mqttPort: 0 });
  const fleet = startChild<FleetHandlers>(
    new URL(import.meta.resolve('@countersign/simulator/scenario/fleet-process')),
  );
  const pids = { server: broker.pid, fleet: fleet.pid };
  try {
    const token = (await readFile(clientTokenPath(data), 'utf8')).trim();
    const session = await openSession(apiClient(broker.url, token));
    const people = await firstPeople(data);
    const numbers = await switchOn(devices);
    const { releaseLeaf, sequence } = await release(session, people, PRODUCT, NEXT!);

    const before = { server: cpuSeconds(pids.server) ?? Number.NaN, fleet: cpuSeconds(pids.fleet) ?? Number.NaN };
    const start = performance.now();
    await open(session, people, releaseLeaf, { jitterSeconds: 0 });
    const { updated, unsettled } = await fleet.call.through({ sequence, numbers, timeoutMs: TIMEOUT_MS });
    const seconds = (performance.now() - start) / 1000;
    if (updated !== devices) throw new Error(`${updated} of ${devices} updated: ${unsettled.slice(0, 5).join('; ')}`);

    const goal = GOALS[devices];
    row(devices, 'all updated', seconds.toFixed(2), 's', goal?.seconds ?? '');
    for (const [name, pid] of Object.entries(pids) as ['server' | 'fleet', number][]) {
      const spent = (cpuSeconds(pid) ?? Number.NaN) - before[name];
      row(devices, `processor time of the ${name}`, ((1000 * spent) / devices).toFixed(2), 'ms per device', '');
      row(devices, `memory of the ${name}`, megabytes(residentBytes(pid)), 'MB', '');
    }
    const peak = Object.values(pids).reduce((sum, pid) => sum + (peakBytes(pid) ?? Number.NaN), 0);
    row(devices, 'most memory of both', megabytes(peak), 'MB', goal?.megabytes ?? '');

    async function switchOn(count: number): Promise<number[]> {
      const options = {
        product: PRODUCT,
        seed: 'bench',
        devices: count,
        revisions: [['A', 1]],
        faults: { loss: 0, powerCut: 0 },
      } as const;
      const made = await fleet.call.make({ ...options, verbose: false });
      const known = made.map(({ id, alg, publicKey }) => ({ id, key: { alg, bytes: publicKey } }));
      const enrolling = performance.now();
      await enrolDevices(session, people.operator, PRODUCT, known);
      row(count, 'enrolled', (count / ((performance.now() - enrolling) / 1000)).toFixed(0), '1/s', '');
      await fleet.call.build({ server: { url: broker.url, token }, product: PRODUCT, version: FACTORY! });
      const all = made.map(({ number }) => number);
      await fleet.call.switchOn({ numbers: all });
      return all;
    }
  } finally {
    await fleet.stop();
    await broker.stop();
    await rm(data, { recursive: true, force: true });
  }
}

function megabytes(bytes: number | undefined): string {
  return ((bytes ?? Number.NaN) / 1_048_576).toFixed(0);
}
