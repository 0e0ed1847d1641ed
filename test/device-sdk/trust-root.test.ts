/** The trust root on the device: thresholds of both versions, years of rotations to catch up with, and what is refused. */

import { publicKeyOf, ROOTS, ROOTS_MAX, type Signer, type TrustRoot, thumbprint } from '@countersign/device-sdk/format';
import { nextRoot, openRoot } from '@countersign/device-sdk/verify';
import { changed, image } from '@countersign/simulator/attacks/scene';
import test from 'ava';
import { PocketServer, rotate, signRoot, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { deviceOf, keyOf, rootScene, rotateRootKey } from '../support/root-life.ts';

const { sha256 } = verifier;
const OLD = ['a', 'b', 'c'].map(keyOf);
const NEW = ['c', 'd', 'e'].map(keyOf);
const STRANGER = keyOf('stranger');
const [a, b, c] = OLD as [Signer, Signer, Signer];
const [, d, e] = NEW as [Signer, Signer, Signer];

const twoOf = (keys: readonly Signer[]) => ({ threshold: 2, keys: keys.map(publicKeyOf), implicit: [] });

/** Two of a, b and c may sign; from version 2 on two of c, d and e. */
function roots(change: Partial<TrustRoot> = {}) {
  const { root } = new PocketServer();
  const first: TrustRoot = { ...root, roles: { ...root.roles, root: twoOf(OLD) } };
  return { first, second: { ...first, version: 2, roles: { ...first.roles, root: twoOf(NEW) }, ...change } };
}

const SIGNED: [what: string, by: readonly Signer[], accepted: boolean][] = [
  ['two of the old keys and two of the new ones', [a, b, d, e], true],
  ['three, of which one stands in both', [b, c, d], true],
  ['all of them', [a, b, c, d, e], true],
  ['a key that stands in neither, beside enough that do', [STRANGER, a, b, d, e], true],
  ['the old keys alone', [a, b, c], false],
  ['the new keys alone', [c, d, e], false],
  ['one old key and two new ones', [a, d, e], false],
  ['two old keys and one new one', [a, b, d], false],
  ['one old key twice, and two new ones', [a, a, d, e], false],
  ['two old keys, and one new one twice', [a, b, d, d], false],
  ['the key that stands in both, as often as you like', [c, c, c, c], false],
  ['strangers', [STRANGER, STRANGER], false],
];

for (const [what, by, accepted] of SIGNED) {
  test(`the next trust root, signed by ${what}, is ${accepted ? 'accepted' : 'BAD_ROOT'}`, async (t) => {
    const { first, second } = roots();
    const current = openRoot(verifier, await signRoot(first, [a, b])).root;
    const bytes = await signRoot(second, by);
    if (accepted) t.is(nextRoot(verifier, current, bytes).root.version, 2);
    else
      t.is(
        codeOfRefusal(() => nextRoot(verifier, current, bytes)),
        'BAD_ROOT',
      );
  });
}

const REFUSED: [what: string, change: Partial<TrustRoot>][] = [
  ['the same version again', { version: 1 }],
  ['a version that was left out', { version: 3 }],
  ['another log', { origin: 'elsewhere.example/log' }],
];

for (const [what, change] of REFUSED) {
  test(`a trust root with ${what} is BAD_ROOT, whoever signed it`, async (t) => {
    const { first, second } = roots(change);
    const bytes = await signRoot(second, [a, b, c, d, e]);
    t.is(
      codeOfRefusal(() => nextRoot(verifier, first, bytes)),
      'BAD_ROOT',
    );
  });
}

test('a lower version is BAD_ROOT, though it was right once', async (t) => {
  const { first, second } = roots();
  const signed = await signRoot(first, [a, b, d, e]);
  t.is(
    codeOfRefusal(() => nextRoot(verifier, second, signed)),
    'BAD_ROOT',
  );
});

test('a root that names one key twice, or a threshold that its keys cannot reach, is BAD_ROOT', async (t) => {
  const { first } = roots();
  for (const root of [twoOf([d, d]), { ...twoOf([d]), threshold: 2 }]) {
    const second = { ...first, version: 2, roles: { ...first.roles, root } };
    const bytes = await signRoot(second, [a, b, d]);
    t.is(
      codeOfRefusal(() => nextRoot(verifier, first, bytes)),
      'BAD_ROOT',
    );
  }
});

const YEAR = 12;

test('devices of every version catch up over a year of rotations, and install what stands under the newest', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const births: Uint8Array[] = [];
  for (let month = 0; month < YEAR; month++) {
    births.push(server.provision(first, new Uint8Array(16).fill(7)));
    await rotateRootKey(server);
  }
  // Every other key is another one, too: nothing that signed the first release signs the second.
  const roles = { ...server.root.roles };
  for (const role of ['collection', 'distribution', 'command', 'log'] as const) {
    server.signers[role] = keyOf(`new ${role}`);
    roles[role] = { threshold: 1, keys: [publicKeyOf(server.signers[role])], implicit: [] };
  }
  await rotate(server, { roles });
  await server.publish(changed(first.image, 5), { bases: [first] });
  for (const [month, birth] of births.entries()) {
    const device = new PocketDevice(server, first, { birth });
    await device.start();
    t.is(device.device!.state.root.root.version, YEAR + 2, `of month ${month}`);
    t.is(device.device!.state.running.sequence, 2, `of month ${month}`);
    await device.device!.stop();
  }
});

