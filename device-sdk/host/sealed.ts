/** A secret under a passphrase: scrypt (RFC 7914) makes the key, AES-256-GCM seals and authenticates. */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { demand, Refusal } from '../src/errors.ts';
import { hex, unhex } from '../src/format/index.ts';

/** All byte strings in hex. */
export interface Sealed {
  kdf: 'scrypt';
  n: number;
  r: number;
  p: number;
  salt: string;
  cipher: 'aes-256-gcm';
  nonce: string;
  tag: string;
  text: string;
}

/** 32 MB and three passes: OWASP's recommendation where memory is to stay below 64 MB; about 0.3 s on one core. */
const COST = { n: 32_768, r: 8, p: 3 } as const;
/** A key file names its own cost; a planted one must not ask for more than this memory (128 n r) and time. */
const COST_MAX = { n: 1_048_576, r: 8, p: 16 } as const;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param context authenticated with the secret: what stands beside it in the clear and must not be exchanged */
export async function seal(secret: Uint8Array, passphrase: string, context: Uint8Array): Promise<Sealed> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(passphrase, salt, COST), nonce);
  cipher.setAAD(context);
  const text = Buffer.concat([cipher.update(secret), cipher.final()]);
  const tag = cipher.getAuthTag();
  return {
    kdf: 'scrypt',
    ...COST,
    salt: hex(salt),
    cipher: 'aes-256-gcm',
    nonce: hex(nonce),
    tag: hex(tag),
    text: hex(text),
  };
}

/** @throws Refusal BAD_STORE for a wrong passphrase, another context or a damaged record */
export async function unseal(record: unknown, passphrase: string, context: Uint8Array): Promise<Uint8Array> {
  const sealed = readSealed(record);
  const key = await deriveKey(passphrase, sealed.salt, sealed.cost);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.tag);
  try {
    return Buffer.concat([decipher.update(sealed.text), decipher.final()]);
  } catch (cause) {
    throw new Refusal('BAD_STORE', 'the passphrase is wrong, or the key file was changed', { cause });
  }
}

function readSealed(record: unknown) {
  const { kdf, n, r, p, cipher, ...rest } = Object(record) as Record<string, unknown>;
  demand(kdf === 'scrypt' && cipher === 'aes-256-gcm', 'BAD_STORE', 'an unknown way of sealing');
  const cost = { n: within(n, COST_MAX.n), r: within(r, COST_MAX.r), p: within(p, COST_MAX.p) };
  demand(cost.n >= 2 && Number.isInteger(Math.log2(cost.n)), 'BAD_STORE', `scrypt cost ${cost.n} is no power of two`);
  return {
    cost,
    salt: field(rest.salt, SALT_BYTES),
    nonce: field(rest.nonce, NONCE_BYTES),
    tag: field(rest.tag, TAG_BYTES),
    text: field(rest.text, KEY_BYTES),
  };
}

function within(value: unknown, max: number): number {
  const good = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
  demand(good, 'BAD_STORE', `scrypt cost ${String(value)}, at most ${max} is accepted`);
  return value;
}

function field(value: unknown, bytes: number): Uint8Array {
  const read = typeof value === 'string' ? unhex(value) : undefined;
  demand(read?.length === bytes, 'BAD_STORE', 'a sealed secret is damaged');
  return read;
}

function deriveKey(passphrase: string, salt: Uint8Array, { n, r, p }: { n: number; r: number; p: number }) {
  const options = { N: n, r, p, maxmem: 256 * n * r };
  return new Promise<Buffer>((resolve, reject) => {
    // NFKC: the same words typed on another keyboard or system are the same bytes.
    scrypt(passphrase.normalize('NFKC'), salt, KEY_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
