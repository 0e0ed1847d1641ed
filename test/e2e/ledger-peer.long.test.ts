/** Each server alone, and a peer to read from: the orderer is killed, and devices go on updating by what was announced. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Opened } from '@countersign/broker/face/client/rollouts';
import type { DeviceView, HistoryItem } from '@countersign/broker/ledger/contract/views';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { type Answer, start, temporary, type Up, up } from '../support/command.ts';
import { runVerbJson } from '../support/command-here.ts';
import { commandProfile, Gateway, PRODUCT, untilDevice } from '../support/gateway.ts';
import { repository } from '../support/repository.ts';
import { waitForState } from '../support/rollout-state.ts';

const image = (version: string) => join(repository, `firmware-samples/images/sensor-node-${version}.bin`);
const NEW = ['--new-product', '--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', '262144'];

test('collection and distribution read from a peer while the orderer is dead, and a device updates', async (t) => {
  t.timeout(600_000);
  const folder = await temporary(t);
  const at = (name: string) => join(folder, name);
  const running = new Map<string, Up>();
  const kill = async (name: string) => (await running.get(name)!.stop('SIGKILL')).stderr;
  t.teardown(() => Promise.all([...running.values()].map((one) => one.stop('SIGKILL'))));
  /** @param again at the port that the others know */
  const begin = async (name: string, args: string[], again = false) => {
    const port = again ? new URL(running.get(name)!.ready.url).port : '0';
    const one = await up('--only', name, '--data', at(name), '--port', port, ...args);
    running.set(name, one);
    return one.ready;
  };
  for (const server of ['collection', 'distribution', 'peer']) {
    const { json } = await runVerbJson('keys', 'server', server, '--data', at(server));
    writeFileSync(at(`${server}.json`), JSON.stringify(json));
  }
  const keys = ['--server-keys', at('collection.json'), '--server-keys', at('distribution.json')];
  const ledger = await begin('ledger', [...keys, '--peer-key', at('peer.json'), '--quorum', '1']);
  const toLedger = ['--ledger', ledger.url, '--ledger-token-file', at('ledger/client-token')];
  const trust = ['--trust', at('ledger/trust-root.cbor')];
  const collection = await begin('collection', [...toLedger, ...trust]);
  const toCollection = ['--collection', collection.url, '--collection-token-file', at('collection/client-token')];
  const contents = ['--contents', collection.url, '--contents-token-file', at('collection/client-token')];
  const peer = start(['peer', '--json', '--follow', at('ledger'), '--data', at('peer'), ...contents]);
  t.teardown(() => peer.child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    peer.child.stdout!.once('data', () => resolve());
    void peer.ended.then(({ code, stderr }) => reject(new Error(`the peer ended with ${code}: ${stderr}`)));
  });
  const toPeer = ['--ledger-peer', at('peer')];
  await running.get('collection')!.stop();
  await begin('collection', [...toLedger, ...toPeer], true);
  const toAll = [...toLedger, ...toPeer, ...toCollection];
  const { mqtt } = await begin('distribution', [...toAll, ...trust, '--mqtt-port', '0']);
  for (const name of ['collection', 'distribution'])
    cpSync(at('ledger/people'), join(at(name), 'people'), { recursive: true });

  const done = async <T = Answer>(...args: string[]) => {
    const { code, json, stderr } = await runVerbJson<T>(...args);
    if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
    return json;
  };
  const released = async (version: string, more: string[] = []) => {
    const named = ['--product', PRODUCT, '--version', version, '--as', 'engineer', '--data', at('collection')];
    await done('publish', image(version), ...named, ...more);
    await done('approve', `${PRODUCT}@${version}`, '--wait', '--as', 'approver', '--data', at('collection'));
  };
  const opened = async (version: string) => {
    const rollout = ['rollout', 'open', `${PRODUCT}@${version}`, '--jitter', '0', '--as', 'operator'];
    const { rolloutId } = await done<Opened>(...rollout, '--data', at('distribution'));
    await waitForState(at('distribution'), rolloutId, 'open');
  };
  await released('1.0.0', NEW);
  const own = at('gateway');
  const gateway = new Gateway(own, commandProfile(own, [{ url: mqtt }]));
  t.teardown(() => gateway.end());
  const id = await gateway.enrol(at('distribution'), '1.0.0');
  await released('1.0.1');
  await opened('1.0.1');

  // The orderer dies, and then the distribution server as well: it comes back on what the peer has.
  await kill('ledger');
  await kill('distribution');
  await begin('distribution', [...toAll, '--mqtt-port', new URL(mqtt).port], true);
  for (const name of ['collection', 'distribution']) {
    const history = await done<HistoryItem[]>('history', `${PRODUCT}@1.0.1`, '--data', at(name));
    t.true(history.length >= 3, `${name}: uploaded, approved, confirmed`);
    t.is((await done<DeviceView[]>('devices', '--data', at(name)))[0]!.deviceId, id);
  }
  gateway.supervise();
  // The boot record is what is stored last; a device whose reports are not logged says nothing else of its success.
  const record = join(own, 'state/target/boot.json');
  const confirmed = () => existsSync(record) && readFileSync(record, 'utf8').startsWith('{"good":1,"trial":null');
  while (!confirmed()) await new Promise((resolve) => setTimeout(resolve, 100));
  t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample('sensor-node', '1.0.1')));
  const again = ['publish', image('1.1.0'), '--product', PRODUCT, '--version', '1.1.0', '--as', 'engineer'];
  const refused = await runVerbJson(...again, '--data', at('collection'));
  t.is(refused.json.error?.code, 'UNREACHABLE', 'writing waits for the orderer');

  // It comes back: what waited is logged.
  await begin('ledger', [], true);
  const device = await untilDevice(at('distribution'), id, ({ outcome }) => outcome === 'updated');
  t.is(device.version, '1.0.1');
  await released('1.1.0');
  t.is((await done('releases', '--data', at('collection'))).length, 3);
});
