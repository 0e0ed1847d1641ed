/**
 * Ledger figures as CSV: durable device reports a second through the embedded engine, receipt bytes by tree size, audited
 * entries a second. Run: node test/dist/bench/ledger.js [reports] > ledger.csv
 */
import { auditFolder } from '@countersign/broker/ledger/audit';
import { Tiles } from '@countersign/broker/ledger/log/tiles';
import { encodeReceipt, readHead, signHead, utf8 } from '@countersign/device-sdk/format';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  ORIGIN,
  sha256,
} from '../broker/ledger-world.ts';
import { bench } from '../support/bench.ts';

const DEVICES = 200;
const REPORTS = Number(process.argv[2] ?? 20_000);
/** Submitted and not answered yet: an intake with this many devices waiting. */
const IN_FLIGHT = 4_000;
const SIZES = [1e3, 1e4, 1e5, 1e6];

const print = bench('figure', 'parameter', 'value', 'unit', 'goal');
await reportsAndAudit();
await receipts();

async function reportsAndAudit(): Promise<void> {
  const world = await newWorld();
  await addProduct(world);
  const devices = Array.from({ length: DEVICES }, newDevice);
  await enrolDevices(world, devices);
  const reports: Uint8Array[] = [];
  for (let i = 0; i < REPORTS; i++) {
    world.clock.now += i % 1000 === 0 ? 1 : 0;
    reports.push(await nextReport(devices[i % DEVICES]!, { rolloutId: new Uint8Array(16) }));
  }
  const cpu = process.cpuUsage();
  const start = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < reports.length) await world.ledger.submit(reports[next++]!);
  };
  // Reports of one device keep their order: all are taken from one list, and the queue is first in, first out.
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const seconds = (performance.now() - start) / 1000;
  row('durable reports a second', `${REPORTS} reports of ${reports[0]!.length} B`, REPORTS / seconds, '1/s', 5000);
  row('processor time', 'per durable report', microseconds(cpu) / REPORTS, 'us', 200);
  const latency = await oneByOne(world, devices[0]!);
  row('durable report alone', 'p50 of 200', latency, 'ms', '');
  await world.ledger.close();
  const before = process.cpuUsage();
  const begun = performance.now();
  const audit = await auditFolder(world.dir);
  const spent = (performance.now() - begun) / 1000;
  if (!audit.ok) throw new Error(JSON.stringify(audit.problems));
  row(
    'audited entries a second',
    `${audit.entries} entries in ${audit.blocks} blocks`,
    audit.entries / spent,
    '1/s',
    8000,
  );
  row('processor time', 'per audited entry', microseconds(before) / audit.entries, 'us', 125);
  await world.end();
}

/** Less than a second's share of one core for the goal: it says more than the clock while others are at work. */
function microseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return user + system;
}

async function oneByOne(world: Awaited<ReturnType<typeof newWorld>>, device: ReturnType<typeof newDevice>) {
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const report = await nextReport(device);
    const start = performance.now();
    await world.ledger.submit(report);
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[100]!;
}

async function receipts(): Promise<void> {
  const full = new Map<string, Uint8Array>();
  const tree = Tiles.empty(sha256, {
    tile: (level, n) => full.get(`${level}/${n}`),
    putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
  });
  const signer = newSigner();
  const leaf = sha256(utf8('leaf'));
  for (const size of SIZES) {
    const start = performance.now();
    const before = tree.size;
    while (tree.size < size) tree.append(leaf);
    row('tree appends a second', `to ${size}`, (size - before) / ((performance.now() - start) / 1000), '1/s', '');
    const head = { origin: ORIGIN, size, root: tree.root(), indexRoot: leaf, time: 1_800_000_000, rootVersion: 1 };
    const signed = readHead(await signHead(sha256, head, signer));
    const index = Math.floor(size / 3);
    const asked = performance.now();
    const path = tree.inclusion(index);
    row('inclusion path', `${size} entries, first time`, performance.now() - asked, 'ms', '');
    row('receipt', `${size} entries`, encodeReceipt(signed, index, path).length, 'B', size === 1e6 ? 1200 : '');
  }
}

function row(figure: string, parameter: string, value: number, unit: string, goal: number | string): void {
  const rounded = value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
  print(figure, parameter, rounded, unit, goal);
}
