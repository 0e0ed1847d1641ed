/**
 * Packs the chaincode for Hyperledger Fabric:
 *
 *   npm run chaincode -- --address HOST:PORT [--out DIR] [--label NAME] [--tls-root FILE]
 *     [--tls-client-cert FILE --tls-client-key FILE]
 *
 * DIR/countersign.tar.gz goes to `peer lifecycle chaincode install`; DIR/chaincode.cjs is the whole service in one file
 * that needs Node and nothing else. The address is where this organisation's peer finds that service.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const { values } = parseArgs({
  options: {
    address: { type: 'string' },
    out: { type: 'string', default: 'chaincode' },
    label: { type: 'string', default: 'countersign' },
    'tls-root': { type: 'string' },
    'tls-client-cert': { type: 'string' },
    'tls-client-key': { type: 'string' },
  },
});
if (values.address === undefined) {
  console.error('--address HOST:PORT is needed: where the peer of this organisation finds the chaincode service');
  process.exit(2);
}

const root = join(import.meta.dirname, '..');
const { chaincodePackage } = await import('@countersign/broker/ledger/fabric/package');
const { 'tls-root': tlsRoot, 'tls-client-cert': certificate, 'tls-client-key': key } = values;
if ((certificate === undefined) !== (key === undefined)) {
  console.error('--tls-client-cert and --tls-client-key go together');
  process.exit(2);
}
const packed = chaincodePackage({
  address: values.address,
  label: values.label,
  ...(tlsRoot ? { tlsRoot: await readFile(tlsRoot, 'utf8') } : {}),
  ...(certificate && key
    ? { tlsClient: { certificate: await readFile(certificate, 'utf8'), key: await readFile(key, 'utf8') } }
    : {}),
});
await mkdir(values.out, { recursive: true });
await writeFile(join(values.out, 'countersign.tar.gz'), packed.bytes);
await build({
  entryPoints: [join(root, 'broker/dist/ledger/fabric/chaincode/service.js')],
  outfile: join(values.out, 'chaincode.cjs'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  // The contract class and its functions are found by name.
  keepNames: true,
  logLevel: 'error',
});
console.log(`package  ${join(values.out, 'countersign.tar.gz')}`);
console.log(`id       ${packed.id}`);
console.log(`service  ${join(values.out, 'chaincode.cjs')}`);
console.log(`run it   CHAINCODE_SERVER_ADDRESS=${values.address} CHAINCODE_ID=${packed.id} node chaincode.cjs`);
