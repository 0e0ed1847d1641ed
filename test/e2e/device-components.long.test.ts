/**
 * `countersign device run` with an application and a radio: by a link and by somebody else's installer, over the line,
 * through a gateway and from a bundle, and killed without warning in between. What runs is of one release, always.
 */
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { run, runJson, start, temporary, up } from '../support/command.ts';
import { base, Gateway, type Line, PRODUCT, release, SLOT_BYTES, untilDevice } from '../support/gateway.ts';
import { repository } from '../support/repository.ts';

const file = (name: string, version: string) => join(repository, `firmware-samples/images/${name}-${version}.bin`);
/** The radio stays in the first update and changes in the second. */
const RADIO: Record<string, string> = { '1.0.0': '3.0.0', '1.0.1': '3.0.0', '1.1.0': '3.0.1' };
const RADIO_SLOT = 65_536;
const imagesOf = (version: string) => [readSample(PRODUCT, version), readSample('pump-monitor', RADIO[version]!)];
const radioOf = (version: string) => ['--component', `radio=${file('pump-monitor', RADIO[version]!)}`];

/** Kills of each device in the second update, at these lines of its own: fetching, staged, told to restart, on trial. */
const KILL_AT: ((line: Line) => boolean)[] = [
  (line) => line.kind === 'progress' && line.bytes < line.of,
  (line) => line.kind === 'stage' && line.stage === 'apply',
  ({ kind }) => kind === 'restart',
  (line) => line.kind === 'booted' && line.trial,
];
/** A moment that an update has only once, or not at all. */
const MISSED_MS = 2_000;

/** Writes both files into a folder, in pieces: a kill may fall between them. */
const INSTALLER = `import fs from 'node:fs';
const [, , folder, ...paths] = process.argv;
fs.mkdirSync(folder, { recursive: true });
for (const [i, name] of ['app.bin', 'radio.bin'].entries()) {
  const bytes = fs.readFileSync(paths[i]);
  fs.writeFileSync(folder + '/' + name, '');
  for (let at = 0; at < bytes.length; at += 8192) {
    fs.appendFileSync(folder + '/' + name, bytes.subarray(at, at + 8192));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
`;

/** The release whose application and radio lie in this folder, both. */
function versionIn(folder: string): string | undefined {
  const lie = ['app.bin', 'radio.bin'].map((name) => readFileSync(join(folder, name)));
  return Object.keys(RADIO).find((version) =>
    imagesOf(version).every((image, i) => Buffer.compare(lie[i]!.subarray(0, image.length), image) === 0),
  );
}

