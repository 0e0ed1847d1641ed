/**
 * Announcement to a fleet, and frames a second, over TCP with real logins. Run after a build:
 *   node test/dist/bench/delivery.js [devices=1000] [frames=50]
 * Three processes: the broker, the server (its own client and the answers), and the fleet, which is this one. The
 * broker is our embedded one, and Mosquitto beside it where it is installed. CSV.
 */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mosquittoAcl } from '@countersign/broker/distribution/delivery/acl';
import { createDelivery } from '@countersign/broker/distribution/delivery/broker';
import { connectDelivery } from '@countersign/broker/distribution/delivery/client';
import { openLoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { loginGate } from '@countersign/broker/distribution/delivery/login';
import type { Link } from '@countersign/device-sdk';
import {
  encodeAnswer,
  encodeRequest,
  FRAMES,
  hex,
  loginValue,
  readAnswer,
  readRequest,
  signStatement,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { tcpLink } from '@countersign/simulator/world/tcp-link';
import { bench, type Cell } from '../support/bench.ts';
import { freePort } from '../support/ports.ts';
import { cpuSeconds, residentBytes } from '../support/process.ts';

const BROKER_ID = 'bench';
const SECRET = 'the secret of the bench';
const CLASS_ID = new Uint8Array(16).fill(1);
const FRAME = new Uint8Array(1_056);
const ANNOUNCEMENT = new Uint8Array(1_500);
/** Frames asked for at once. */
const WINDOW = 8;
/** A device asks again for what has not come by then. */
const AGAIN_MS = 5_000;
/** Devices that connect at the same moment. */
const AT_ONCE = 200;
const verifier = nodeVerifier();
const sha256 = (bytes: Uint8Array) => verifier.sha256(bytes);

const [role, ...rest] = process.argv.slice(2);
if (role === '--broker') await runBroker(rest[0]!, rest[1]!);
else if (role === '--server') await runServer(rest[0]!);
else await main(Number(role ?? 1_000), Number(rest[0] ?? 50));

async function main(devices: number, frames: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const fleet = Array.from({ length: devices }, makeDevice);
  const print = bench('broker', 'devices', 'what', 'value', 'unit');
  try {
    await measure(print, 'aedes', await startAedes(folder, fleet), fleet, frames);
    const mosquitto = await startMosquitto(folder);
    if (mosquitto) await measure(print, 'mosquitto', mosquitto, fleet, frames);
    else console.error('mosquitto is not installed: left out');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Running {
  port: number;
  process: ChildProcess;
}

type Device = ReturnType<typeof makeDevice>;

async function measure(
  print: (...cells: Cell[]) => void,
  name: string,
  broker: Running,
  fleet: Device[],
  frames: number,
): Promise<void> {
  const server = fork(import.meta.filename, ['--server', `mqtt://127.0.0.1:${broker.port}`]);
  await message(server);
  const row = (what: string, value: number, unit: string) => print(name, fleet.length, what, value.toFixed(1), unit);

  const before = process.memoryUsage().rss;
  let began = performance.now();
  for (let i = 0; i < fleet.length; i += AT_ONCE) {
    await Promise.all(fleet.slice(i, i + AT_ONCE).map((device) => device.open(broker.port)));
  }
  row('login and subscribe', performance.now() - began, 'ms');
  row('broker cpu so far', cpuOf(broker) * 1000, 'ms');
  row('fleet memory per device', (process.memoryUsage().rss - before) / fleet.length / 1024, 'KB');
  row('broker memory', (residentBytes(broker.process.pid!) ?? Number.NaN) / 1_048_576, 'MB');
  for (const round of ['cold', 'warm']) {
    const all = Promise.all(fleet.map((device) => device.announced()));
    began = performance.now();
    server.send('announce');
    await all;
    row(`announcement of 1.5 KB to all, ${round}`, performance.now() - began, 'ms');
  }
  const cpu = cpuOf(broker);
  began = performance.now();
  const again = await Promise.all(fleet.map((device) => device.fetch(frames)));
  const seconds = (performance.now() - began) / 1000;
  row('frames of 1 KB, all at once', (fleet.length * frames) / seconds, 'frames/s');
  row(
    'asked again',
    again.reduce((sum, count) => sum + count, 0),
    'requests',
  );
  row('broker cpu per frame', ((cpuOf(broker) - cpu) / (fleet.length * frames)) * 1e6, 'us');
  await Promise.all(fleet.map((device) => device.close()));
  for (const child of [server, broker.process]) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill();
    await gone;
  }
}

function makeDevice() {
  const pair = generateKeyPair(-19);
  const keys = nodeKeyStore(pair.alg, pair.secret);
  const id = sha256(pair.publicKey).slice(0, 16);
  let counter = 0;
  let link: Link;
  let waiting: (() => void) | undefined;
  /** Frames on their way. */
  const wanted = new Set<number>();
  let arrived: () => void = () => undefined;
  return {
    name: hex(id),
    publicKey: hex(pair.publicKey),
    open(port: number): Promise<void> {
      link = tcpLink({ host: '127.0.0.1', port, deviceId: id, classId: CLASS_ID });
      return new Promise((resolve) => {
        const events = {
          up: resolve,
          down: () => undefined,
          announcement: () => waiting?.(),
          answer(bytes: Uint8Array) {
            const message = readAnswer(bytes);
            if (message.kind === FRAMES) wanted.delete(message.index);
            if (wanted.size === 0) arrived();
          },
          command: () => undefined,
        };
        const login = () =>
          signStatement(sha256, 'login', loginValue({ deviceId: id, brokerId: BROKER_ID, counter: ++counter }), keys);
        link.open(events, login);
      });
    },
    announced: () =>
      new Promise<void>((resolve) => {
        waiting = resolve;
      }),
    /** @returns how often it had to ask again: what finds no room on the way is dropped, as QoS 0 allows */
    async fetch(frames: number): Promise<number> {
      let again = 0;
      for (let first = 0; first < frames; first += WINDOW) {
        const count = Math.min(WINDOW, frames - first);
        for (let i = 0; i < count; i++) wanted.add(first + i);
        for (let tries = 0; wanted.size > 0; tries++) {
          if (tries > 0) again++;
          await link.request(encodeRequest({ id: first, kind: FRAMES, chainHead: new Uint8Array(32), first, count }));
          const window = new Promise<void>((resolve) => {
            arrived = resolve;
          });
          if (wanted.size > 0) await Promise.race([window, sleep(AGAIN_MS, undefined, { ref: false })]);
        }
      }
      return again;
    },
    close: () => link.close(),
  };
}

async function startAedes(folder: string, fleet: Device[]): Promise<Running> {
  const list = join(folder, 'devices');
  writeFileSync(list, fleet.map((device) => `${device.name} ${device.publicKey}`).join('\n'));
  const child = fork(import.meta.filename, ['--broker', list, join(folder, 'logins')]);
  return { port: Number(await message(child)), process: child };
}

/** The embedded broker as in production: real verification, counters with fdatasync. */
async function runBroker(list: string, counters: string): Promise<void> {
  const keys = new Map(
    readFileSync(list, 'utf8')
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const authenticate = loginGate({
    brokerId: BROKER_ID,
    secret: SECRET,
    verifier,
    counters: await openLoginCounters(counters),
    async device(id) {
      const key = keys.get(hex(id));
      if (key === undefined) return undefined;
      return { key: { alg: -19, bytes: new Uint8Array(Buffer.from(key, 'hex')) }, classId: CLASS_ID, revoked: false };
    },
  });
  const delivery = await createDelivery({ brokerId: BROKER_ID, authenticate });
  process.send!(`${delivery.port}`);
}

async function runServer(url: string): Promise<void> {
  const delivery = await connectDelivery(url, { password: SECRET });
  delivery.onRequest(async (id, bytes) => {
    const request = readRequest(bytes);
    if (request.kind !== FRAMES) return;
    for (let i = 0; i < request.count; i++) {
      const answer = encodeAnswer({ id: request.id, kind: FRAMES, index: request.first + i, frame: FRAME });
      await delivery.send(id, 'frm', answer);
    }
  });
  process.on('message', () => void delivery.publishAnnouncement(CLASS_ID, ANNOUNCEMENT));
  process.send!('ready');
}

async function startMosquitto(folder: string): Promise<Running | undefined> {
  try {
    execFileSync('mosquitto', ['-h'], { stdio: 'ignore' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
  }
  const port = await freePort();
  const acl = join(folder, 'acl');
  const config = join(folder, 'mosquitto.conf');
  writeFileSync(acl, mosquittoAcl(), { mode: 0o600 });
  writeFileSync(config, `listener ${port} 127.0.0.1\nallow_anonymous true\nacl_file ${acl}\nuser root\n`);
  const child = spawn('mosquitto', ['-c', config], { stdio: 'ignore' });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { port, process: child };
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', () => reject(new Error('a process ended early')));
  });
}

function cpuOf({ process: { pid } }: Running): number {
  return cpuSeconds(pid!) ?? Number.NaN;
}
