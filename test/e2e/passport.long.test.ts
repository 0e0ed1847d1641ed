/** A passport from an operator's command line to the ledger and back, against real servers. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { getPassport, subjectOf } from '@countersign/broker/face/client/passports';
import { openSession } from '@countersign/broker/face/client/session';
import { codeOf } from '@countersign/device-sdk';
import test from 'ava';
import { type Answer, runJson, temporary, up } from '../support/command.ts';

/** Of RFC 8032 section 7.1, tests 2 and 3: public keys of which this test has no secret. */
const KEYS = [
  '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
  'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
];

/** What `passport show` tells, as far as it is looked at. */
interface Shown {
  passport: { components: { name: string }[] };
  releases: { code: string }[];
}

test('put, shown, verified, renewed; another device, an older document and a lying server are told', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const here = ['--data', join(folder, 'data')] as const;
  const running = await up(...here);
  t.teardown(() => running.stop('SIGKILL'));
  const ids: string[] = [];
  for (const key of KEYS) {
    const asked = ['--product', 'sensor-node', '--key', key, ...here];
    const enrolled = await runJson<{ devices: { deviceId: string }[] }>('devices', 'enrol', ...asked);
    ids.push(enrolled.json.devices[0]!.deviceId);
  }
  const [id, other] = ids as [string, string];
  const radio = `radio=7:${'ab'.repeat(32)}:9000`;
  const put = (subject: string, hardware: string) =>
    runJson(
      'passport',
      'put',
      subject,
      '--release',
      'sensor-node@1.0.0',
      '--hardware',
      hardware,
      '--component',
      radio,
      ...here,
    );
  const file = join(folder, 'passport.cbor');
  const verify = (subject: string) =>
    runJson<Answer & { valid?: boolean }>('passport', 'verify', subject, '--file', file, ...here);

  const none = await runJson('passport', 'show', id, ...here);
  t.deepEqual([none.code, none.json.error?.code], [1, 'NOT_FOUND']);
  const first = await put(id, 'B');
  t.deepEqual([first.code, first.json.serial, first.json.subject], [0, 1, 'device'], first.stderr);
  const shown = await runJson<Shown>('passport', 'show', id, '--out', file, ...here);
  t.is(shown.code, 0, shown.stderr);
  t.like(shown.json, { serial: 1, by: 'operator', agreement: { state: 'unreported' } });
  t.deepEqual(
    shown.json.passport.components.map(({ name }) => name),
    ['app', 'radio'],
  );
  t.deepEqual(
    shown.json.releases.map(({ code }) => code),
    ['DUPLICATE'],
  );
  t.true((await verify(id)).json.valid);

  t.is((await put(other, 'A')).json.serial, 1);
  t.is((await verify(other)).json.error?.code, 'BAD_STATEMENT', "another device's");
  t.is((await put(id, 'C')).json.serial, 2);
  t.is((await verify(id)).json.error?.code, 'BAD_STATEMENT', 'an older document');
  const old = await readFile(file);
  old[old.length - 1]! ^= 1;
  await writeFile(file, old);
  t.is((await verify(id)).json.error?.code, 'BAD_STATEMENT', 'an altered document');
  t.is((await put('sensor-node', 'A')).json.subject, 'product');

  const { url, token } = running.ready;
  const api = apiClient(url, token!);
  const session = await openSession(api);
  const path = (device: string) => `/api/v1/passports/device/${device}`;
  const lie = (from: string) => ({
    ...session,
    api: { ...api, get: (asked: string) => api.get(asked === path(id) ? from : asked) },
  });
  const subject = await subjectOf(session, id);
  t.is((await getPassport(session, subject)).passport.hardware, 'C');
  const foreign = await t.throwsAsync(getPassport(lie(path(other)), subject));
  t.is(codeOf(foreign), 'BAD_STATEMENT', foreign?.message);
  const audit = await runJson('audit', ...here);
  t.deepEqual([audit.json.ok, audit.json.problems], [true, []]);
});
