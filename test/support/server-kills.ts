/**
 * The publisher's side dies without warning, again and again during one update, as a machine without power does, and comes
 * back on the same folder and ports. What it had acknowledged stays, every device arrives, and the audit holds.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { getRelease } from '@countersign/broker/face/client/releases';
import { openSession } from '@countersign/broker/face/client/session';
import { clientTokenPath } from '@countersign/broker/face/up/folders';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { readProvision, unhex } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import { judge } from '@countersign/simulator/oracle/judge';
import { readRecord } from '@countersign/simulator/oracle/record';
import { startBroker } from '@countersign/simulator/scenario/broker-process';
import { firstPeople, open, release } from '@countersign/simulator/scenario/people';
import type { ExecutionContext } from 'ava';
import { builtFleet, PRODUCT } from './fleet-world.ts';
import { freePort } from './ports.ts';

const SEED = 'sigkill';
/** An update of one device is told in about ten changes; the last ones are left to go in peace. */
const CHANGES = 8;
/** Seconds here; a machine may have much else to do. */
const ARRIVED_MS_MAX = 240_000;

export async function killServer(t: ExecutionContext, devices: number, kills: number): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'countersign-sigkill-'));
  // It comes back where it was: on ports that nobody is given meanwhile.
  let broker = await startBroker({ data, port: await freePort(), mqttPort: await freePort() });
  const { url } = broker;
  const token = (await readFile(clientTokenPath(data), 'utf8')).trim();
  const session = await openSession(apiClient(url, token));
  const people = await firstPeople(data);
  const fleet = await builtFleet(session, people, { devices, seed: SEED, askSeconds: 3 });
  try {
    const { trustRoot } = readProvision(await session.api.bytes(`/provision/${PRODUCT}/1.0.0`));
    await fleet.switchOn();
    t.true(await fleet.until(() => fleet.devices.every((device) => device.connected), ARRIVED_MS_MAX));
    const { releaseLeaf, sequence } = await release(session, people, PRODUCT, '1.0.1');
    const heads: string[] = [];
    const random = new Prng(SEED, 'moments');
    const moments = Array.from({ length: kills }, () => random.below(CHANGES * devices)).sort((a, b) => a - b);
    let changes = 0;
    fleet.watch(() => changes++);

    await open(session, people, releaseLeaf, { waves: [{ percent: 100 }], jitterSeconds: 3 });
    for (const moment of moments) {
      await fleet.until(() => changes >= moment, ARRIVED_MS_MAX);
      heads.push(((await session.api.get('/api/v1/head')) as { signed: string }).signed);
      await broker.kill();
      broker = await startBroker({ data });
      t.is(broker.url, url, 'it comes back where it was');
    }
    const arrived = () => fleet.devices.every(({ state, idle }) => idle && state!.running.sequence === sequence);
    t.true(await fleet.until(arrived, ARRIVED_MS_MAX), 'no device is stuck');

    t.is((await getRelease(session, releaseLeaf)).state, 'confirmed');
    const verdict = judge(fleet, await readRecord(session));
    t.deepEqual(verdict.problems, []);
    t.is(verdict.reports, 2 * devices, 'each device started a trial and confirmed it, and nothing is there twice');
    for (const head of heads) {
      const audit = await auditFolder(data, { trust: trustRoot, head: unhex(head)! });
      t.deepEqual(audit.problems, []);
      t.true(audit.anchored, 'a head that was shown before a kill is still in the ledger');
    }
  } finally {
    await fleet.switchOff();
    await broker.stop();
    await rm(data, { recursive: true, force: true });
  }
}
