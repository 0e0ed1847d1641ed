/**
 * Chaincode as a service: this process listens, and peers connect to it. Settings come from the environment, as in
 * Fabric's own samples:
 *
 *   CHAINCODE_SERVER_ADDRESS  host:port to listen on
 *   CHAINCODE_ID              package id that `peer lifecycle chaincode install` printed
 *   CHAINCODE_TLS_KEY_FILE, CHAINCODE_TLS_CERT_FILE   PEM; both or neither
 *   CHAINCODE_CLIENT_CA_FILE  PEM; peers must then show a certificate of this authority
 */
import { readFileSync } from 'node:fs';
import api from 'fabric-contract-api';
import shim, { type ChaincodeServerOpts } from 'fabric-shim';
import ChaincodeFromContract from 'fabric-shim/lib/contract-spi/chaincodefromcontract.js';
import { CountersignContract } from './countersign-contract.ts';

const { CHAINCODE_SERVER_ADDRESS: address, CHAINCODE_ID: ccid } = process.env;
if (!address || !ccid) {
  process.stderr.write('CHAINCODE_SERVER_ADDRESS and CHAINCODE_ID are needed\n');
  process.exit(2);
}
const chaincode = new ChaincodeFromContract([CountersignContract], {
  transaction: 'jsonSerializer',
  serializers: { jsonSerializer: api.JSONSerializer },
});
const tls = tlsFiles();
const options = tls ? { ccid, address, tlsProps: tls } : { ccid, address };
const server = shim.Shim.server(chaincode, options as ChaincodeServerOpts);
// Not awaited here: the packed service is one CommonJS file, which has no await outside functions.
server.start().then(
  () => process.stdout.write(`countersign chaincode ${ccid} listens on ${address}\n`),
  (error) => {
    process.stderr.write(`cannot listen on ${address}: ${error}\n`);
    process.exit(1);
  },
);

function tlsFiles() {
  const { CHAINCODE_TLS_KEY_FILE: key, CHAINCODE_TLS_CERT_FILE: cert, CHAINCODE_CLIENT_CA_FILE: ca } = process.env;
  if (!key && !cert && !ca) return undefined;
  if (!key || !cert) throw new TypeError('CHAINCODE_TLS_KEY_FILE and CHAINCODE_TLS_CERT_FILE go together');
  const clientCACerts = ca ? { clientCACerts: readFileSync(ca) } : {};
  return { key: readFileSync(key), cert: readFileSync(cert), ...clientCACerts };
}
