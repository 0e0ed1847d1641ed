/**
 * The package that `peer lifecycle chaincode install` takes: metadata.json and code.tar.gz, which for chaincode as a
 * service holds connection.json alone. Same input, same bytes: the package id is a hash over them.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { demand } from '@countersign/device-sdk';

export interface ChaincodePackage {
  /** The file to install, gzip of tar. */
  bytes: Buffer;
  /** Label and SHA-256 of the file: what the peer prints, and CHAINCODE_ID of the service. */
  id: string;
}

export interface PackageOptions {
  /** host:port at which this organisation's peer finds the service. */
  address: string;
  label?: string;
  /** PEM of the authority of the service's certificate; without it the peer connects in clear. */
  tlsRoot?: string;
  /** PEM that the peer shows to a service which asks for a certificate. The key is in the package: it is one for this alone. */
  tlsClient?: { certificate: string; key: string };
}

/** As the peer accepts them. */
const LABEL = /^[a-zA-Z0-9]+([.+\-_][a-zA-Z0-9]+)*$/;
const BLOCK_BYTES = 512;

/** @throws Refusal BAD_REQUEST */
export function chaincodePackage({
  address,
  label = 'countersign',
  tlsRoot,
  tlsClient,
}: PackageOptions): ChaincodePackage {
  demand(LABEL.test(label), 'BAD_REQUEST', `${label} is no label: letters and digits, joined by one of . + - _`);
  demand(/^[^\s:/]+:\d{1,5}$/.test(address), 'BAD_REQUEST', `${address} is no address: host:port`);
  demand(
    !tlsClient || tlsRoot !== undefined,
    'BAD_REQUEST',
    'a certificate of the peer needs the authority of the service',
  );
  const client = tlsClient && { client_key: tlsClient.key, client_cert: tlsClient.certificate };
  const tls =
    tlsRoot === undefined ? {} : { root_cert: tlsRoot, client_auth_required: tlsClient !== undefined, ...client };
  const connection = { address, dial_timeout: '10s', tls_required: tlsRoot !== undefined, ...tls };
  const code = tarGz([['connection.json', json(connection)]]);
  const bytes = tarGz([
    ['metadata.json', json({ type: 'ccaas', label })],
    ['code.tar.gz', code],
  ]);
  return { bytes, id: `${label}:${createHash('sha256').update(bytes).digest('hex')}` };
}

function json(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

function tarGz(files: [name: string, content: Buffer][]): Buffer {
  const parts = files.flatMap(([name, content]) => [header(name, content.length), content, padding(content.length)]);
  // Two empty blocks end an archive (POSIX.1-2017, pax, ustar).
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK_BYTES)]), { level: 9 });
}

/** A plain file, readable by all, of no time and no owner (POSIX.1-2017, ustar header block). */
function header(name: string, size: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0, 100);
  block.write(octal(0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(' '.repeat(8), 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES);
}