test('application and radio by link, by installer, through a gateway and from a bundle, through kills', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const server = await up('--data', join(folder, 'server'), '--port', '0', '--mqtt-port', '0', '--no-samples');
  const { data } = server.ready;
  const shape = ['--new-product', '--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', String(SLOT_BYTES)];
  const slots = ['--component-slot', `radio=${RADIO_SLOT}`];
  await release(data, file(PRODUCT, '1.0.0'), '1.0.0', [...shape, ...slots, ...radioOf('1.0.0')]);

  const components = (more: object = {}) => [{ id: 'radio', slots: { kind: 'file', bytes: RADIO_SLOT }, ...more }];
  const socket = `unix:${join(folder, 'gateway.sock')}`;
  writeFileSync(
    join(folder, 'relay.json'),
    JSON.stringify({ folder: 'relay', listen: socket, links: [{ url: server.ready.mqtt }] }),
  );
  const relay = start(['gateway', '--profile', join(folder, 'relay.json')]);
  const byLink = { boot: { kind: 'link', current: 'current' }, components: components(), askSeconds: 1 };
  const linked = new Gateway(join(folder, 'linked'), { ...base([{ url: server.ready.mqtt }]), ...byLink });
  const target = join(folder, 'given/target');
  writeFileSync(join(folder, 'install.mjs'), INSTALLER);
  const install = [process.execPath, join(folder, 'install.mjs'), target, '{path}', '{path.radio}'];
  const given = new Gateway(join(folder, 'given'), {
    ...{ ...base([{ url: socket }]), askSeconds: 1 },
    boot: { kind: 'command', install, readBack: 'target/app.bin' },
    components: components({ readBack: 'target/radio.bin' }),
  });
  const bundle = join(folder, 'carried');
  const carried = new Gateway(join(folder, 'carried-to'), { ...base([]), ...byLink }, [], ['--bundle', bundle]);
  t.teardown(async () => {
    await Promise.all([linked, given, carried].map((one) => one.end()));
    relay.child.kill('SIGTERM');
    await relay.ended;
    await server.stop();
  });
  const ids: string[] = [];
  for (const one of [linked, given, carried]) ids.push(await one.enrol(data, '1.0.0'));
  const current = join(folder, 'linked/current');

  const kills: string[] = [];
  const killed = async (device: Gateway, version: string, check: () => void) => {
    const begun = () => device.lines.some((line) => line.kind === 'stage' && line.version === version);
    await device.until(begun);
    for (const [i, due] of KILL_AT.entries()) {
      const from = device.lines.length;
      await Promise.race([device.until(() => device.lines.slice(from).some(due)), device.silent(MISSED_MS)]);
      kills.push(`${i} ${device.lines.at(-1)?.kind}`);
      device.kill('SIGKILL');
      check();
    }
  };
  linked.supervise();
  given.supervise();
  for (const version of ['1.0.1', '1.1.0']) {
    const released = release(data, file(PRODUCT, version), version, radioOf(version));
    // The link names a whole release whenever anybody looks; an installer is asked again until both are there.
    const whole = () =>
      void (existsSync(current) && t.truthy(versionIn(realpathSync(current)), 'a mix under `current`'));
    const through = version === '1.1.0' ? [killed(linked, version, whole), killed(given, version, () => {})] : [];
    await Promise.all([released, ...through]);
    for (const [i, at] of [current, target].entries()) {
      const device = await untilDevice(
        data,
        ids[i]!,
        (found) => found.version === version && found.outcome === 'updated',
      );
      t.is(versionIn(realpathSync(at)), version);
      t.deepEqual(
        device.components?.map(({ id, code }) => [id, code]),
        [['radio', 'OK']],
      );
    }
  }
  t.log(`${kills.length} kills: ${kills.join(', ')}; ${linked.starts} and ${given.starts} starts`);
  t.true(linked.starts > KILL_AT.length && given.starts > KILL_AT.length);
  const status = await (async () => {
    await linked.end('SIGTERM');
    return runJson<{ components: object }>('device', 'status', '--profile', linked.profile);
  })();
  t.like(status.json, { version: '1.1.0', pending: null, damaged: false });
  t.deepEqual(Object.keys(status.json.components), ['radio']);

  // An installer that takes the application and not the radio: the release is taken back, both of it.
  const half = `${INSTALLER}\nif (fs.readFileSync(paths[1]).length !== ${imagesOf('1.1.0')[1]!.length}) fs.rmSync(folder + '/radio.bin');\n`;
  writeFileSync(join(folder, 'install.mjs'), half);
  await release(data, file(PRODUCT, '1.2.0'), '1.2.0', ['--component', `radio=${file('pump-monitor', '3.1.0')}`]);
  const reverted = await untilDevice(data, ids[1]!, ({ outcome }) => outcome === 'reverted');
  t.is(reverted.code, 'RESULT_MISMATCH');
  t.is(versionIn(target), '1.1.0');
  await given.end('SIGTERM');

  // No network: what a bundle carries is enough for both, and the reports wait.
  const asked = ['--release', `${PRODUCT}@1.2.0`, '--out', bundle, '--data', data];
  t.is((await run('bundle', ...asked)).code, 0);
  const statusOf = async () =>
    (await runJson<{ version: string; reportsWaiting: number }>('device', 'status', '--profile', carried.profile)).json;
  // Nothing says that an image was confirmed but what is stored, and the boot record is stored last.
  t.is((await statusOf()).version, '1.0.0');
  carried.supervise();
  while (carried.goodSlot === 0) await pause(50);
  await carried.end('SIGTERM');
  const there = await statusOf();
  t.is(there.version, '1.2.0');
  t.true(there.reportsWaiting >= 2);
  const carriedTo = realpathSync(join(folder, 'carried-to/current'));
  const radio = readSample('pump-monitor', '3.1.0');
  t.deepEqual(readFileSync(join(carriedTo, 'radio.bin')).subarray(0, radio.length), Buffer.from(radio));
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
