/** An authority: X.509 certificates and lists of revoked ones (RFC 5280), with every field at the adversary's choice. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface Issued {
  /** PEM. */
  cert: string;
  key: string;
  der: Uint8Array;
}

export interface Wish {
  name?: string;
  dns?: string[];
  serial?: number;
  curve?: 'P-256' | 'Ed25519';
  purpose?: 'client' | 'server' | 'none';
  ca?: boolean;
  /** Days from now. */
  from?: number;
  to?: number;
  /** With this key instead of one of its own. */
  pair?: { publicKey: KeyObject; privateKey: KeyObject };
  /** Other fields, before they are signed: version, serial, algorithm, issuer, validity, subject, key, extensions. */
  fields?: (fields: Uint8Array[]) => Uint8Array[];
  /** Other parts, after it is signed: what is signed, algorithm, signature. */
  parts?: (parts: Uint8Array[]) => Uint8Array[];
}

export const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const n = content.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
const octets = (bytes: Uint8Array) => der(0x04, bytes);
const bits = (bytes: Uint8Array) => der(0x03, Buffer.from([0]), bytes);
const whole = (n: number) => der(0x02, Buffer.from([0, n >> 8, n & 0xff].slice(n > 0x7f ? (n > 0x7fff ? 0 : 1) : 2)));
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const TRUE = der(0x01, Buffer.from([0xff]));
const named = (name: string | undefined) =>
  sequence(...(name === undefined ? [] : [der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name))))]));
/** GeneralizedTime. */
const time = (days: number) => {
  const at = new Date(Date.now() + days * 86_400_000).toISOString();
  return der(0x18, Buffer.from(`${at.slice(0, 19).replace(/[-:T]/g, '')}Z`));
};
const extension = (id: string, value: Uint8Array, critical = false) =>
  sequence(oid(id), ...(critical ? [TRUE] : []), octets(value));
const pem = (what: string, bytes: Uint8Array) =>
  `-----BEGIN ${what}-----\n${Buffer.from(bytes).toString('base64').replace(/.{64}/g, '$&\n')}\n-----END ${what}-----\n`;

export class Authority {
  readonly cert: string;
  readonly der: Uint8Array;
  readonly #name: string;
  readonly #key: KeyObject;

  constructor(name: string, curve: 'P-256' | 'Ed25519' = 'P-256') {
    const pair = pairOf(curve);
    this.#name = name;
    this.#key = pair.privateKey;
    const own = this.issue({ name, ca: true, purpose: 'none', pair });
    this.cert = own.cert;
    this.der = own.der;
  }

  issue(wish: Wish = {}): Issued {
    const { name, dns = [], serial = 1, purpose = 'client', ca = false, from = -1, to = 30 } = wish;
    const pair = wish.pair ?? pairOf(wish.curve ?? 'P-256');
    const extensions = [
      extension('551d13', sequence(...(ca ? [TRUE] : [])), true),
      ...(purpose === 'none'
        ? []
        : [extension('551d25', sequence(oid(`2b0601050507030${purpose === 'client' ? 2 : 1}`)))]),
      ...(dns.length === 0 ? [] : [extension('551d11', sequence(...dns.map((one) => der(0x82, Buffer.from(one)))))]),
    ];
    const fields = [
      der(0xa0, whole(2)),
      whole(serial),
      this.#algorithm(),
      named(this.#name),
      sequence(time(from), time(to)),
      named(name),
      pair.publicKey.export({ type: 'spki', format: 'der' }),
      der(0xa3, sequence(...extensions)),
    ];
    const tbs = sequence(...(wish.fields?.(fields) ?? fields));
    const bytes = new Uint8Array(this.#signed(tbs, wish.parts));
    const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { cert: pem('CERTIFICATE', bytes), key, der: bytes };
  }

  /** PEM. @param serials of the revoked; @param to days until the next list is due */
  crl(serials: number[], to = 30): string {
    const revoked = serials.map((serial) => sequence(whole(serial), time(-1)));
    const list = revoked.length === 0 ? [] : [sequence(...revoked)];
    const tbs = sequence(whole(1), this.#algorithm(), named(this.#name), time(-2), time(to), ...list);
    return pem('X509 CRL', this.#signed(tbs));
  }

  #algorithm(): Buffer {
    return sequence(oid(this.#key.asymmetricKeyType === 'ed25519' ? '2b6570' : '2a8648ce3d040302'));
  }

  #signed(tbs: Buffer, change: Wish['parts'] = (parts) => parts): Buffer {
    const hash = this.#key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
    return sequence(...change([tbs, this.#algorithm(), bits(sign(hash, tbs, this.#key))]));
  }
}

export function pairOf(curve: 'P-256' | 'Ed25519') {
  return curve === 'P-256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
}
