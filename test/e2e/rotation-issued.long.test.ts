/**
 * The ceremony under keys of a key generation centre: each is reissued, one is stolen, the centre itself is replaced, and
 * the last one leaves for a key that was made here. Real servers over sockets, one command for each, the true SDK.
 */
import { join } from 'node:path';
import { ledgerSize, rootInForce } from '@countersign/broker/face/client/roots';
import { type RunningKgc, startKgc } from '@countersign/broker/face/up/kgc';
import { activeKeys } from '@countersign/broker/keys/next-root';
import type { IssuedKeyView } from '@countersign/broker/ledger/contract/views';
import { hex, implicitKeysOf, isImplicit, revokedFrom } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readSample } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { pause } from '../support/relay-world.ts';
import { PRODUCT, type Site, site } from '../support/site.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;
const ROLES = ['collection', 'distribution'] as const;

test('issued keys and their centre are replaced, and devices of every root go on', async (t) => {
  t.timeout(600_000);
  const dir = await temporary(t);
  const at = (name: string) => join(dir, name);
  const centres = [await startKgc({ data: at('k1') }), await startKgc({ data: at('k2') })] as const;
  t.teardown(() => Promise.all(centres.map((centre) => centre.close())));
  const done = async (...words: string[]) => {
    const { code, json, stderr } = await runJson(...words);
    t.is(code, 0, `${words.slice(0, 3).join(' ')}: ${stderr}`);
    return json;
  };
  const allow = async (which: 1 | 2, role: string, epoch: number) => {
    const out = at(`${which}.${role}.${epoch}.token`);
    const identity = ['--role', role, '--name', 'one', '--epoch', `${epoch}`];
    await done('keys', 'allow', '--data', at(`k${which}`), ...identity, '--out', out);
    return out;
  };
  const from = ({ url, centre }: RunningKgc) => ['--kgc', url, '--centre', hex(centre.publicKey.bytes)];
  const s = await site(t, 5, ['mqtt', 'devices'], async (data) => {
    for (const role of ROLES) {
      const identity = ['--role', role, '--name', 'one', '--epoch', '1', '--data', data];
      await done('keys', 'request', ...from(centres[0]), '--token-file', await allow(1, role, 1), ...identity);
    }
  });
  const data = join(s.folder, 'server');
  const rotate = (role: string, ...words: string[]) =>
    done('keys', 'rotate', role, ...words, '--as', 'operator', '--data', data);

  const first = await s.roll('1.0.1');
  const awake = s.children.at(-1)!;
  awake.start();
  await sleepAt(s, 0, 1);
  await rotate('collection', ...from(centres[0]), '--token-file', await allow(1, 'collection', 2));
  await underNewKey(t, s, data, 2);
  await sleepAt(s, 1, 2);

  const size = await ledgerSize(s.session);
  const stolen = [...from(centres[0]), '--token-file', await allow(1, 'distribution', 2), '--stolen-from', `${size}`];
  await rotate('distribution', ...stolen);
  await underNewKey(t, s, data, 3);
  await sleepAt(s, 2, 3);

  // Without the first key at hand it stops after the first half, and goes on where it stopped.
  const tokens = [await allow(2, 'collection', 3), await allow(2, 'distribution', 3)];
  const half = ['--as', 'operator', '--data', data, '--token-file', tokens[0]!];
  t.is((await runJson('keys', 'rotate', 'kgc', ...from(centres[1]), ...half)).code, 2, 'a token is missing');
  t.is((await rootInForce(s.session)).root.version, 3, 'and nothing is half in force');
  const { version } = await rotate('kgc', ...from(centres[1]), ...tokens.flatMap((file) => ['--token-file', file]));
  t.is(version, 5, 'one root pins the centre, the next one names its keys');
  const root = await underNewKey(t, s, data, 5);
  const [former, now] = implicitKeysOf(sha256, root).centres;
  t.not(revokedFrom(sha256, root, former!), undefined);
  t.is(revokedFrom(sha256, root, now!), undefined);
  t.deepEqual(now, centres[1].centre.publicKey);
  await sleepAt(s, 3, 5);
  const again = ['--token-file', await allow(1, 'collection', 4)];
  const refused = await runJson('keys', 'rotate', 'collection', ...from(centres[0]), ...again, ...half.slice(0, 4));
  t.is(refused.json.error?.code, 'REVOKED', 'the former centre issues nothing more');

  await rotate('distribution');
  t.false(activeKeys(verifier, (await rootInForce(s.session)).root, 'distribution').some(isImplicit));
  await awake.until(({ device }) => device!.state.root.root.version === 6 && awake.version === '1.0.1');
  const second = await s.roll('1.1.0');
  for (const child of s.children.slice(0, -1)) child.start();
  await Promise.all(s.children.map((child) => child.until((own) => own.version === '1.1.0')));
  const image = new Uint8Array(readSample(PRODUCT, '1.1.0'));
  for (const child of s.children) t.deepEqual(child.image(image.length), image);
  while ((await s.updated(second)) < s.children.length) await pause();
  t.true((await s.updated(first)) > 0);
  const audited = await runJson('audit', join(data, 'ledger'), '--trust', join(data, 'trust-root.cbor'));
  t.is(audited.code, 0, JSON.stringify(audited.json));
});

/** A device wakes, comes to this root and to the release that is current, and sleeps. */
async function sleepAt(s: Site, index: number, version: number): Promise<void> {
  const child = s.children[index]!;
  child.start();
  await child.until(({ device }) => device!.state.root.root.version === version && child.version === '1.0.1');
  await child.stop();
}

/** Both signers have one key each that counts, of a centre and on the record; the device that is awake lives under it. */
async function underNewKey(t: ExecutionContext, s: Site, data: string, version: number) {
  const { root } = await rootInForce(s.session);
  t.is(root.version, version);
  const issued = (await runJson<IssuedKeyView[]>('keys', 'issued', '--data', data)).json;
  const known = new Set(issued.flatMap(({ points }) => points.map((point) => point.thumbprint)));
  for (const role of ROLES) {
    const active = activeKeys(verifier, root, role);
    t.is(active.length, 1);
    t.true(isImplicit(active[0]!) && known.has(hex(active[0]!.bytes.slice(0, 32))), role);
  }
  const awake = s.children.at(-1)!;
  await awake.until(({ device }) => device!.state.head.rootVersion === version && awake.version === '1.0.1');
  return root;
}
