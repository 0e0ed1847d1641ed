/**
 * A gateway with real files as slots is killed without warning at 25 seeded moments of five updates, over our own broker,
 * over Mosquitto with client certificates and our rights file, and over HTTPS alone. It arrives each time.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hex } from '@countersign/device-sdk/format';
import { Prng } from '@countersign/device-sdk/rig';
import { readSample } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { run, runJson, temporary, type Up, up } from '../support/command.ts';
import { base, commandProfile, firstRelease, Gateway, type Line, release, untilDevice } from '../support/gateway.ts';
import { certificates, isInstalled, issueDevice, startMosquitto } from '../support/mosquitto.ts';

const VERSIONS = ['1.0.1', '1.1.0', '1.2.0', '1.3.0', '1.4.0'];
const KILLS = 25;
/** Behind each sample, so that no delta is short: a hundred kilobytes that no compressor makes smaller. */
const TAIL_BYTES = 100_000;
/** An update that is not killed says about 110 lines, a hundred of them percents: five kills are all over it. */
const LINES = 22;
const LATER_MS = 150;
/** Where a kill waits for: some lines further in the fetch, or a moment beyond it, the installer's work included. */
const MILESTONES = [undefined, undefined, 'stage apply', 'stage trial', 'restart', 'booted on trial'];
/** Nothing more to hear: an installer is at work, or the device waits for its next question. */
const SILENT_MS = 2_500;

function makeImage(version: string): Uint8Array {
  const random = new Prng('device sigkill', version);
  const tail = new Uint8Array(TAIL_BYTES).map(() => random.below(256));
  return new Uint8Array(Buffer.concat([readSample('sensor-node', version), tail]));
}

interface World {
  data: string;
  gateway: Gateway;
  /** What the gateway's target runs now. */
  target: string;
  id: string;
}

test.serial('over our broker, `current` as boot control', async (t) => {
  t.timeout(14 * 60_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), '--port', '0', '--mqtt-port', '0');
  const own = join(folder, 'gateway');
  const profile = { ...base([{ url: server.ready.mqtt }]), boot: { kind: 'link', current: 'current' }, askSeconds: 1 };
  const gateway = new Gateway(own, profile);
  end(t, server, gateway);
  const { data } = server.ready;
  const id = await gateway.enrol(data, '1.0.0');
  await killed(t, { data, gateway, target: join(own, 'current'), id }, 'our broker');
});

test.serial('over Mosquitto with client certificates and our rights file, an external installer', async (t) => {
  t.timeout(14 * 60_000);
  if (!isInstalled('mosquitto', 'openssl')) {
    t.log('mosquitto or openssl is not installed: left out');
    t.pass();
    return;
  }
  const folder = await temporary(t);
  const pki = join(folder, 'pki');
  // The id is known only after the device is enrolled; its certificate is made anew then.
  certificates(pki, '0'.repeat(32));
  const mosquitto = await startMosquitto(pki);
  t.teardown(() => mosquitto.stop());
  const url = `mqtts://127.0.0.1:${mosquitto.port}`;
  const own = join(folder, 'gateway');
  const mqtt = ['--mqtt-url', url, ...tlsOptions(pki)];
  const server = await up('--data', join(folder, 'server'), '--port', '0', ...mqtt);
  const tls = { ca: join(pki, 'ca.pem'), cert: join(pki, 'own/device.pem'), key: join(pki, 'own/device.key') };
  const gateway = new Gateway(own, commandProfile(own, [{ url, ...tls }], { askSeconds: 1 }));
  end(t, server, gateway);
  const { data } = server.ready;
  const id = await gateway.enrol(data, '1.0.0');
  issueDevice(pki, id);
  await killed(t, { data, gateway, target: join(own, 'target.bin'), id }, 'mosquitto');
});

