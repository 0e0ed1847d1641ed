import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { type PublicKey, publicKeyOf, type Role, type Signer } from '@countersign/device-sdk/format';
import { createKey, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { credentialsFolder } from '@countersign/device-sdk/host/passphrase';

/** The keys of one server: of its own roles and of no other. It signs; it never shows a secret. */
export interface KeyRing {
  readonly roles: readonly Role[];
  /** @throws RangeError for a role that this server does not have */
  signer(role: Role): Signer;
  publicKey(role: Role): PublicKey;
  /** For whom a key generation centre issued the key of this role; undefined for a key that was made here. */
  issuedTo(role: Role): { name: string; epoch: number } | undefined;
}

export interface KeyRingOptions {
  passphrase?: string | undefined;
  /** Make keys that are missing. Only at the first start: later a missing key is damage, not a wish for another one. */
  create?: boolean;
  /** Where a service manager hands over credentials; by default where the environment says so. */
  credentials?: string | undefined;
}

/**
 * Opens `<folder>/<role>.key` for each role, or the credential `<role>.key` of the service manager where the folder has
 * none: then the key lies where root alone can read it until the service starts.
 * @throws Refusal BAD_STORE, also for a key of another role under the name
 */
export async function openKeyRing(
  folder: string,
  roles: readonly Role[],
  options: KeyRingOptions = {},
): Promise<KeyRing> {
  const keys = new Map<Role, LoadedKey>();
  for (const role of roles) keys.set(role, await openKey(join(folder, `${role}.key`), role, options));
  const issuedTo = (role: Role) => {
    const { name, epoch } = keys.get(role) ?? {};
    return name === undefined || epoch === undefined ? undefined : { name, epoch };
  };
  const signer = (role: Role): Signer => {
    const key = keys.get(role);
    if (key === undefined) throw new RangeError(`this server has no ${role} key, only ${roles.join(', ')}`);
    return key;
  };
  return { roles: [...roles], signer, publicKey: (role) => publicKeyOf(signer(role)), issuedTo };
}

async function openKey(path: string, role: Role, options: KeyRingOptions): Promise<LoadedKey> {
  const { passphrase, create, credentials = credentialsFolder() } = options;
  if (await exists(path)) return loaded(path, role, passphrase);
  const credential = credentials && join(credentials, `${role}.key`);
  if (credential && (await exists(credential))) return loaded(credential, role, passphrase, true);
  return create ? createKey(path, role, { passphrase }) : loaded(path, role, passphrase);
}

async function loaded(path: string, role: Role, passphrase: string | undefined, credential = false) {
  const key = await loadSigner(path, passphrase, { credential });
  demand(key.role === role, 'BAD_STORE', `${path} holds a ${key.role} key: one key, one role`);
  return key;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
