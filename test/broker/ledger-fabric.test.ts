/** What of Hyperledger Fabric needs no network: the profile, a block's hashes, and how `up` is told. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineOf } from '@countersign/broker/face/cli/engine';
import { WrongUse } from '@countersign/broker/face/cli/program';
import { startAll } from '@countersign/broker/face/up/start';
import { finalBlock, headerHash } from '@countersign/broker/ledger/fabric/fabric-block';
import { chaincodePackage } from '@countersign/broker/ledger/fabric/package';
import { readProfile, TIMEOUTS_MS } from '@countersign/broker/ledger/fabric/profile';
import { Turns } from '@countersign/broker/ledger/fabric/turns';
import { codeOf } from '@countersign/device-sdk';
import { common } from '@hyperledger/fabric-protos';
import test, { type ExecutionContext } from 'ava';
import { CERT, KEY } from './delivery-certificate.ts';

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-profile-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'cert.pem'), CERT);
  await writeFile(join(folder, 'key.pem'), KEY);
  return folder;
}

const GOOD = {
  ...{ peer: 'localhost:7051', tlsRoots: 'cert.pem', mspId: 'VendorMSP', certificate: 'cert.pem' },
  ...{ privateKey: 'key.pem', channel: 'firmware', endorsers: ['VendorMSP', 'AuditorMSP'] },
};

test('a profile names files beside itself, and what is not said has its default', async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, 'profile.json');
  await writeFile(path, JSON.stringify({ ...GOOD, timeoutsMs: { commit: 90_000 } }));
  const profile = await readProfile(path);
  t.is(profile.tlsRoots.toString(), CERT);
  t.is(profile.chaincode, 'countersign');
  t.is(profile.ledger, 'main');
  t.deepEqual(profile.timeoutsMs, { ...TIMEOUTS_MS, commit: 90_000 });
});

test('a profile that is wrong is refused with the field that is', async (t) => {
  const folder = await folderOf(t);
  const path = join(folder, 'profile.json');
  const rows: [change: object | string, text: RegExp][] = [
    ['{', /cannot be read as JSON/],
    ['[]', /no JSON object/],
    [{ peer: undefined }, /needs peer/],
    [{ peer: 'grpcs://localhost:7051' }, /host:port/],
    [{ certificate: 'missing.pem' }, /missing\.pem as certificate/],
    [{ tlsKey: 'key.pem' }, /needs tlsCertificate/],
    [{ endorsers: ['VendorMSP'] }, /at least 2 different/],
    [{ endorsers: ['VendorMSP', 'VendorMSP'] }, /at least 2 different/],
    [{ timeoutsMs: { endorse: 0 } }, /wrong time endorse/],
    [{ timeoutsMs: { endorsee: 1 } }, /wrong time endorsee/],
    [{ timeoutsMs: 5 }, /wrong time timeoutsMs/],
    [{ wallet: 'x' }, /unknown field wallet/],
  ];
  for (const [change, text] of rows) {
    await writeFile(path, typeof change === 'string' ? change : JSON.stringify({ ...GOOD, ...change }));
    const error = await t.throwsAsync(readProfile(path), { message: text });
    t.is(codeOf(error), 'BAD_REQUEST');
  }
});

test("a block's hash is SHA-256 over the DER sequence of its header", (t) => {
  const header = new common.BlockHeader();
  header.setNumber(200);
  header.setPreviousHash(Uint8Array.of(1, 2));
  header.setDataHash(Uint8Array.of(3));
  // SEQUENCE { INTEGER 200, OCTET STRING 0102, OCTET STRING 03 }, made with openssl asn1parse -genconf and sha256sum.
  t.is(headerHash(header).toString('hex'), DER_HASH);
});
const DER_HASH = '46d6c03f1ccf1aaf42d133f8acb5a4c5e8c5b8e08aea356957028df9cb70b745';

test('a block whose data is not what its header says is refused', (t) => {
  const block = new common.Block();
  block.setHeader(new common.BlockHeader());
  const error = t.throws(() => finalBlock(block, { chaincode: 'countersign', ledger: 'main' }));
  t.is(codeOf(error), 'DIVERGED');
});

test('the chaincode package is what a peer installs, with the same bytes and id each time', async (t) => {
  const { bytes, id } = chaincodePackage({ address: 'cc.example.com:9999', label: 'countersign_1', tlsRoot: CERT });
  t.is(id, `countersign_1:${createHash('sha256').update(bytes).digest('hex')}`);
  t.deepEqual(chaincodePackage({ address: 'cc.example.com:9999', label: 'countersign_1', tlsRoot: CERT }).bytes, bytes);
  const folder = await folderOf(t);
  const installed = async (file: Buffer) => {
    await writeFile(join(folder, 'package.tar.gz'), file);
    for (const name of ['package.tar.gz', 'code.tar.gz'])
      execFileSync('tar', ['-xzf', join(folder, name), '-C', folder]);
    const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as unknown;
    return [await read('metadata.json'), await read('connection.json')];
  };
  const connection = { address: 'cc.example.com:9999', dial_timeout: '10s', tls_required: true, root_cert: CERT };
  t.deepEqual(await installed(bytes), [
    { type: 'ccaas', label: 'countersign_1' },
    { ...connection, client_auth_required: false },
  ]);
  const tlsClient = { certificate: CERT, key: KEY };
  const both = chaincodePackage({ address: 'cc.example.com:9999', tlsRoot: CERT, tlsClient });
  t.deepEqual(await installed(both.bytes), [
    { type: 'ccaas', label: 'countersign' },
    { ...connection, client_auth_required: true, client_key: KEY, client_cert: CERT },
  ]);
  for (const wrong of [
    { address: 'cc.example.com' },
    { address: 'a:1', label: 'a b' },
    { address: 'cc.example.com:9999', tlsClient },
  ]) {
    t.is(codeOf(t.throws(() => chaincodePackage(wrong))), 'BAD_REQUEST');
  }
});

test('turns are taken in the order of coming, and given back by what fails', async (t) => {
  const turns = new Turns(2);
  const order: number[] = [];
  let most = 0;
  let now = 0;
  const one = (n: number) =>
    turns.take(async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      order.push(n);
      if (n === 1) throw new Error('failed');
    });
  await Promise.allSettled([1, 2, 3, 4, 5].map(one));
  t.deepEqual(order, [1, 2, 3, 4, 5]);
  t.is(most, 2);
});

test('up is told its engine in one way', async (t) => {
  t.is(await engineOf({}), undefined);
  t.is(await engineOf({ ledger: 'embedded' }), undefined);
  for (const wrong of [{ ledger: 'fabric' }, { ledger: 'tangle' }, { fabricProfile: 'x.json' }]) {
    await t.throwsAsync(engineOf(wrong), { instanceOf: WrongUse });
  }
  const error = await t.throwsAsync(engineOf({ ledger: 'fabric', fabricProfile: 'nowhere.json' }));
  t.is(codeOf(error), 'BAD_REQUEST');
});

test('no ledger is made for an outside engine without a peer, and a mirror is not opened as our own', async (t) => {
  const data = await folderOf(t);
  const without = startAll({ data, engine: async (ledger) => ledger, samples: false });
  t.is(codeOf(await t.throwsAsync(without)), 'NO_QUORUM');
  t.false(existsSync(join(data, 'ledger')));
  await (await startAll({ data, samples: false })).close();
  await writeFile(join(data, 'ledger', 'mirror.json'), '{}');
  t.is(codeOf(await t.throwsAsync(startAll({ data, samples: false }))), 'BAD_REQUEST');
});
