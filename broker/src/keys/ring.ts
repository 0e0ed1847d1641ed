/**
 * The keys of one server. A role begins with `<role>.key`; a key that is prepared for a later trust root lies beside it as
 * `<role>.2.key`, `<role>.3.key` and so on, and nothing is ever renamed or overwritten: whichever of them the trust root in
 * force names is the one that signs, so a crash or a restart at any moment of a rotation finds what it needs.
 */
import { access } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import {
  KEYS_PER_ROLE_MAX,
  type PublicKey,
  publicKeyOf,
  type Role,
  type Signer,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createKey, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { credentialsFolder } from '@countersign/device-sdk/host/passphrase';
import { acceptedSigner, type RoleSigners } from './signers.ts';

/** The keys of one server: of its own roles and of no other. It signs; it never shows a secret. */
export interface KeyRing {
  readonly roles: readonly Role[];
  /**
   * The key in force, at every use: it changes with {@link KeyRing.adopt}. Before that it is the first one.
   * @throws RangeError for a role that this server does not have
   */
  signer(role: Role): Signer;
  publicKey(role: Role): PublicKey;
  /** For whom a key generation centre issued the key of this role; undefined for a key that was made here. */
  issuedTo(role: Role): { name: string; epoch: number } | undefined;
  /** The same for who knows the trust root himself at every use. */
  under(role: Role): RoleSigners;
  /**
   * From now on the keys that this root names sign. The folder is read anew where it may hold a key that is not known yet.
   * @returns roles of which this server has no key that the root accepts; they keep the one that they had
   * @throws Refusal BAD_STORE for a damaged key file
   */
  adopt(root: TrustRoot): Promise<Role[]>;
  /** The key that was made last, in force or not. */
  newest(role: Role): PublicKey;
  /** How many keys of a role are here. */
  count(role: Role): number;
  /** Makes the next key of each role beside those that are there. @throws Refusal TOO_LARGE */
  prepare(roles?: readonly Role[]): Promise<{ role: Role; key: PublicKey }[]>;
}

export interface KeyRingOptions {
  passphrase?: string | undefined;
  /** Make keys that are missing. Only at the first start: later a missing key is damage, not a wish for another one. */
  create?: boolean;
  /** Where a service manager hands over credentials; by default where the environment says so. */
  credentials?: string | undefined;
}

/**
 * Opens `<folder>/<role>.key` and those prepared beside it, for each role, or the credentials of these names of the
 * service manager where the folder has none: then keys lie where root alone can read them until the service starts.
 * @throws Refusal BAD_STORE, also for a key of another role under the name
 */
export async function openKeyRing(
  folder: string,
  roles: readonly Role[],
  options: KeyRingOptions = {},
): Promise<KeyRing> {
  const verifier = nodeVerifier();
  const keys = new Map<Role, LoadedKey[]>();
  for (const role of roles) keys.set(role, [await openKey(join(folder, `${role}.key`), role, options)]);
  const current = new Map<Role, LoadedKey>(roles.map((role) => [role, keys.get(role)![0]!]));
  await loadFurther();
  const of = (role: Role): LoadedKey => {
    const key = current.get(role);
    if (key === undefined) throw new RangeError(`this server has no ${role} key, only ${roles.join(', ')}`);
    return key;
  };
  return {
    roles: [...roles],
    signer(role) {
      of(role);
      return live(() => of(role));
    },
    publicKey: (role) => publicKeyOf(of(role)),
    under(role) {
      of(role);
      return { under: (root) => choose(root, role) };
    },
    async adopt(root) {
      const without: Role[] = [];
      for (const role of roles) {
        try {
          current.set(role, await choose(root, role));
        } catch (error) {
          if (!(error instanceof Refusal) || !NOT_ACCEPTED.has(error.code)) throw error;
          without.push(role);
        }
      }
      return without;
    },
    issuedTo(role) {
      const { name, epoch } = of(role);
      return name === undefined || epoch === undefined ? undefined : { name, epoch };
    },
    newest: (role) => publicKeyOf(keys.get(role)!.at(-1)!),
    count: (role) => keys.get(role)?.length ?? 0,
    async prepare(which = roles) {
      const made: { role: Role; key: PublicKey }[] = [];
      for (const role of which) {
        of(role);
        const list = keys.get(role)!;
        const number = list.length + 1;
        // More than a trust root can name are no use to anybody.
        demand(number <= KEYS_MAX, 'TOO_LARGE', `${folder} has ${list.length} ${role} keys already`);
        const key = await createKey(pathOf(role, number), role, { passphrase: options.passphrase });
        list.push(key);
        made.push({ role, key: publicKeyOf(key) });
      }
      return made;
    },
  };

  async function choose(root: TrustRoot, role: Role): Promise<LoadedKey> {
    try {
      return acceptedSigner(verifier, root, role, keys.get(role)!);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Prepared by another process since.
      await loadFurther();
      return acceptedSigner(verifier, root, role, keys.get(role)!);
    }
  }

  async function loadFurther(): Promise<void> {
    for (const role of roles) {
      const list = keys.get(role)!;
      for (let number = list.length + 1; await isHere(pathOf(role, number)); number++)
        list.push(await openKey(pathOf(role, number), role, { ...options, create: false }));
    }
  }

  async function isHere(path: string): Promise<boolean> {
    const credential = credentialOf(basename(path), options);
    return (await exists(path)) || (credential !== undefined && (await exists(credential)));
  }

  function pathOf(role: Role, number: number): string {
    return join(folder, `${role}.${number}.key`);
  }
}

/** Former ones and those in force; a trust root lists at most 16 of a role at a time. */
const KEYS_MAX = 16 * KEYS_PER_ROLE_MAX;
const NOT_ACCEPTED: ReadonlySet<string> = new Set(['UNKNOWN_KEY', 'REVOKED', 'WRONG_ROLE', 'UNSUPPORTED']);

/** Header and signature of one statement are made in one turn, so both are of the same key. */
function live(key: () => LoadedKey): Signer {
  return {
    get alg() {
      return key().alg;
    },
    get publicKey() {
      return key().publicKey;
    },
    sign: (message) => key().sign(message),
  };
}

async function openKey(path: string, role: Role, options: KeyRingOptions): Promise<LoadedKey> {
  const { passphrase, create } = options;
  if (await exists(path)) return loaded(path, role, passphrase);
  const credential = credentialOf(basename(path), options);
  if (credential && (await exists(credential))) return loaded(credential, role, passphrase, true);
  return create ? createKey(path, role, { passphrase }) : loaded(path, role, passphrase);
}

function credentialOf(name: string, { credentials = credentialsFolder() }: KeyRingOptions): string | undefined {
  return credentials && join(credentials, name);
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
