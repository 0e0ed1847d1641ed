/** The thirteen steps of dual signatures with keys from a key generation centre, each server a process of its own. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Opened } from '@countersign/broker/face/client/rollouts';
import type { IssuedKeyView, ReleaseView } from '@countersign/broker/ledger/contract/views';
import { readSample } from '@countersign/firmware-samples';
import test, { type ExecutionContext } from 'ava';
import { type Answer, runJson, start, temporary, up } from '../support/command.ts';
import { commandProfile, Gateway, SLOT_BYTES, untilDevice } from '../support/gateway.ts';
import { repository } from '../support/repository.ts';
import { waitForState } from '../support/rollout-state.ts';

const image = (version: string) => join(repository, `firmware-samples/images/sensor-node-${version}.bin`);

async function startCentre(t: ExecutionContext, data: string) {
  const { child, ended } = start(['keys', 'kgc', '--data', data, '--port', '0', '--json']);
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const ready = await new Promise<{ url: string; publicKey: string }>((resolve, reject) => {
    let text = '';
    child.stdout!.on('data', (part: string) => {
      text += part;
      if (text.includes('\n')) resolve(JSON.parse(text));
    });
    void ended.then(({ stderr }) => reject(new Error(stderr)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    return ended;
  };
  return { ...ready, stop };
}

async function isClosed(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const closed = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(false));
    socket.once('error', () => resolve(true));
  });
  socket.destroy();
  return closed;
}

/** What `keys request` tells. */
interface Issued {
  thumbprint: string;
  issuedFile: string;
}