test('a device further behind than one round of questions keeps what held, asks again, and gets there', async (t) => {
  const s = await rootScene({}, 16 * ROOTS_MAX + 3);
  const device = deviceOf(s);
  const seen: number[] = [];
  device.told = ({ kind }) => void (kind === 'refused' && seen.push(device.device!.state.root.root.version));
  await device.start();
  t.deepEqual(device.codes(), ['BAD_ROOT'], 'out of reach in one go');
  t.deepEqual(seen, [1 + 16 * ROOTS_MAX], 'what held is kept');
  t.is(device.device!.state.root.root.version, s.newest);
  t.is(device.device!.state.running.sequence, 2);
});

const LIES: [what: string, lie: (roots: readonly Uint8Array[]) => Uint8Array[], keeps: number][] = [
  ['leaves out the next one', (all) => all.slice(2), 1],
  ['leaves out one on the way', (all) => [all[1]!, all[3]!], 2],
  ['gives them in another order', (all) => [all[2]!, all[1]!, all[3]!], 1],
  ['gives the one that is stored', (all) => [all[0]!], 1],
  ['gives the next one twice', (all) => [all[1]!, all[1]!], 2],
  ['has none', () => [], 1],
  ['has one that ends too early', (all) => [all[1]!, all[2]!.slice(0, -1)], 2],
];

for (const [what, lie, keeps] of LIES) {
  test(`a server that ${what}: what holds is kept, the rest leaves no trace, and the truth is taken afterwards`, async (t) => {
    const s = await rootScene({}, 3);
    const honest = s.server.answers.bind(s.server);
    s.server.answers = async (bytes) =>
      (await honest(bytes)).map((answer) =>
        answer.kind === ROOTS ? { ...answer, roots: lie(s.server.roots) } : answer,
      );
    const device = deviceOf(s);
    await device.start();
    t.is(device.device!.state.root.root.version, keeps);
    t.is(device.device!.state.running.sequence, 1);
    t.true(device.codes().length > 0);
    t.true(
      device.codes().every((code) => code === 'BAD_ROOT' || code === 'MALFORMED'),
      device.codes().join(),
    );
    s.server.answers = honest;
    await device.start();
    t.is(device.device!.state.root.root.version, 4);
    t.is(device.device!.state.running.sequence, 2);
  });
}

test('a rotation that is half done is refused and not stored, also after a restart', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const birth = server.provision(first, new Uint8Array(16).fill(7));
  const heir = keyOf('heir');
  const roles = { ...server.root.roles, root: { threshold: 1, keys: [publicKeyOf(heir)], implicit: [] } };
  await rotate(server, { roles }, [server.signers.root]); // the heir has not signed yet
  await server.publish(changed(first.image, 5), { bases: [first] });
  const device = new PocketDevice(server, first, { birth });
  for (let start = 0; start < 2; start++) {
    await device.start();
    t.is(device.device!.state.root.root.version, 1);
    t.is(device.device!.state.running.sequence, 1);
    t.is(device.codes().at(-1), 'BAD_ROOT');
  }
  server.roots[1] = await signRoot(server.root, [server.signers.root, heir]);
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(device.device!.state.running.sequence, 2);
});

test('under a root that revokes the log key its heads are REVOKED, and those of its successor are taken', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const birth = server.provision(first, new Uint8Array(16).fill(7));
  const [stolen, successor] = [server.signers.log, keyOf('successor')];
  const keys = [stolen, successor].map(publicKeyOf);
  const revocations = [{ thumbprint: thumbprint(sha256, publicKeyOf(stolen)), logSize: server.entries.length }];
  await rotate(server, { roles: { ...server.root.roles, log: { threshold: 1, keys, implicit: [] } }, revocations });
  await server.publish(changed(first.image, 5), { bases: [first] });
  const device = new PocketDevice(server, first, { birth });
  await device.start();
  t.is(device.device!.state.root.root.version, 2);
  t.is(device.device!.state.running.sequence, 1);
  t.deepEqual([...new Set(device.codes())], ['REVOKED']);
  server.signers.log = successor;
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
});

test('a revoked first key stays good for what was logged before its size, and for nothing after', async (t) => {
  const server = await PocketServer.create('M');
  const first = await server.publish(image(3));
  const birth = server.provision(first, new Uint8Array(16).fill(7));
  const second = await server.publish(changed(first.image, 5), { bases: [first] });
  const print = thumbprint(sha256, publicKeyOf(server.signers.collection));
  const keys = [server.signers.collection, keyOf('next c')].map(publicKeyOf);
  const roles = { ...server.root.roles, collection: { threshold: 1, keys, implicit: [] } };
  await rotate(server, { roles, revocations: [{ thumbprint: print, logSize: second.leafIndex + 1 }] });
  const device = new PocketDevice(server, first, { birth });
  await device.start();
  t.is(device.device!.state.running.sequence, 2, 'logged before');
  await server.publish(changed(first.image, 7), { bases: [second] });
  await device.start();
  t.is(device.device!.state.running.sequence, 2);
  t.is(device.codes().at(-1), 'REVOKED');
});
