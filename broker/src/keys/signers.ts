/** Who signs for the ledger: one key, or whichever of several the trust root in force names. */
import { Refusal, type Verifier } from '@countersign/device-sdk';
import { hex, kidOf, publicKeyOf, type Role, type Signer, type TrustRoot } from '@countersign/device-sdk/format';
import { keyFor, keysOf } from '@countersign/device-sdk/verify';

/** Keys of one role of one server, the present one and those prepared for the trust root that will name them. */
export interface RoleSigners {
  /** @throws Refusal UNKNOWN_KEY, REVOKED where none of the keys is accepted by this root; BAD_STORE */
  under(root: TrustRoot): Promise<Signer>;
}

export type LedgerSigner = Signer | RoleSigners;

/** The key that signs under `root`. @throws Refusal UNKNOWN_KEY, WRONG_ROLE, REVOKED, UNSUPPORTED */
export async function signerUnder(
  verifier: Pick<Verifier, 'sha256' | 'implicit'>,
  root: TrustRoot,
  role: Role,
  signer: LedgerSigner,
): Promise<Signer> {
  if ('under' in signer) return signer.under(root);
  keyFor(verifier, root, role, kidOf(verifier.sha256, publicKeyOf(signer)));
  return signer;
}

/**
 * Among several keys the one that stands last in the root's list: a root that adds a key means it to be used.
 * @throws Refusal UNKNOWN_KEY; REVOKED where the root revokes all of them
 */
export function acceptedSigner<S extends Signer>(
  verifier: Pick<Verifier, 'sha256' | 'implicit'>,
  root: TrustRoot,
  role: Role,
  signers: readonly S[],
): S {
  const { sha256 } = verifier;
  const places = new Map(keysOf(verifier, root, role).map((key, i) => [hex(kidOf(sha256, key)), i]));
  let best: { signer: S; place: number } | undefined;
  let why: unknown;
  for (const signer of signers) {
    try {
      const kid = kidOf(sha256, publicKeyOf(signer));
      keyFor(verifier, root, role, kid);
      const place = places.get(hex(kid))!;
      if (!best || place > best.place) best = { signer, place };
    } catch (error) {
      why ??= error;
    }
  }
  if (best) return best.signer;
  throw why ?? new Refusal('UNKNOWN_KEY', `there is no ${role} key here`);
}
