/**
 * Key files: one signing key with the one role it may have, as JSON with mode 0600. The secret is sealed where a
 * passphrase is given and lies open in the file otherwise; whoever makes one says which. A file may also name a command
 * that signs; then it holds no secret at all.
 */
import { basename, dirname } from 'node:path';
import { demand, Refusal } from '../src/errors.ts';
import { ALG_ED25519, equal, hex, ROLES, type Signer, unhex, utf8 } from '../src/format/index.ts';
import type { Argv } from './command.ts';
import { COMMAND_KEY_FORMAT, type CommandKeyFile, checkCommandKey, commandSigner } from './command-signer.ts';
import { generateKeyPair, type KeyPair, publicKeyOf, signWith } from './crypto.ts';
import { makeFolder, placeFile } from './durable.ts';
import { type Sealed, seal, unseal } from './sealed.ts';
import { readSecretFile, type SecretFileOptions } from './secret-file.ts';

const FORMAT = 'countersign-key-1';

/** Roles of keys that lie in files: servers' as the trust root names them, people's, and a device's on a gateway. */
/** A centre's key derives keys, a request's becomes one: neither signs for a role. */
export const KEY_ROLES = [...ROLES, 'person', 'device', 'kgc', 'request'] as const;
export type KeyRole = (typeof KEY_ROLES)[number];

export interface KeyFileOptions {
  /** Seals the secret; without one it lies open in the file, with mode 0600 alone. */
  passphrase?: string | undefined;
  /** For people: the name under which the ledger knows them. */
  name?: string | undefined;
  alg?: number | undefined;
  /** A pair that was made elsewhere, instead of a new one. Its secret is overwritten. */
  pair?: KeyPair | undefined;
  /** The pair is an issued one: thumbprint, point and key of the centre, 130 bytes; and the epoch of the name. */
  implicit?: { key: Uint8Array; epoch: number } | undefined;
}

/** A signer that knows whose it is. The secret stays inside `sign`. */
export interface LoadedKey extends Signer {
  readonly role: KeyRole;
  readonly name: string | undefined;
  /** Of an issued key. */
  readonly epoch?: number | undefined;
}

interface Described {
  format: typeof FORMAT | typeof COMMAND_KEY_FORMAT;
  role: KeyRole;
  name?: string;
  alg: number;
  /** Hex: 32 bytes for Ed25519, 65 for ESP256. */
  publicKey: string;
  /** Hex, 130 bytes, of an issued key: what its statements name it by. */
  implicit?: string;
  epoch?: number;
}

interface KeyFile extends Described {
  secret?: string;
  sealed?: Sealed;
  command?: Argv;
  seconds?: number;
}

/** What a key file says of itself without being opened: for lists. */
export interface KeyFileInfo {
  readonly role: KeyRole;
  readonly name: string | undefined;
  /** Of an issued key. */
  readonly epoch: number | undefined;
  readonly alg: number;
  /** As its statements name it: of an issued key thumbprint, point and key of the centre. */
  readonly publicKey: Uint8Array;
  /** Where the secret is: open in the file, sealed in it, or with the command that the file names. */
  readonly kept: 'open' | 'sealed' | 'command';
}

/**
 * Makes a key and stores it durably before it returns, so that nothing is ever signed by a key that a crash could lose.
 * @throws Refusal EXISTS: a key file is never replaced
 */
