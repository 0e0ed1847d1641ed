import {
  ALG_ED25519,
  ALG_ESP256,
  encodeRoot,
  encodeSignedRoot,
  type ImplicitKeys,
  implicitKeysValue,
  implicitThumbprint,
  type PublicKey,
  type Revocation,
  ROLES,
  type Role,
  type RoleKeys,
  readSignedRoot,
  type Sha256,
  type Signer,
  signDetached,
  type TrustRoot,
} from '@countersign/device-sdk/format';

/**
 * Seconds. Whoever holds a network back can hide a newer release for at most a day; heads are signed again every
 * quarter of it, so a ledger may be down for eighteen hours before fleets with clocks pause their installs.
 */
export const HEAD_AGE_MAX_SECONDS = 86_400;

export interface RootPlan {
  origin: string;
  /** Accepted public keys by role. Only peers may have none: then the quorum is 0 and nobody cosigns. */
  keys: Partial<Record<Role, PublicKey[]>>;
  /** Signatures needed by role; 1 where not given, 0 for peers. */
  thresholds?: Partial<Record<Role, number>>;
  version?: number;
  headAgeMax?: number;
  floors?: TrustRoot['floors'];
  revocations?: Revocation[];
  restart?: TrustRoot['restart'];
  /** Keys of key generation centres, and the (identity, point) pairs that collection and distribution sign with. */
  implicit?: ImplicitKeys | undefined;
}

/**
 * Writes and signs a trust root.
 * @param signers root keys: of this version, and for later versions also of the one before, each up to its threshold
 * @returns the signed document, as devices and entry 0 of the ledger carry it
 * @throws RangeError without signers; Refusal BAD_ROOT, TOO_LARGE for a plan that no device would accept
 */
export async function authorRoot(sha256: Sha256, plan: RootPlan, signers: readonly Signer[]): Promise<Uint8Array> {
  if (signers.length === 0) throw new RangeError('a trust root is signed by at least one root key');
  const payload = encodeRoot(rootOf(sha256, plan));
  const signatures: Uint8Array[] = [];
  for (const signer of signers) signatures.push(await signDetached(sha256, 'root', payload, signer));
  const bytes = encodeSignedRoot(payload, signatures);
  readSignedRoot(sha256, bytes);
  return bytes;
}

function rootOf(sha256: Sha256, plan: RootPlan): TrustRoot {
  const { implicit } = plan;
  // Each key stands where its role lists it: the one order that readers accept.
  const keys = ROLES.flatMap((role) => implicit?.keys.filter((key) => key.role === role) ?? []);
  return {
    version: plan.version ?? 1,
    origin: plan.origin,
    roles: Object.fromEntries(ROLES.map((role) => [role, roleKeys(sha256, plan, role)])) as Record<Role, RoleKeys>,
    algorithms: [ALG_ED25519, ALG_ESP256],
    headAgeMax: plan.headAgeMax ?? HEAD_AGE_MAX_SECONDS,
    ...(plan.restart ? { restart: plan.restart } : {}),
    floors: plan.floors ?? [],
    revocations: plan.revocations ?? [],
    ...(implicit && { implicit: implicitKeysValue({ centres: implicit.centres, keys }) }),
  };
}

function roleKeys(sha256: Sha256, { keys, implicit, thresholds = {} }: RootPlan, role: Role): RoleKeys {
  const listed = implicit?.keys.filter((key) => key.role === role) ?? [];
  const prints = listed.map((key) => implicitThumbprint(sha256, key));
  const threshold = thresholds[role] ?? (role === 'peer' ? 0 : 1);
  return { threshold, keys: keys[role] ?? [], implicit: prints };
}