test.serial('over HTTPS alone, an external installer', async (t) => {
  t.timeout(14 * 60_000);
  if (!isInstalled('openssl')) {
    t.log('openssl is not installed: left out');
    t.pass();
    return;
  }
  const folder = await temporary(t);
  const pki = join(folder, 'pki');
  certificates(pki, '0'.repeat(32));
  // For the commands of people, which speak to the same server.
  process.env.NODE_EXTRA_CA_CERTS = join(pki, 'ca.pem');
  t.teardown(() => void delete process.env.NODE_EXTRA_CA_CERTS);
  const ports = ['--port', '0', '--mqtt-port', '0', '--device-port', '0', '--device-ca', join(pki, 'ca.pem')];
  const tls = ['--tls-cert', join(pki, 'broker.pem'), '--tls-key', join(pki, 'broker.key')];
  const server = await up('--data', join(folder, 'server'), ...ports, ...tls);
  const { data, devices } = server.ready as Up['ready'] & { devices: string };
  t.regex(devices, /^https:/);
  const own = join(folder, 'gateway');
  const certificate = { ca: join(pki, 'ca.pem'), cert: join(pki, 'own/device.pem'), key: join(pki, 'own/device.key') };
  const gateway = new Gateway(own, commandProfile(own, [{ url: devices, ...certificate }], { askSeconds: 1 }));
  end(t, server, gateway);
  await firstRelease(data);
  const id = await gateway.enrol(data, '1.0.0');
  issueDevice(pki, id);
  await killed(t, { data, gateway, target: join(own, 'target.bin'), id }, 'https');
});

/** Five updates with five kills each; then the record is looked at. */
async function killed(t: ExecutionContext, { data, gateway, target, id }: World, seed: string): Promise<void> {
  const random = new Prng(`device sigkill ${seed}`, 'moments');
  const moments: string[] = [];
  gateway.supervise();
  await gateway.until(() => gateway.lines.some((line) => line.kind === 'link' && line.up));
  for (const version of VERSIONS) {
    const expected = makeImage(version);
    const path = join(gateway.folder, 'new.bin');
    writeFileSync(path, expected);
    const released = release(data, path, version);
    const heard = gateway.until(() => gateway.lines.some((line) => line.kind === 'stage' && line.version === version));
    await Promise.race([heard, released.then(() => heard)]);
    for (let kill = 0; kill < KILLS / VERSIONS.length; kill++) {
      const from = gateway.lines.length;
      const lines = random.below(LINES);
      const milestone = MILESTONES[random.below(MILESTONES.length)]!;
      const later = random.below(LATER_MS);
      const due = () => {
        const fresh = gateway.lines.slice(from);
        return milestone === undefined ? fresh.length >= lines : fresh.some((line) => momentOf(line) === milestone);
      };
      await Promise.race([gateway.until(due), gateway.silent(SILENT_MS)]);
      await pause(later);
      moments.push(momentOf(gateway.lines.at(-1)!));
      gateway.kill('SIGKILL');
    }
    await released;
    const device = await untilDevice(data, id, (found) => found.version === version);
    t.is(device.outcome, 'updated', version);
    t.is(hex(readFileSync(target).subarray(0, expected.length)), hex(expected), version);
  }
  await gateway.end('SIGTERM');
  t.is(moments.length, KILLS);
  t.log(
    `killed after: ${[...new Set(moments)].map((m) => `${m} ×${moments.filter((o) => o === m).length}`).join(', ')}`,
  );
  t.log(`${gateway.starts} starts`);
  const status = await runJson('device', 'status', '--profile', gateway.profile);
  t.like(status.json, { version: VERSIONS.at(-1), pending: null, damaged: false });
  const audit = await run('audit', data, '--trust', join(data, 'trust-root.cbor'));
  t.is(audit.code, 0, audit.stdout);
}

/** After which line it was killed, in a word or two. */
function momentOf(line: Line): string {
  if (line.kind === 'progress') return line.bytes < line.of ? 'fetching' : 'fetched';
  if (line.kind === 'booted') return line.trial ? 'booted on trial' : 'booted';
  if (line.kind === 'stage') return `stage ${line.stage}`;
  if (line.kind === 'command') return `command ${line.name}`;
  return line.kind;
}

function tlsOptions(pki: string): string[] {
  const at = (name: string) => join(pki, name);
  return [...['--mqtt-ca', at('ca.pem'), '--mqtt-cert', at('distribution.pem'), '--mqtt-key', at('distribution.key')]];
}

function end(t: ExecutionContext, server: Up, gateway: Gateway): void {
  t.teardown(async () => {
    await gateway.end();
    await server.stop();
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
