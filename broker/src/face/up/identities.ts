/** Which keys each server has, and who the first people are. */
import { readFile } from 'node:fs/promises';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ALG_ESP256,
  equal,
  hex,
  type ImplicitKey,
  type ImplicitKeys,
  implicitThumbprint,
  NO_LEAF,
  type PublicKey,
  publicKeyOf,
  type Role,
  type Sha256,
  type Signer,
  thumbprint,
  unhex,
  utf8,
} from '@countersign/device-sdk/format';
import { readIdentity } from '../../keys/kgc/list.ts';
import { type KeyRing, openKeyRing } from '../../keys/ring.ts';
import { signTransaction } from '../../keys/tx.ts';
import { enrolPersonArgs, objectDigest, PERSON_ROLES, type PersonRole } from '../../ledger/contract/args.ts';
import { type KeyHolder, keysFolder } from './folders.ts';

/** One key, one role; no role of one server is another's. */
export const SERVER_ROLES: Record<KeyHolder, readonly Role[]> = {
  ledger: ['log', 'orderer'],
  collection: ['collection', 'service'],
  distribution: ['distribution', 'command'],
  peer: ['peer'],
  root: ['root'],
};

/** What a server shows of itself before the first trust root is made. */
export interface ServerKeys {
  server: KeyHolder;
  /** An issued key has 130 bytes (thumbprint, point, key of the centre) and says for whom it was issued. */
  keys: { role: Role; alg: number; publicKey: string; name?: string; epoch?: number }[];
}

/** @throws Refusal BAD_STORE where keys are missing and `create` is not set */
export function openServerKeys(
  data: string,
  server: KeyHolder,
  options: { create: boolean; passphrase?: string | undefined },
): Promise<KeyRing> {
  return openKeyRing(keysFolder(data, server), SERVER_ROLES[server], options);
}

export function serverKeys(server: KeyHolder, ring: KeyRing): ServerKeys {
  return preparedKeys(
    server,
    ring.roles.map((role) => ({ role, key: ring.publicKey(role), ...ring.issuedTo(role) })),
  );
}

/** The same form for keys that were made for a trust root to come. */
export function preparedKeys(
  server: KeyHolder,
  keys: readonly { role: Role; key: PublicKey; name?: string; epoch?: number }[],
): ServerKeys {
  const list = keys.map(({ role, key: { alg, bytes }, name, epoch }) => {
    const issued = name === undefined || epoch === undefined ? {} : { name, epoch };
    return { role, alg, publicKey: hex(bytes), ...issued };
  });
  return { server, keys: list };
}

/** @throws Refusal BAD_REQUEST, NOT_FOUND */
export async function readServerKeysFile(path: string): Promise<ServerKeys> {
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new Refusal('NOT_FOUND', `${path} cannot be read`, { cause });
  });
  try {
    const { server, keys } = JSON.parse(text) as ServerKeys;
    const roles = SERVER_ROLES[server];
    const good = Array.isArray(keys) && keys.every((key) => roles.includes(key.role) && unhex(key.publicKey));
    demand(good, 'BAD_REQUEST', `${path} does not hold the public keys of a server`);
    return { server, keys };
  } catch (cause) {
    throw new Refusal('BAD_REQUEST', `${path} does not hold the public keys of a server`, { cause });
  }
}

export function publicKeysByRole(all: readonly ServerKeys[]): Partial<Record<Role, PublicKey[]>> {
  const byRole: Partial<Record<Role, PublicKey[]>> = {};
  for (const { keys } of all) {
    for (const { role, alg, publicKey, epoch } of keys) {
      if (epoch !== undefined) continue;
      byRole[role] = [...(byRole[role] ?? []), { alg, bytes: unhex(publicKey)! }];
    }
  }
  return byRole;
}

/** Keys that a centre issued, with the centre's own, as the trust root lists them. @throws Refusal BAD_REQUEST */
export function issuedKeys(sha256: Sha256, all: readonly ServerKeys[]): ImplicitKeys | undefined {
  const issued = all.flatMap(({ keys }) => keys.filter(({ epoch }) => epoch !== undefined));
  if (issued.length === 0) return undefined;
  const centres = new Map<string, PublicKey>();
  const keys = issued.map(({ role, name, epoch, publicKey }): ImplicitKey => {
    const bytes = unhex(publicKey)!;
    demand(bytes.length === 130, 'BAD_REQUEST', `the ${role} key says an epoch and is no issued key`);
    const centre = { alg: ALG_ESP256, bytes: bytes.slice(65) };
    centres.set(hex(centre.bytes), centre);
    const identity = readIdentity({ role, name, epoch });
    const key = { ...identity, centre: thumbprint(sha256, centre), point: bytes.slice(32, 65) };
    const fits = equal(implicitThumbprint(sha256, key), bytes.slice(0, 32));
    demand(fits, 'BAD_REQUEST', `the ${role} key was issued for somebody else`);
    return key;
  });
  return { centres: [...centres.values()], keys };
}

export interface FirstPerson {
  name: string;
  roles: PersonRole[];
}

/** One person could approve his own upload with one key in two hands; three show where the hands change. */
export const DEFAULT_PEOPLE: readonly FirstPerson[] = [
  { name: 'engineer', roles: ['engineer'] },
  { name: 'approver', roles: ['approver'] },
  { name: 'operator', roles: ['operator'] },
];

/** `name=role,role` @throws Refusal BAD_REQUEST */
export function readFirstPerson(text: string): FirstPerson {
  const [name = '', list = '', ...more] = text.split('=');
  const roles = list.split(',').map((item) => PERSON_ROLES.find((role) => role === item));
  const good = name !== '' && more.length === 0 && roles.every((role) => role !== undefined);
  demand(good, 'BAD_REQUEST', `${text.slice(0, 80)}: write name=role,role with roles of ${PERSON_ROLES.join(', ')}`);
  return { name, roles: roles as PersonRole[] };
}

/** The statement by which a person is in the ledger from its first block: signed by himself. */
export function signEnrolment(
  verifier: Verifier,
  origin: string,
  person: FirstPerson,
  key: Signer,
): Promise<Uint8Array> {
  return signTransaction(verifier.sha256, key, {
    channel: origin,
    action: 'enrol',
    object: objectDigest(verifier.sha256, 'person', utf8(person.name)),
    previous: NO_LEAF,
    args: enrolPersonArgs({ ...person, key: publicKeyOf(key) }),
  });
}