test('a release under keys of a centre reaches a device that knows the distribution server alone', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const at = (name: string) => join(folder, name);
  const done = async <T = Answer>(...args: string[]) => {
    const { code, json, stderr } = await runJson<T>(...args);
    if (code !== 0) throw new Error(`${args.slice(0, 2).join(' ')}: ${stderr}`);
    return json;
  };

  // 1, 2: the centre is set up and makes its key. 3, 4: it lists the identities of the two servers.
  const centre = await startCentre(t, at('kgc'));
  const issued: Record<string, Issued> = {};
  for (const role of ['collection', 'distribution']) {
    const identity = ['--role', role, '--name', 'one', '--epoch', '1'];
    await done('keys', 'allow', '--data', at('kgc'), ...identity, '--out', at(`${role}.token`));
    // 5, 6: each server sends identity and point, gets its share, and makes its own key pair of it.
    const from = ['--kgc', centre.url, '--centre', centre.publicKey, '--token-file', at(`${role}.token`)];
    issued[role] = await done<Issued>('keys', 'request', ...from, ...identity, '--data', at(role));
    await writeFile(at(`${role}.json`), JSON.stringify(await done('keys', 'server', role, '--data', at(role))));
  }
  // The centre is needed no more, now or ever, by whoever verifies.
  t.is((await centre.stop()).code, 0);

  // 7: the parameters and both public keys are published: the first trust root.
  const keys = ['--server-keys', at('collection.json'), '--server-keys', at('distribution.json')];
  const ledger = await up('--only', 'ledger', '--data', at('ledger'), '--port', '0', ...keys);
  t.teardown(() => ledger.stop('SIGKILL'));
  const toLedger = ['--ledger', ledger.ready.url, '--ledger-token-file', at('ledger/client-token')];
  const trust = ['--trust', at('ledger/trust-root.cbor')];
  const collection = await up('--only', 'collection', '--data', at('collection'), ...toLedger, ...trust);
  t.teardown(() => collection.stop('SIGKILL'));
  const toCollection = ['--collection', collection.ready.url, '--collection-token-file', at('collection/client-token')];
  const own = ['--data', at('distribution'), '--port', '0', '--mqtt-port', '0'];
  const distribution = await up('--only', 'distribution', ...own, ...toLedger, ...toCollection, ...trust);
  t.teardown(() => distribution.stop('SIGKILL'));
  for (const server of ['collection', 'distribution']) {
    await cp(at('ledger/people'), join(at(server), 'people'), { recursive: true });
  }

  // 8: both keys are put on the record. Before that nobody takes a signature of them.
  const product = ['--new-product', '--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', `${SLOT_BYTES}`];
  const publish = (version: string, ...more: string[]) => [
    ...['publish', image(version), '--product', 'sensor-node', '--version', version],
    ...['--as', 'engineer', '--data', at('collection'), ...more],
  ];
  const early = await runJson(...publish('1.0.0', ...product));
  t.is(early.json.error?.code, 'UNKNOWN_KEY', early.stderr);
  for (const role of ['collection', 'distribution']) {
    await done('keys', 'issue', issued[role]!.issuedFile, '--as', 'operator', '--data', at('collection'));
  }
  const onRecord = await done<IssuedKeyView[]>('keys', 'issued', '--data', at('distribution'));
  t.deepEqual(
    onRecord.flatMap(({ points }) => points.map(({ thumbprint }) => thumbprint)).sort(),
    Object.values(issued)
      .map(({ thumbprint }) => thumbprint)
      .sort(),
  );
  const publishAndOpen = async (version: string, ...more: string[]) => {
    const { releaseLeaf } = await done<ReleaseView>(...publish(version, ...more));
    // 9: the collection server signs the image, and another person approves. 10: the distribution server checks the first
    // signature and signs second.
    await done('approve', releaseLeaf, '--wait', '--as', 'approver', '--data', at('collection'));
    const plan = ['--jitter', '0', '--as', 'operator', '--data', at('distribution')];
    const { rolloutId } = await done<Opened>('rollout', 'open', releaseLeaf, ...plan);
    await waitForState(at('distribution'), rolloutId, 'open');
  };
  await publishAndOpen('1.0.0');

  // 11: the device gets both public keys from the distribution server alone, in its factory record.
  const gateway = new Gateway(at('device'), commandProfile(at('device'), [{ url: distribution.ready.mqtt }]));
  t.teardown(() => gateway.end());
  const id = await gateway.enrol(at('distribution'), '1.0.0');
  // Another one, on a site without a line: what it needs will be carried there.
  const away = new Gateway(
    at('away'),
    commandProfile(at('away'), [{ url: distribution.ready.mqtt }]),
    [],
    ['--bundle', at('carried')],
  );
  t.teardown(() => away.end());
  await away.enrol(at('distribution'), '1.0.0');
  await publishAndOpen('1.0.1');

  // 12: the collection server's sockets are closed before the device begins, and the centre's.
  const closing = collection.ready.url;
  t.is((await collection.stop()).code, 0);
  for (const url of [closing, centre.url]) t.true(await isClosed(url), url);

  // 13: the device verifies both signatures, both keys' entries in the ledger, installs and reports.
  gateway.supervise();
  await untilDevice(at('distribution'), id, ({ outcome, version }) => outcome === 'updated' && version === '1.0.1');
  t.deepEqual(await readFile(join(at('device'), 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.1')));
  await gateway.end();

  // The same release in a file, with both keys' entries; every server is gone before the other device begins.
  const order = ['--release', 'sensor-node@1.0.1', '--from', 'sensor-node@1.0.0', '--out', at('carried')];
  const made = await done('bundle', ...order, '--data', at('distribution'));
  t.is(made.issuedKeys, 2);
  const told = await done('bundle', 'info', at('carried'), '--trust', at('ledger/trust-root.cbor'));
  t.deepEqual([told.issuedKeys, told.anchored, told.branches], [2, true, made.branches]);
  for (const server of [distribution, ledger]) t.is((await server.stop()).code, 0);
  t.true(await isClosed(ledger.ready.url));
  away.supervise();
  // It asks its link for anything only when the trial is over.
  await away.until(() => {
    const tried = away.lines.findLastIndex((line) => line.kind === 'booted' && line.slot === 1);
    return tried >= 0 && away.lines.slice(tried).some((line) => line.kind === 'link' && line.up);
  });
  await away.end();
  const status = await done('device', 'status', '--profile', away.profile);
  t.is(status.version, '1.0.1', JSON.stringify(status));
  t.deepEqual(await readFile(join(at('away'), 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.1')));
  const audited = await done('audit', at('ledger'));
  t.true(audited.ok, JSON.stringify(audited.problems));
});
