/** The certificate with which a device came, where devices enrol themselves by one. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TLSSocket } from 'node:tls';
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { type PublicKey, utf8 } from '@countersign/device-sdk/format';
import { isSerial } from '@countersign/device-sdk/host/listing';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import type { Presented } from '../../distribution/enrolment/desk.ts';

/** Whose certificates enrol devices. */
export interface EnrolAuthority {
  /** PEM: the authority, and those above it up to its root. */
  ca: string;
  /** PEM: lists of revoked certificates, one of each authority. */
  crl?: string | undefined;
  /** Where they come from: read again while the server runs. */
  crlFile?: string | undefined;
  /** A serial number in hex or a name on each line; read at each claim. */
  denyFile?: string | undefined;
}

/** Keys of all authorities in the file; what is of another algorithm cannot be granted, and is left out. */
export function authorityKeys(enrol: EnrolAuthority | undefined): PublicKey[] {
  return certificatesIn(enrol?.ca ?? '').flatMap((pem) => {
    try {
      return [readPublicKeyFile(utf8(pem))];
    } catch (error) {
      if (codeOf(error) === 'UNSUPPORTED') return [];
      throw error;
    }
  });
}

function certificatesIn(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

/** RFC 5280 section 4.2.1.12. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * TLS has checked chain, dates and lists when the connection was opened; it let others in too, who may not enrol.
 * @throws Refusal NOT_PERMITTED, BAD_STORE where the deny list cannot be read
 */
export async function presentedBy(socket: TLSSocket, { denyFile }: EnrolAuthority, now: number): Promise<Presented> {
  const peer = socket.getPeerCertificate?.();
  demand(peer?.raw, 'NOT_PERMITTED', 'come with a certificate');
  const why = String((socket.authorizationError as unknown as { code?: string })?.code ?? socket.authorizationError);
  demand(socket.authorized, 'NOT_PERMITTED', `the certificate is not accepted: ${why}`);
  const own = new X509Certificate(peer.raw);
  // A connection, or a session that is taken up again, may outlive the certificate.
  const valid = Date.parse(own.validFrom) <= now * 1000 && now * 1000 < Date.parse(own.validTo);
  demand(valid, 'NOT_PERMITTED', 'the certificate has expired, or is not valid yet');
  // OpenSSL takes a certificate that names no purpose for one of every purpose; a server's certificate enrols nobody.
  demand(own.keyUsage?.includes(CLIENT_AUTH), 'NOT_PERMITTED', 'the certificate is not for TLS clients');
  demand(!own.ca, 'NOT_PERMITTED', 'an authority is no device');
  const name = nameOf(peer.subject?.CN, own.subjectAltName);
  const denied = denyFile === undefined ? [] : await readDenied(denyFile);
  const out = denied.includes(name) || denied.includes(serialNumber(own.serialNumber));
  demand(!out, 'NOT_PERMITTED', 'the certificate is on the deny list');
  return { certificate: new Uint8Array(peer.raw), name };
}

/** The common name; without one the only DNS name. @throws Refusal NOT_PERMITTED */
function nameOf(common: unknown, alternative: string | undefined): string {
  const [only, ...others] = (alternative ?? '').split(', ').filter((name) => name.startsWith('DNS:'));
  const name = common ?? (others.length === 0 ? only?.slice('DNS:'.length) : undefined);
  const good = typeof name === 'string' && isSerial(name);
  demand(good, 'NOT_PERMITTED', 'the certificate has no name that is a serial');
  return name;
}

async function readDenied(path: string): Promise<string[]> {
  try {
    const lines = (await readFile(path, 'utf8')).split(/\r?\n/).map((line) => line.trim());
    return lines.filter((line) => line !== '' && !line.startsWith('#')).flatMap((line) => [line, serialNumber(line)]);
  } catch (cause) {
    // Nobody is enrolled rather than somebody who is on it.
    throw new Refusal('BAD_STORE', `the deny list ${path} cannot be read`, { cause });
  }
}

/** Hex in one form: tools write it in either case, with colons, and with or without zeros before it. */
function serialNumber(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(':', '')
    .replace(/^0+(?=.)/, '');
}
