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
// As Fabric's own launcher has them: without a word gRPC for Node takes messages of 4 MB, less than a long answer of the
// state needs, and a link that something between the two has forgotten is noticed by nobody.
const grpc = {
  'grpc.max_send_message_length': -1,
  'grpc.max_receive_message_length': -1,
  'grpc.keepalive_time_ms': 110_000,
  'grpc.http2.min_time_between_pings_ms': 110_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.http2.max_pings_without_data': 0,
  'grpc.keepalive_permit_without_calls': 1,
};
const options = { ccid, address, ...grpc, ...(tls && { tlsProps: tls }) };
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
