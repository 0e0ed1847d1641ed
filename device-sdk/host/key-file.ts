/**
 * Key files: one signing key with the one role it may have, as JSON with mode 0600. The secret is sealed where a
 * passphrase is given and lies open in the file otherwise; whoever makes one says which.
 */
import { basename, dirname } from 'node:path';
import { demand, Refusal } from '../src/errors.ts';
import { ALG_ED25519, equal, hex, ROLES, type Role, type Signer, unhex, utf8 } from '../src/format/index.ts';
import { generateKeyPair, publicKeyOf, signWith } from './crypto.ts';
import { makeFolder, placeFile } from './durable.ts';
import { type Sealed, seal, unseal } from './sealed.ts';
import { readSecretFile } from './secret-file.ts';

const FORMAT = 'countersign-key-1';

/** Roles of keys that lie in files: servers' as the trust root names them, people's, and a device's on a gateway. */
export const KEY_ROLES = [...ROLES, 'person', 'device'] as const;
export type KeyRole = Role | 'person' | 'device';

export interface KeyFileOptions {
  /** Seals the secret; without one it lies open in the file, with mode 0600 alone. */
  passphrase?: string | undefined;
  /** For people: the name under which the ledger knows them. */
  name?: string | undefined;
  alg?: number | undefined;
}

/** A signer that knows whose it is. The secret stays inside `sign`. */
export interface LoadedKey extends Signer {
  readonly role: KeyRole;
  readonly name: string | undefined;
}

interface Described {
  format: typeof FORMAT;
  role: KeyRole;
  name?: string;
  alg: number;
  /** Hex: 32 bytes for Ed25519, 65 for ESP256. */
  publicKey: string;
}

interface KeyFile extends Described {
  secret?: string;
  sealed?: Sealed;
}

/**
 * Makes a key and stores it durably before it returns, so that nothing is ever signed by a key that a crash could lose.
 * @throws Refusal EXISTS: a key file is never replaced
 */
export async function createKey(path: string, role: KeyRole, options: KeyFileOptions = {}): Promise<LoadedKey> {
  const pair = generateKeyPair(options.alg ?? ALG_ED25519);
  const described: Described = {
    format: FORMAT,
    role,
    ...(options.name === undefined ? {} : { name: options.name }),
    alg: pair.alg,
    publicKey: hex(pair.publicKey),
  };
  const file: KeyFile =
    options.passphrase === undefined
      ? { ...described, secret: hex(pair.secret) }
      : { ...described, sealed: await seal(pair.secret, options.passphrase, contextOf(described)) };
  makeFolder(dirname(path));
  const text = utf8(`${JSON.stringify(file, null, 2)}\n`);
  placeFile(path, text);
  return loaded(described, pair.secret);
}

/**
 * Opens a key file for signing.
 * @throws Refusal BAD_STORE where it is missing, open to others, damaged, sealed and no or a wrong passphrase is given
 */
export async function loadSigner(path: string, passphrase?: string): Promise<LoadedKey> {
  const file = await readKeyFile(path);
  const secret = await secretOf(path, file, passphrase);
  const derived = derivePublic(file.alg, secret);
  demand(derived && equal(derived, unhex(file.publicKey)!), 'BAD_STORE', `${path}: secret and public key do not match`);
  return loaded(file, secret);
}

/** Whether a key file needs a passphrase. @throws Refusal BAD_STORE */
export async function isSealed(path: string): Promise<boolean> {
  return (await readKeyFile(path)).sealed !== undefined;
}

function loaded(file: Described, secret: Uint8Array): LoadedKey {
  const sign = signWith(file.alg, secret);
  secret.fill(0); // node:crypto has its own copy now
  return {
    role: file.role,
    name: file.name,
    alg: file.alg,
    publicKey: unhex(file.publicKey)!,
    sign: async (message) => sign(message),
  };
}

async function secretOf(path: string, file: KeyFile, passphrase: string | undefined): Promise<Uint8Array> {
  if (file.sealed !== undefined) {
    demand(passphrase !== undefined, 'BAD_STORE', `${path} is sealed: a passphrase is needed`);
    return unseal(file.sealed, passphrase, contextOf(file));
  }
  const secret = typeof file.secret === 'string' ? unhex(file.secret) : undefined;
  demand(secret?.length === 32, 'BAD_STORE', `${path} holds no secret key`);
  return secret;
}

async function readKeyFile(path: string): Promise<KeyFile> {
  const bytes = await readSecretFile(path);
  let file: KeyFile;
  try {
    file = Object(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // The cause would quote the file, and with it the secret.
    throw new Refusal('BAD_STORE', `${path} is not a key file`);
  }
  const { format, role, name, alg, publicKey } = file;
  const good =
    format === FORMAT &&
    KEY_ROLES.includes(role) &&
    (name === undefined || typeof name === 'string') &&
    Number.isInteger(alg) &&
    typeof publicKey === 'string' &&
    unhex(publicKey) !== undefined;
  demand(good, 'BAD_STORE', `${basename(path)} is not a key file of this version`);
  return file;
}

function derivePublic(alg: number, secret: Uint8Array): Uint8Array | undefined {
  try {
    return publicKeyOf(alg, secret);
  } catch {
    return undefined; // an algorithm or scalar that cannot be
  }
}

/** Sealed together with the secret: role, name and public key cannot be exchanged in the file. */
function contextOf({ format, role, name, alg, publicKey }: Described): Uint8Array {
  return utf8(JSON.stringify([format, role, name ?? null, alg, publicKey]));
}
