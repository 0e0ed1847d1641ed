import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { type PublicKey, publicKeyOf, type Role, type Signer } from '@countersign/device-sdk/format';
import { createKey, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';

/** The keys of one server: of its own roles and of no other. It signs; it never shows a secret. */
export interface KeyRing {
  readonly roles: readonly Role[];
  /** @throws RangeError for a role that this server does not have */
  signer(role: Role): Signer;
  publicKey(role: Role): PublicKey;
}

export interface KeyRingOptions {
  passphrase?: string | undefined;
  /** Make keys that are missing. Only at the first start: later a missing key is damage, not a wish for another one. */
  create?: boolean;
}

/**
 * Opens `<folder>/<role>.key` for each role.
 * @throws Refusal BAD_STORE, also for a key of another role under the name
 */
export async function openKeyRing(
  folder: string,
  roles: readonly Role[],
  options: KeyRingOptions = {},
): Promise<KeyRing> {
  const keys = new Map<Role, LoadedKey>();
  for (const role of roles) keys.set(role, await openKey(join(folder, `${role}.key`), role, options));
  const signer = (role: Role): Signer => {
    const key = keys.get(role);
    if (key === undefined) throw new RangeError(`this server has no ${role} key, only ${roles.join(', ')}`);
    return key;
  };
  return { roles: [...roles], signer, publicKey: (role) => publicKeyOf(signer(role)) };
}

async function openKey(path: string, role: Role, { passphrase, create }: KeyRingOptions): Promise<LoadedKey> {
  if (create && !(await exists(path))) return createKey(path, role, { passphrase });
  const key = await loadSigner(path, passphrase);
  demand(key.role === role, 'BAD_STORE', `${path} holds a ${key.role} key: one key, one role`);
  return key;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
