/**
 * The whole path with an EVM chain as the engine, each party a process: a node, the servers, a peer that reads the node for
 * itself, a device. A second repository node votes; what the device reports takes its place on the chain by a batch.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { auditFolder } from '@countersign/broker/ledger/audit';
import { readEntry } from '@countersign/broker/ledger/contract/entry';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { type ChainLog, openChain } from '@countersign/broker/ledger/evm/chain';
import { showChain, voteOnChain } from '@countersign/broker/ledger/evm/member';
import { readProfile } from '@countersign/broker/ledger/evm/profile';
import { codeOf } from '@countersign/device-sdk';
import { asArray, asBytes, decode, hex } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { ACCOUNTS, anvilPath, deployOn, startAnvil } from '../support/anvil.ts';
import { run, runJson, startPeer, temporary, up } from '../support/command.ts';
import { commandProfile, Gateway, PRODUCT, release, SLOT_BYTES, untilDevice } from '../support/gateway.ts';
import { repository } from '../support/repository.ts';

const { sha256 } = nodeVerifier();
const image = (version: string) => join(repository, `firmware-samples/images/sensor-node-${version}.bin`);
const SHAPE = ['--new-product', '--vendor', 'example.com', '--memory-class', 'L', '--slot-bytes', String(SLOT_BYTES)];
const PORTS = ['--port', '0', '--mqtt-port', '0', '--no-samples'];

test('publish, two votes, rollout, report and audit on an EVM chain, and all of it again after a kill', async (t) => {
  t.timeout(600_000);
  if (anvilPath() === undefined) {
    t.log('left out: anvil is not installed for this platform');
    return t.pass();
  }
  const folder = await temporary(t);
  const [data, peerData, own] = ['o', 'p', 'device'].map((name) => join(folder, name)) as [string, string, string];
  const anvil = await startAnvil();
  t.teardown(() => anvil.stop());
  const { address, block } = await deployOn(anvil, 2, 2);
  const profile = (name: string, account?: string) => {
    const common = {
      rpc: anvil.url,
      chainId: 31_337,
      contract: address,
      fromBlock: block,
      confirmations: 0,
      pollMs: 50,
    };
    const path = join(folder, `${name}.json`);
    writeFileSync(
      path,
      JSON.stringify({ ...common, ...(account && { account: { address: account, signer: anvil.url } }) }),
    );
    return path;
  };

  const key = join(folder, 'peer-key.json');
  writeFileSync(key, (await run('keys', 'server', 'peer', '--data', peerData, '--json')).stdout);
  const engine = ['--data', data, '--ledger', 'evm', '--evm-profile', profile('orderer', ACCOUNTS[1])];
  let server = await up(...engine, '--peer-key', key, ...PORTS);
  t.teardown(async () => void (await server.stop('SIGKILL')));
  t.like(server.ready, { quorum: { needed: 1, peers: 1 } });
  const reader = profile('reader');
  const peer = await startPeer('--follow', data, '--data', peerData, '--ledger', 'evm', '--evm-profile', reader);
  t.teardown(async () => void (await peer.stop('SIGKILL')));
  const second = voter(profile('second', ACCOUNTS[2]));
  t.teardown(second.stop);

  const factory = ['--product', PRODUCT, '--version', '1.0.0', ...SHAPE, '--as', 'engineer', '--data', data];
  t.is((await run('publish', image('1.0.0'), ...factory)).code, 0);
  const approved = await run('approve', `${PRODUCT}@1.0.0`, '--as', 'approver', '--wait', '--data', data);
  t.is(approved.code, 0, approved.stderr);
  const gateway = new Gateway(own, commandProfile(own, [{ url: server.ready.mqtt }]));
  t.teardown(() => gateway.end());
  const id = await gateway.enrol(data, '1.0.0');
  gateway.supervise();
  const takes = async (version: string) => {
    await release(data, image(version), version);
    await untilDevice(data, id, (device) => device.outcome === 'updated' && device.version === version);
    t.deepEqual(readFileSync(join(own, 'target.bin')), Buffer.from(readSample(PRODUCT, version)));
  };
  await takes('1.0.1');
  t.deepEqual(second.votes(), 2, 'one for each release');

  // The servers die without warning and come back: the chain is compared with what they have, and goes on.
  await server.stop('SIGKILL');
  server = await up(...engine, '--no-samples');
  await takes('1.2.0');
  t.deepEqual(second.votes(), 3);

  // Somebody pulls the brake on the chain. Nobody asked these servers: they pause what is open.
  const open = async () => (await runJson<RolloutView[]>('rollout', 'list', '--data', data)).json;
  const newest = async () => (await open()).find(({ state }) => state !== 'aborted')!;
  t.is((await newest()).state, 'open');
  const brake = ['--evm-profile', profile('brake', ACCOUNTS[4])];
  t.is((await run('chain', 'pause', ...brake)).code, 0);
  await until(async () => (await newest()).state === 'paused');

  // What the device said is on the chain: in a batch whose root and digest stand there, checked by the paper alone.
  const batches = await batchesOf(reader, data);
  // The first statement of all is the trust root, which is no entry that anybody hands in.
  const entries = batches.flatMap(({ statements }) => statements).slice(1);
  const reports = entries.filter((entry) => readEntry(sha256, entry).kind === 'report');
  t.true(reports.length >= 4, 'a trial and an outcome for each update');
  for (const { root, statements } of batches) t.is(`0x${hex(treeHash(statements))}`, root);

  await until(async () => (await head(peerData)) === (await head(data)));
  for (const dir of [data, peerData]) {
    const audit = await runJson<{ cosignatures: number }>('audit', dir, '--trust', join(data, 'trust-root.cbor'));
    t.like(audit.json, { ok: true }, audit.stderr);
    t.true(audit.json.cosignatures >= 1);
  }
  const audited = await auditFolder(data);
  t.is(audited.entries, 1 + entries.length + second.votes(), 'every leaf but those of the releases is from the chain');
  t.deepEqual((await showChain(reader)).proposed, []);
  t.is((await server.stop('SIGTERM')).code, 0);
  t.is((await peer.stop('SIGTERM')).code, 0);
});

async function head(data: string): Promise<string> {
  const { json } = await runJson('head', '--data', data);
  return `${json.size} ${json.root}`;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(100);
}

/** Votes for whatever is proposed, as a node that trusts its operator's peer. */
function voter(profile: string) {
  let votes = 0;
  let running = true;
  const run = async () => {
    while (running) {
      for (const { release: leaf } of (await showChain(profile)).proposed) votes += await vote(profile, leaf);
      await pause(100);
    }
  };
  const done = run();
  return {
    votes: () => votes,
    stop: async () => {
      running = false;
      await done;
    },
  };
}

