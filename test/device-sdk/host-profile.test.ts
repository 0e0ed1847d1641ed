/** Profiles of gateways: what people write, read strictly. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { readProfile } from '@countersign/device-sdk/host/profile';
import { readRelayProfile } from '@countersign/device-sdk/host/relay/profile';
import test from 'ava';
import { temporary } from '../support/command.ts';
import { base } from '../support/gateway.ts';

test('every mistake in a profile is refused, with its place', async (t) => {
  const folder = await temporary(t);
  const good = { ...base([{ url: 'mqtt://127.0.0.1:1' }]), boot: { kind: 'file' } };
  const radio = { id: 'radio', slots: { kind: 'file', bytes: 8192 } };
  const link = { kind: 'link', current: 'current' };
  const rows: [string, object, RegExp][] = [
    ['a typo', { ...good, helth: {} }, /no field helth/],
    ['no health', { ...good, health: undefined }, /profile\.health is missing/],
    ['a shell line', { ...good, health: { command: 'check | grep ok' } }, /profile\.health\.command is a list/],
    ['a gateway without a port', { ...good, links: [{ url: 'tcp://x' }] }, /neither tcp/],
    ['another protocol', { ...good, links: [{ url: 'ftp://x' }] }, /ftp:\/\/x is no/],
    ['an installer that nobody checks', { ...good, boot: { kind: 'command', install: ['x'] } }, /verify or readBack/],
    [
      'a path for a name',
      { ...good, boot: { kind: 'command', install: ['x'], readBack: 'y', fileName: '../z' } },
      /a name/,
    ],
    ['a window', { ...good, veto: { windows: ['9-5'] } }, /not like 22:00/],
    ['a slot', { ...good, slots: { kind: 'file', bytes: 5000 } }, /times 4096/],
    [
      'an exit code',
      { ...good, boot: { kind: 'command', install: ['x'], readBack: 'y', exitCodes: { 300: 'BUSY' } } },
      /300/,
    ],
    ['a component of the name of the application', { ...good, components: [{ ...radio, id: 'app' }] }, /distinct ids/],
    ['two components of one name', { ...good, components: [radio, radio] }, /distinct ids/],
    ['a fifth component', { ...good, components: ['a', 'b', 'c', 'd'].map((id) => ({ ...radio, id })) }, /has 4/],
    ['a path for a component', { ...good, components: [{ ...radio, id: '../x' }] }, /distinct ids/],
    ['a typo in a component', { ...good, components: [{ ...radio, slot: 1 }] }, /components\[0\] has no field slot/],
    ['a component read back by nobody', { ...good, components: [{ ...radio, readBack: 'r' }] }, /boot of kind command/],
    [
      'a component that nobody checks',
      { ...good, components: [radio], boot: { kind: 'command', install: ['x'], readBack: 'y' } },
      /readBack of radio/,
    ],
    [
      'one link for the partitions of two',
      { ...good, components: [{ id: 'radio', slots: { kind: 'block', devices: ['a', 'b'] } }], boot: link },
      /targets is missing/,
    ],
    ['half a certificate', { ...good, links: [{ url: 'mqtts://x', cert: 'a' }] }, /go together/],
  ];
  for (const [name, profile, expected] of rows) {
    const path = join(folder, 'profile.json');
    writeFileSync(path, JSON.stringify(profile));
    const error = t.throws(() => readProfile(path), { instanceOf: Refusal, code: 'BAD_REQUEST' }, name);
    t.regex(error!.message, expected, name);
  }
  writeFileSync(join(folder, 'profile.json'), JSON.stringify(good));
  t.like(readProfile(join(folder, 'profile.json')), { folder: join(folder, 'state'), askSeconds: 5, clock: true });
  t.throws(() => readProfile(join(folder, 'nowhere')), { instanceOf: Refusal, code: 'NOT_FOUND' });
});

test('a gateway for other devices does not name itself as its way to the server', async (t) => {
  const path = join(await temporary(t), 'relay.json');
  const read = (port: number) => {
    writeFileSync(path, JSON.stringify({ folder: 'state', links: [{ url: `tcp://127.0.0.1:${port}` }] }));
    return readRelayProfile(path);
  };
  const error = t.throws(() => read(7420), { instanceOf: Refusal, code: 'BAD_REQUEST' });
  t.regex(error!.message, /names the gateway itself/);
  t.is(read(7421).listen, 'tcp://127.0.0.1:7420');
});
