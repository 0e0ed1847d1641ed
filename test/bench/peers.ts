/**
 * What peers cost, as CSV: reports a second until k of them have cosigned (each a process of its own, over sockets), a
 * peer's catch-up, the rebuild of an index, bytes on disk, verification of receipts by tree size.
 * Run: node test/dist/bench/peers.js [reports] > peers.csv
 */
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openServerKeys } from '@countersign/broker/face/up/identities';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import { Tiles } from '@countersign/broker/ledger/log/tiles';
import { encodeReceipt, readHead, readReceipt, readSignedRoot, signHead, utf8 } from '@countersign/device-sdk/format';
import { verifyReceipt } from '@countersign/device-sdk/verify';
import { enrolDevices, newDevice, nextReport, ORIGIN, sha256, verifier, type World } from '../broker/ledger-world.ts';
import { PeerBed, TOKEN, until } from '../broker/peer-bed.ts';
import { bench, millisecondsEach } from '../support/bench.ts';
import { start } from '../support/command.ts';

const REPORTS = Number(process.argv[2] ?? 20_000);
const DEVICES = 200;
/** Submitted and not answered yet: an intake with this many devices waiting. */
const IN_FLIGHT = 4_000;
const MINUTES = 10 * 60_000;
/** Peers are processes with clocks of their own: they sign no head of the future. */
const NOW = Math.floor(Date.now() / 1000);

const print = bench('figure', 'parameter', 'value', 'unit', 'goal');
const row = (figure: string, parameter: string, value: number, unit: string, goal: number | string = '') =>
  print(figure, parameter, value >= 100 ? Math.round(value) : Math.round(value * 1000) / 1000, unit, goal);

for (const cosigners of [0, 1, 2, 3]) await cosigned(cosigners);
await receipts();

async function cosigned(cosigners: number): Promise<void> {
  const ends: (() => Promise<unknown> | unknown)[] = [];
  const dirs = await Promise.all(
    Array.from({ length: cosigners }, () => mkdtemp(join(tmpdir(), 'countersign-bench-'))),
  );
  const rings = await Promise.all(dirs.map((dir) => openServerKeys(dir, 'peer', { create: true })));
  const own = { teardown: (end: () => Promise<unknown> | unknown) => void ends.push(end) };
  const bed = await PeerBed.open(
    own,
    rings.map((ring) => ring.signer('peer')),
    cosigners,
    { begins: NOW },
  );
  const [trust, token] = [join(bed.world.dir, 'root'), join(bed.world.dir, 'token')];
  await writeFile(trust, bed.world.rootBytes);
  await writeFile(token, TOKEN);
  for (const dir of dirs) {
    const follow = [
      '--follow',
      bed.url,
      '--token-file',
      token,
      '--trust',
      trust,
      '--data',
      dir,
      '--log-level',
      'error',
    ];
    const { child, ended } = start(['peer', ...follow]);
    child.stderr!.on('data', (text) => process.stderr.write(text));
    ends.push(async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(dir, { recursive: true });
    });
  }
  const size = () => bed.world.ledger.inside.standing.head.head.size;
  await until('all peers', () => bed.heads.size === size() && (cosigners === 0 || bed.signedByAll), MINUTES);
  const before = size();
  const seconds = await submitAll(bed.world, async () => {
    await until('the last cosignature', () => bed.heads.size === size(), MINUTES);
  });
  row(
    'reports a second, durable and cosigned',
    `${cosigners} of ${cosigners} peers, ${REPORTS} reports`,
    REPORTS / seconds,
    '1/s',
  );
  const alone = await oneByOne(bed);
  row('a report alone until it is cosigned', `${cosigners} peers, p50 of 50`, alone, 'ms');
  if (cosigners === 1) await copies(bed, size() - before);
  for (const end of ends.reverse()) await end();
}

async function submitAll(world: World, finished: () => Promise<void>): Promise<number> {
  const devices = Array.from({ length: DEVICES }, newDevice);
  await enrolDevices(world, devices);
  const reports: Uint8Array[] = [];
  for (let i = 0; i < REPORTS; i++)
    reports.push(await nextReport(devices[i % DEVICES]!, { rolloutId: new Uint8Array(16) }));
  const begun = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < reports.length) await world.ledger.submit(reports[next++]!);
  };
  // One list and a queue that is first in, first out: the reports of a device keep their order.
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  await finished();
  return (performance.now() - begun) / 1000;
}

async function oneByOne(bed: PeerBed): Promise<number> {
  const times: number[] = [];
  const device = newDevice();
  await enrolDevices(bed.world, [device]);
  for (let i = 0; i < 50; i++) {
    const report = await nextReport(device);
    const begun = performance.now();
    const { size } = await bed.world.ledger.submit(report);
    await bed.heads.until(() => bed.heads.size >= size, MINUTES);
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[25]!;
}

/** A new peer in this process copies everything over a socket; then indexes are made anew from block files alone. */
async function copies(bed: PeerBed, reports: number): Promise<void> {
  const { number, frontier } = bed.world.ledger.inside.standing.point;
  const what = `${frontier.size} entries in ${number} blocks`;
  const begun = performance.now();
  const late = await bed.peer(0);
  await until('the copy', () => late.peer.state().entries === frontier.size, MINUTES);
  const seconds = (performance.now() - begun) / 1000;
  row('catch-up of a new peer', what, frontier.size / seconds, '1/s');
  await late.close();
  const { dir, keys } = bed.world;
  await bed.world.ledger.close();
  await rm(join(dir, 'ledger', 'index'), { recursive: true });
  const again = performance.now();
  const ledger = await openLedger(dir, { ordererSigner: keys.orderer, logSigner: keys.log, verifier });
  row('index rebuilt from block files', what, frontier.size / ((performance.now() - again) / 1000), '1/s');
  await ledger.close();
  const [blocks, index] = [await bytesIn(join(dir, 'ledger')), await bytesIn(join(dir, 'ledger', 'index'))];
  row('block files on disk', `per entry of ${reports} reports`, blocks / frontier.size, 'B');
  row('index on disk', 'per entry', index / frontier.size, 'B');
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const found = await stat(join(folder, name));
    if (found.isFile()) bytes += found.size;
  }
  return bytes;
}

/** Each as a device sees it: inclusion proof recomputed, the log's signature checked. */
async function receipts(): Promise<void> {
  const ends: (() => Promise<unknown> | unknown)[] = [];
  const { world } = await PeerBed.open({ teardown: (end) => void ends.push(end) }, 0, 0);
  const { root } = readSignedRoot(sha256, world.rootBytes);
  const full = new Map<string, Uint8Array>();
  const tree = Tiles.empty(sha256, {
    tile: (level, n) => full.get(`${level}/${n}`),
    putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
  });
  const leaf = sha256(utf8('leaf'));
  for (const size of [1e3, 1e4, 1e5, 1e6]) {
    while (tree.size < size) tree.append(leaf);
    const head = { origin: ORIGIN, size, root: tree.root(), indexRoot: leaf, time: 1_800_000_000, rootVersion: 1 };
    const index = Math.floor(size / 3);
    const signed = readHead(await signHead(sha256, head, world.keys.log));
    const bytes = encodeReceipt(signed, index, tree.inclusion(index));
    const each = await millisecondsEach(() => verifyReceipt(verifier, root, readReceipt(bytes), leaf));
    row('receipt', `${size} entries, ${bytes.length} B, read and verified`, each, 'ms');
  }
  for (const end of ends.reverse()) await end();
}
