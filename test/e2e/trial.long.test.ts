/** A product that demands trials: real servers, real sockets, and the record that opens the way, or does not. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { openSession } from '@countersign/broker/face/client/session';
import { fieldOf, submitTrial, trialMaterial } from '@countersign/broker/face/client/trials';
import { loadPerson } from '@countersign/broker/keys/people';
import { encodeDescriptor } from '@countersign/device-sdk/rig';
import { profilesOf } from '@countersign/simulator/trial/profiles';
import { runTrial } from '@countersign/simulator/trial/run';
import test from 'ava';
import { type Answer, runJson, temporary, up } from '../support/command.ts';

const image = (version: string) =>
  fileURLToPath(new URL(`../../../firmware-samples/images/sensor-node-${version}.bin`, import.meta.url));

/** What `trial` tells of a run, and with `--check` of another look at it. */
interface Tried {
  passed: boolean;
  submitted: string | null;
  limits: string;
  logDigest: string;
  profiles: {
    hardware: string;
    baseDigest: string | null;
    outcomes: Record<string, number>;
    components?: { id: string; baseDigest: string | null; outcomes: Record<string, number> }[];
  }[];
  same: boolean;
  differs: string[];
}

test('no approval before the trial, whose record anybody can repeat', async (t) => {
  t.timeout(600_000);
  const data = join(await temporary(t), 'data');
  const here = ['--data', data] as const;
  const running = await up(...here, '--no-samples');
  t.teardown(() => running.stop('SIGKILL'));
  const publish = (version: string, ...more: string[]) =>
    runJson<Answer & { applies?: object }>(
      'publish',
      image(version),
      '--product',
      'sensor-node',
      '--version',
      version,
      ...more,
      ...here,
    );
  const rule = ['--trial-devices', '2', '--trial-success', '100'];
  const shape = ['--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', '229376'];
  const factory = await publish('1.0.0', '--new-product', ...shape, ...rule);
  t.is(factory.code, 0, factory.stderr);
  t.like(factory.json.applies, { devices: 0, applies: 0, refused: [], withoutPassport: 0, unread: 0 });
  const approve = (version: string) => runJson('approve', `sensor-node@${version}`, '--wait', ...here);
  const trial = (version: string, ...more: string[]) =>
    runJson<Answer & Tried>('trial', `sensor-node@${version}`, ...more, ...here);

  const early = await approve('1.0.0');
  t.deepEqual([early.code, early.json.error?.code], [1, 'NOT_TRIED']);
  const dry = await trial('1.0.0', '--devices', '1', '--hardware', 'A', '--dry-run');
  t.deepEqual([dry.code, dry.json.passed, dry.json.submitted], [0, true, null]);
  const few = await trial('1.0.0', '--devices', '1', '--hardware', 'A');
  t.is(few.code, 0, few.stderr);
  t.is((await approve('1.0.0')).json.error?.code, 'NOT_TRIED');
  const enough = await trial('1.0.0', '--devices', '2', '--hardware', 'A');
  t.deepEqual(enough.json.profiles, [{ hardware: 'A', baseDigest: null, devices: 2, outcomes: { OK: 2 } }]);
  t.regex(enough.json.limits, /only real hardware can show/);
  t.is((await approve('1.0.0')).code, 0);

  // 1.2.0 is right on A and B, where the collection server tries it, and fails its self-test on C.
  t.is((await publish('1.2.0')).code, 0);
  const failed = await trial('1.2.0', '--devices', '2', '--hardware', 'A,C', '--seed', 'night');
  t.is(failed.code, 1);
  t.false(failed.json.passed);
  const base = failed.json.profiles[0]!.baseDigest!;
  t.deepEqual(
    failed.json.profiles.map((p) => [p.hardware, p.outcomes]),
    [
      ['A', { OK: 2 }],
      ['A', { OK: 2 }],
      ['C', { SELF_TEST_FAILED: 2 }],
      ['C', { SELF_TEST_FAILED: 2 }],
    ],
  );
  t.regex(base, /^[0-9a-f]{64}$/);
  const refused = await approve('1.2.0');
  t.deepEqual([refused.code, refused.json.error?.code], [1, 'NOT_TRIED']);
  t.regex(refused.json.error!.text, /0 of 2 devices of hardware C/);
  const same = await trial('1.2.0', '--check');
  t.deepEqual([same.code, same.json.same, same.json.logDigest], [0, true, failed.json.logDigest]);

  // A tester's forged record passes the contract, which runs nothing, and not whoever does the trial again.
  const session = await openSession(apiClient(running.ready.url, running.ready.token!));
  const material = await trialMaterial(session, 'sensor-node@1.2.0');
  t.deepEqual(material.image, new Uint8Array(await readFile(image('1.2.0'))));
  const profiles = await profilesOf(session, material, await fieldOf(session, material.product), 2, ['C']);
  const rates = { loss: 0.2, lie: 0.1, powerCut: 60 };
  const input = { verifier: session.verifier, ...material, profiles, seed: 'forged', rates };
  const log: string[] = [];
  const record = await runTrial({ ...input, line: (text) => log.push(text) });
  t.true(log.some((text) => text.includes('power cut')));
  const second = await runTrial({ ...input, line: () => {} });
  t.deepEqual(second, record, 'one seed, one log');
  const other = await runTrial({ ...input, seed: 'other', line: () => {} });
  t.notDeepEqual(other.logDigest, record.logDigest);
  const forged = record.profiles.map((profile) => ({ ...profile, outcomes: [{ code: 'OK', count: 2 }] }));
  const approver = await loadPerson(join(data, 'people'), 'approver', undefined);
  await submitTrial(session, approver, { ...record, profiles: forged });
  const caught = await trial('1.2.0', '--check');
  t.is(caught.code, 1);
  t.is(caught.json.differs.length, 2, 'each profile; the log was not forged');
  await submitTrial(session, approver, { ...record, profiles: forged, logDigest: record.logDigest.map((x) => x ^ 1) });
  t.regex((await trial('1.2.0', '--check')).json.differs.at(-1)!, /^the record's log is /);

  const audit = await runJson('audit', ...here);
  t.deepEqual([audit.json.ok, audit.json.problems], [true, []]);
});

/** Program-like bytes with a descriptor inside; `change` is what a release changes. */
function made(product: string, version: string, change: number, failsOn: string[] = []): Uint8Array {
  const bytes = Uint8Array.from(
    { length: 12_000 },
    (_, i) => (i * 7 + (i >> 6) * 13 + (i % 641 === 5 ? change : 0)) & 0xff,
  );
  bytes.set(encodeDescriptor({ product, version, failsOn }), 64);
  return bytes;
}

test('a release of two components is tried from every set that devices run, and each component is on the record', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const data = join(folder, 'data');
  const here = ['--data', data] as const;
  const running = await up(...here, '--no-samples');
  t.teardown(() => running.stop('SIGKILL'));
  const publish = async (version: string, app: Uint8Array, radio: Uint8Array, ...more: string[]) => {
    const [appFile, radioFile] = [join(folder, 'app.bin'), join(folder, 'radio.bin')];
    await Promise.all([writeFile(appFile, app), writeFile(radioFile, radio)]);
    const said = ['--product', 'duo', '--version', version, '--component', `radio=${radioFile}`];
    const { code, stderr } = await runJson('publish', appFile, ...said, ...more, ...here);
    t.is(code, 0, stderr);
  };
  const trial = (version: string, ...more: string[]) =>
    runJson<Answer & Tried>('trial', `duo@${version}`, '--devices', '2', ...more, ...here);
  const approve = (version: string) => runJson('approve', `duo@${version}`, '--wait', ...here);
  const shape = ['--vendor', 'example.com', '--memory-class', 'M', '--slot-bytes', '16384'];
  const rule = ['--component-slot', 'radio=16384', '--trial-devices', '2'];
  await publish('1.0.0', made('duo', '1.0.0', 0), made('duo-radio', '1', 0), '--new-product', ...shape, ...rule);
  t.is((await approve('1.0.0')).json.error?.code, 'NOT_TRIED');
  t.is((await trial('1.0.0', '--hardware', 'A')).code, 0);
  t.is((await approve('1.0.0')).code, 0);

  await publish('1.1.0', made('duo', '1.1.0', 1), made('duo-radio', '2', 1, ['C']));
  const failed = await trial('1.1.0', '--hardware', 'A,C', '--loss', '5', '--power-cut', '1/200');
  t.is(failed.code, 1);
  const rows = failed.json.profiles.map(({ hardware, outcomes, components }) => [
    ...[hardware, outcomes],
    ...components!.map((component) => component.outcomes),
  ]);
  const back = [{ SELF_TEST_FAILED: 2 }, { NOT_CURRENT: 2 }, { SELF_TEST_FAILED: 2 }];
  const good = [{ OK: 2 }, { OK: 2 }, { OK: 2 }];
  t.deepEqual(rows, [
    ['A', ...good],
    ['A', ...good],
    ['C', ...back],
    ['C', ...back],
  ]);
  t.deepEqual(
    failed.json.profiles[0]!.components!.map(({ id, baseDigest }) => [id, typeof baseDigest]),
    [
      ['app', 'string'],
      ['radio', 'string'],
    ],
    'from 1.0.0, both of it',
  );
  t.is((await approve('1.1.0')).json.error?.code, 'NOT_TRIED');
  const same = await trial('1.1.0', '--check');
  t.deepEqual([same.code, same.json.same, same.json.logDigest], [0, true, failed.json.logDigest]);

  // The radio stays and has no branch from itself.
  await publish('1.2.0', made('duo', '1.2.0', 2), made('duo-radio', '1', 0));
  const stays = await trial('1.2.0', '--hardware', 'C');
  t.is(stays.code, 0, JSON.stringify(stays.json));
  t.is((await approve('1.2.0')).code, 0);
  t.true((await runJson('audit', ...here)).json.ok);
});