/** @returns 1, or 0 where this node has voted before and the other has not yet */
async function vote(profile: string, leaf: string): Promise<number> {
  try {
    await voteOnChain(profile, leaf as `0x${string}`);
    return 1;
  } catch (error) {
    if (codeOf(error) !== 'DUPLICATE') throw error;
    return 0;
  }
}

/** The batches as the chain names them, with the statements of their files. */
async function batchesOf(path: string, data: string) {
  const profile = await readProfile(path);
  const chain = await openChain(profile);
  const logs = (await chain.logs(profile.fromBlock, await chain.height())).filter(({ name }) => name === 'Batch');
  await chain.close();
  return logs.map(({ args }: ChainLog) => {
    const digest = String(args.digest).slice(2);
    const file = new Uint8Array(readFileSync(join(data, 'ledger/batches/blobs', digest.slice(0, 2), digest)));
    if (hex(sha256(file)) !== digest) throw new Error(`the file of batch ${digest} has another digest`);
    const statements = asArray(decode(file), 'batch').map((item) => asBytes(item, 'statement'));
    return { root: String(args.root), statements };
  });
}

/** RFC 9162, section 2.1.1, word for word. */
function treeHash(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return sha256(Buffer.concat([Buffer.of(0), leaves[0]!]));
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Buffer.concat([Buffer.of(1), treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k))]));
}

test("a node of the tests ends with the test's process, however that ends", async (t) => {
  t.timeout(600_000);
  if (anvilPath() === undefined) {
    t.log('left out: anvil is not installed for this platform');
    return t.pass();
  }
  const support = JSON.stringify(new URL('../support/anvil.js', import.meta.url).href);
  const script = `const { startAnvil } = await import(${support});
    console.log((await startAnvil()).port); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(line.toString());
  t.true(await listens(port));
  child.kill('SIGKILL');
  await until(async () => !(await listens(port)));
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