export async function createKey(path: string, role: KeyRole, options: KeyFileOptions = {}): Promise<LoadedKey> {
  const pair = options.pair ?? generateKeyPair(options.alg ?? ALG_ED25519);
  const described: Described = {
    format: FORMAT,
    role,
    ...(options.name === undefined ? {} : { name: options.name }),
    alg: pair.alg,
    publicKey: hex(pair.publicKey),
    ...(options.implicit && { implicit: hex(options.implicit.key), epoch: options.implicit.epoch }),
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
export async function loadSigner(
  path: string,
  passphrase?: string,
  options: SecretFileOptions = {},
): Promise<LoadedKey> {
  const file = await readKeyFile(path, options);
  if (isCommand(file)) return { ...commandSigner(file), role: file.role, name: file.name };
  const secret = await secretOf(path, file, passphrase);
  const derived = derivePublic(file.alg, secret);
  demand(derived && equal(derived, unhex(file.publicKey)!), 'BAD_STORE', `${path}: secret and public key do not match`);
  return loaded(file, secret);
}

/**
 * Writes the file of a key that a command signs with. The command is asked for one signature first: a key that cannot
 * sign is better found now than at the next release.
 * @throws Refusal BAD_STORE, EXISTS; what the signer throws
 */
export async function createCommandKey(path: string, key: Omit<CommandKeyFile, 'format'>): Promise<LoadedKey> {
  const file = { format: COMMAND_KEY_FORMAT, ...key } as CommandKeyFile & { role: KeyRole };
  demand(KEY_ROLES.includes(file.role), 'BAD_STORE', `${file.role} is no role of a key`);
  checkCommandKey(path, file);
  const signer = commandSigner(file);
  // Statements begin with an array of four (RFC 9052, section 4.4) and notes are text: this can stand for neither.
  await signer.sign(utf8('\0countersign asks whether this key can sign'));
  makeFolder(dirname(path));
  placeFile(path, utf8(`${JSON.stringify(file, null, 2)}\n`));
  return { ...signer, role: file.role, name: file.name };
}

/**
 * The pair itself, of the two roles that sign nothing: a key generation centre's, and a request to one.
 * @throws Refusal BAD_STORE as {@link loadSigner}, and for a key of another role
 */
export async function loadPair(path: string, role: 'kgc' | 'request', passphrase?: string): Promise<KeyPair> {
  const file = await readKeyFile(path);
  demand(file.role === role && !isCommand(file), 'BAD_STORE', `${path} is no ${role} key`);
  const secret = await secretOf(path, file, passphrase);
  const derived = derivePublic(file.alg, secret);
  demand(derived && equal(derived, unhex(file.publicKey)!), 'BAD_STORE', `${path}: secret and public key do not match`);
  return { alg: file.alg, secret, publicKey: derived };
}

/** What stands in a key file beside the secret. @throws Refusal BAD_STORE */
export async function keyFileInfo(path: string, options: SecretFileOptions = {}): Promise<KeyFileInfo> {
  const file = await readKeyFile(path, options);
  const { role, name, epoch, alg } = file;
  const kept = isCommand(file) ? 'command' : file.sealed === undefined ? 'open' : 'sealed';
  return { role, name, epoch, alg, publicKey: unhex(file.implicit ?? file.publicKey)!, kept };
}

function isCommand(file: KeyFile): file is KeyFile & CommandKeyFile {
  return file.format === COMMAND_KEY_FORMAT;
}

function loaded(file: Described, secret: Uint8Array): LoadedKey {
  const sign = signWith(file.alg, secret);
  secret.fill(0); // node:crypto has its own copy now
  return {
    role: file.role,
    name: file.name,
    epoch: file.epoch,
    alg: file.alg,
    publicKey: unhex(file.implicit ?? file.publicKey)!,
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

async function readKeyFile(path: string, options: SecretFileOptions = {}): Promise<KeyFile> {
  const bytes = await readSecretFile(path, options);
  let file: KeyFile;
  try {
    file = Object(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
  } catch {
    // The cause would quote the file, and with it the secret.
    throw new Refusal('BAD_STORE', `${path} is not a key file`);
  }
  const { format, role, name, alg, publicKey } = file;
  const good =
    (format === FORMAT || format === COMMAND_KEY_FORMAT) &&
    KEY_ROLES.includes(role) &&
    (name === undefined || typeof name === 'string') &&
    Number.isInteger(alg) &&
    typeof publicKey === 'string' &&
    unhex(publicKey) !== undefined &&
    (file.implicit === undefined || (typeof file.implicit === 'string' && unhex(file.implicit)?.length === 130));
  demand(good, 'BAD_STORE', `${basename(path)} is not a key file of this version`);
  if (isCommand(file)) checkCommandKey(path, file);
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
function contextOf({ format, role, name, alg, publicKey, implicit, epoch }: Described): Uint8Array {
  return utf8(
    JSON.stringify([format, role, name ?? null, alg, publicKey, ...(implicit ? [implicit, epoch ?? null] : [])]),
  );
}
