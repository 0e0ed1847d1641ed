/**
 * Device reports from the delivery to the acknowledgement: the distribution server checks each, the ledger's contract
 * checks it again, a block makes it durable, the command key signs the acknowledgement. One process, as in `up`; MQTT is
 * left out, which `bench/fleet` has. Run after a build:
 *   node test/dist/bench/intake.js [reports=20000]
 */
import { join } from 'node:path';
import type { DeliveryPort, DeviceHandler } from '@countersign/broker/distribution/delivery/port';
import { createDistribution } from '@countersign/broker/distribution/server';
import { sharedVerifier } from '@countersign/broker/face/up/shared-verifier';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import type { Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { addProduct, enrolDevices, newDevice, newWorld, nextReport, sha256 } from '../broker/ledger-world.ts';
import { bench } from '../support/bench.ts';

const REPORTS = Number(process.argv[2] ?? 20_000);
/** As many as a device keeps and sends at once. */
const REPORTS_EACH = 8;
const ENROLLED_AT_ONCE = 500;
/** Reports on the way: below what the server takes, so that none is dropped. */
const IN_FLIGHT = 4_000;

const row = bench('verifiers', 'what', 'value', 'unit', 'goal');
async function measure(name: string, ofServer: Verifier, ofLedger: Verifier): Promise<void> {
  const world = await newWorld();
  await addProduct(world);
  const devices = Array.from({ length: Math.ceil(REPORTS / REPORTS_EACH) }, newDevice);
  for (let at = 0; at < devices.length; at += ENROLLED_AT_ONCE) {
    await enrolDevices(world, devices.slice(at, at + ENROLLED_AT_ONCE));
  }
  const reports: { id: Uint8Array; bytes: Uint8Array }[] = [];
  for (let round = 0; round < REPORTS_EACH; round++) {
    for (const device of devices) reports.push({ id: device.id, bytes: await nextReport(device) });
  }
  await world.ledger.close();
  const { orderer: ordererSigner, log: logSigner, distribution, command } = world.keys;
  const ledger = await openLedger(world.dir, { ordererSigner, logSigner, verifier: ofLedger });
  const delivery = new Delivery();
  const server = await createDistribution({
    ledger,
    blobs: fileBlobStore(join(world.dir, 'collection'), sha256),
    delivery,
    signers: { distribution, command },
    verifier: ofServer,
    trustRoot: world.rootBytes,
    dir: join(world.dir, 'distribution'),
    brokerId: 'bench',
  });
  const cpu = process.cpuUsage();
  const start = performance.now();
  await delivery.bring(reports);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  row(name, 'reports acknowledged a second', Math.round(reports.length / seconds), '1/s', '');
  row(name, 'processor time per report', ((user + system) / reports.length).toFixed(0), 'us', '');
  await server.close();
  await ledger.close();
  await world.end();
}

/** Brings reports as fast as they are acknowledged. */
class Delivery implements DeliveryPort {
  readonly connected = true;
  #report: DeviceHandler = () => undefined;
  #acknowledged = 0;
  #more: () => void = () => undefined;

  async bring(reports: readonly { id: Uint8Array; bytes: Uint8Array }[]): Promise<void> {
    for (let next = 0; this.#acknowledged < reports.length; ) {
      while (next < reports.length && next - this.#acknowledged < IN_FLIGHT) {
        const { id, bytes } = reports[next++]!;
        void this.#report(id, bytes);
      }
      await new Promise<void>((resolve) => {
        this.#more = resolve;
      });
    }
  }

  async send(_: Uint8Array, channel: 'frm' | 'cmd'): Promise<void> {
    if (channel !== 'cmd') return;
    this.#acknowledged++;
    this.#more();
  }

  async publishAnnouncement(): Promise<boolean> {
    return true;
  }

  async publishHead(): Promise<boolean> {
    return true;
  }

  onRequest(): void {}

  onReport(handler: DeviceHandler): void {
    this.#report = handler;
  }

  counts() {
    return { received: 0, dropped: 0, failed: 0, sent: this.#acknowledged, connects: 1 };
  }

  async close(): Promise<void> {}
}

await measure('one each', nodeVerifier(), nodeVerifier());
const shared = sharedVerifier(nodeVerifier());
await measure('shared, as in up', shared, shared);
