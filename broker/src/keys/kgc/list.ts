/**
 * What a key generation centre remembers: for whom it may issue, and what it has issued. One file for each identity, so
 * that the one rule that must survive every crash, never two points for one identity, is one durable write.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { EPOCH_MAX, type Identity, IMPLICIT_ROLES, unhex, utf8 } from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../../store/durable.ts';

const FORMAT = 'countersign-identity-1';
const TOKEN_BYTES = 32;
/** No token has this hash. */
const NOBODY = new Uint8Array(32);
const NAME = /^[a-z0-9][a-z0-9._-]{0,31}$/;

/** All hex: the request that was answered, and the answer. */
export interface IssuedShare {
  request: string;
  point: string;
  r: string;
  nonce: string;
}

export interface Listed extends Identity {
  format: typeof FORMAT;
  /** SHA-256 of the token with which this identity's key is asked for, once. */
  token: string;
  issued: IssuedShare | null;
}

/** @throws Refusal BAD_REQUEST */
export function readIdentity(value: { role?: unknown; name?: unknown; epoch?: unknown }): Identity {
  const role = IMPLICIT_ROLES.find((known) => known === value.role);
  const { name, epoch } = value;
  const good = role && typeof name === 'string' && NAME.test(name);
  const counted = Number.isInteger(epoch) && Number(epoch) >= 1 && Number(epoch) <= EPOCH_MAX;
  demand(
    good && counted,
    'BAD_REQUEST',
    `an identity is a role (${IMPLICIT_ROLES.join(', ')}), a name, an epoch from 1`,
  );
  return { role, name, epoch: Number(epoch) };
}

/**
 * Lists an identity.
 * @returns the token with which its key may be asked for; only its hash is kept
 * @throws Refusal EXISTS, BAD_REQUEST
 */
export async function listIdentity(folder: string, identity: Identity): Promise<string> {
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  const listed: Listed = {
    format: FORMAT,
    ...readIdentity(identity),
    token: hashOf(token).toString('hex'),
    issued: null,
  };
  await makeFolder(folder, 0o700);
  await writeDurable(pathOf(folder, identity), bytesOf(listed), { mode: 0o600, exclusive: true }).catch((cause) => {
    if (codeOf(cause) !== 'EXISTS') throw cause;
    const { role, name, epoch } = identity;
    const text = `${role} ${name}, epoch ${epoch} is on the list, and its token was written once; where it is lost, list the next epoch`;
    throw new Refusal('EXISTS', text, { cause });
  });
  return token;
}

/** @returns undefined for an identity that is not on the list. @throws Refusal BAD_REQUEST, BAD_STORE */
export async function findIdentity(folder: string, identity: Identity): Promise<Listed | undefined> {
  const path = pathOf(folder, identity);
  const text = await readFile(path, 'utf8').catch((cause) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  });
  return text === undefined ? undefined : read(path, text, identity);
}

/** Durable before it returns: only then may the share leave the centre. */
export async function recordIssued(folder: string, listed: Listed, issued: IssuedShare): Promise<void> {
  await writeDurable(pathOf(folder, listed), bytesOf({ ...listed, issued }), { mode: 0o600 });
}

/** Every identity of a centre, by name. */
export async function identitiesIn(folder: string): Promise<Listed[]> {
  const files = await readdir(folder).catch(() => []);
  const all: Listed[] = [];
  for (const file of files.filter((name) => name.endsWith('.json')).sort()) {
    const path = join(folder, file);
    all.push(read(path, await readFile(path, 'utf8')));
  }
  return all;
}

/** The same work whether the identity is listed or not: strangers learn nothing of the list. */
export function opens(listed: Listed | undefined, token: string): listed is Listed {
  const expected = listed === undefined ? NOBODY : unhex(listed.token)!;
  return timingSafeEqual(hashOf(token), expected) && listed !== undefined;
}

function read(path: string, text: string, asked?: Identity): Listed {
  try {
    const listed = JSON.parse(text) as Listed;
    const { role, name, epoch } = readIdentity(listed);
    const same = asked === undefined || (asked.role === role && asked.name === name && asked.epoch === epoch);
    const good = listed.format === FORMAT && unhex(listed.token)?.length === 32 && listed.issued !== undefined;
    demand(same && good, 'BAD_STORE', `${path} is no identity of a centre`);
    return listed;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} is no identity of a centre`, { cause });
  }
}

/** No separator passes the rule for names, and none of them begins with a dot. */
function pathOf(folder: string, identity: Identity): string {
  const { role, name, epoch } = readIdentity(identity);
  return join(folder, `${role}.${epoch}.${name}.json`);
}

function bytesOf(listed: Listed): Uint8Array {
  return utf8(`${JSON.stringify(listed, null, 2)}\n`);
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
