/**
 * Implicit keys: a server's public key follows from (identity, point) and the key of the key generation centre, so that
 * no certificate is signed or stored (SEC 4 v1.0, ECQV). What is hashed, how the trust root names it, and the form in
 * which a verifier takes it. The arithmetic is the verifier's: crypto/ecqv.ts.
 */
import { demand, Refusal } from '../errors.ts';
import { concat, equal, hex } from './bytes.ts';
import { encode, type Value } from './cbor.ts';
import { ALG_ESP256, coseKey, type PublicKey, readCoseKey, thumbprint } from './cose.ts';
import { HASH_BYTES, type Sha256 } from './merkle.ts';
import { asArray, asBytes, asText, asUint } from './shape.ts';
import { utf8 } from './utf8.ts';

/** The two whose signatures a release needs. Neither ledger, peer, root nor a service key is ever implicit. */
export const IMPLICIT_ROLES = ['collection', 'distribution'] as const;
export type ImplicitRole = (typeof IMPLICIT_ROLES)[number];

export const ECQV_SUITE = 'ecqv-p256-sha256';
export const POINT_BYTES = 33;
export const EPOCH_MAX = 0xffffffff;
/** More than one only while one takes over from another. */
export const CENTRES_MAX = 4;
const CERTIFICATE_PREFIX = utf8('countersign/ecqv/v1\0');

/** For whom a point is: one point for one identity, ever. */
export interface Identity {
  role: ImplicitRole;
  name: string;
  epoch: number;
}

export interface ImplicitKey extends Identity {
  /** Thumbprint (RFC 9679) of the centre's key. */
  centre: Uint8Array;
  /** Compressed, 33 bytes. */
  point: Uint8Array;
}

/** Keys of key generation centres, and every implicit key that the root's roles list, in their order. */
export interface ImplicitKeys {
  centres: PublicKey[];
  keys: ImplicitKey[];
}

/** What is hashed for e. Its first byte is no CBOR array, so it can never begin a COSE Sig_structure. */
export function implicitCertificate(key: ImplicitKey): Uint8Array {
  const identity = encode([key.role, key.name, key.epoch, key.centre, ECQV_SUITE]);
  return concat(CERTIFICATE_PREFIX, identity, key.point);
}

/** The thumbprint of an implicit key: SHA-256 of its certificate. */
export function implicitThumbprint(sha256: Sha256, key: ImplicitKey): Uint8Array {
  return sha256(implicitCertificate(key));
}

/** The form in which keys go to a verifier: thumbprint || point || key of the centre. */
export function implicitPublicKey(sha256: Sha256, key: ImplicitKey, centre: PublicKey): PublicKey {
  demand(equal(thumbprint(sha256, centre), key.centre), 'BAD_KEY', 'the point was issued under another key');
  return { alg: ALG_ESP256, bytes: concat(implicitThumbprint(sha256, key), key.point, centre.bytes) };
}

export function implicitKeyValue(k: ImplicitKey): Value {
  return [k.role, k.name, k.epoch, k.centre, ECQV_SUITE, k.point];
}

/** @throws Refusal MALFORMED, UNSUPPORTED */
export function readImplicitKey(value: Value | undefined): ImplicitKey {
  const [role, name, epoch, centre, suite, point] = asArray(value, 'implicit key', 6);
  demand(suite === ECQV_SUITE, 'UNSUPPORTED', 'an implicit key of another suite');
  const known = IMPLICIT_ROLES.find((item) => item === role);
  if (!known) throw new Refusal('MALFORMED', 'a key of this role is never implicit');
  return {
    role: known,
    name: asText(name, 'name', 32),
    epoch: asUint(epoch, 'epoch', EPOCH_MAX),
    centre: asBytes(centre, 'thumbprint', HASH_BYTES),
    point: asBytes(point, 'point', POINT_BYTES),
  };
}

export function implicitKeysValue({ centres, keys }: ImplicitKeys): Value {
  return [centres.map(coseKey), keys.map(implicitKeyValue)];
}

function readImplicitKeys(value: Value): ImplicitKeys {
  const [centres, keys] = asArray(value, 'implicit keys', 2);
  const read = {
    centres: asArray(centres, 'centres').map(readCoseKey),
    keys: asArray(keys, 'implicit keys').map(readImplicitKey),
  };
  const count = read.centres.length;
  demand(count >= 1 && count <= CENTRES_MAX, 'BAD_ROOT', `${count} key generation centres`);
  demand(
    read.centres.every(({ alg }) => alg === ALG_ESP256),
    'BAD_ROOT',
    'the key of a centre is on P-256',
  );
  return read;
}

/**
 * The implicit keys of a trust root. Every thumbprint under its roles has its (identity, point), in their order, and none
 * stands there unlisted; no centre is a signer.
 * @returns none where the root says nothing of them: then a thumbprint verifies nothing
 * @throws Refusal MALFORMED, UNSUPPORTED, BAD_ROOT
 */
export function implicitKeysOf(sha256: Sha256, root: ListingRoot): ImplicitKeys {
  if (root.implicit === undefined) return { centres: [], keys: [] };
  const { centres, keys } = readImplicitKeys(root.implicit);
  const roles = Object.entries(root.roles);
  const signers = new Set(roles.flatMap(([, role]) => role.keys.map((key) => hex(thumbprint(sha256, key)))));
  const known = new Set(centres.map((centre) => hex(thumbprint(sha256, centre))));
  const alone = known.size === centres.length && ![...known].some((print) => signers.has(print));
  demand(alone, 'BAD_ROOT', 'the key of a centre stands twice: it derives keys and signs nothing');
  const listed = IMPLICIT_ROLES.flatMap((role) => root.roles[role]!.implicit.map((print) => ({ role, print })));
  const fits = (key: ImplicitKey, { role, print }: (typeof listed)[number]) =>
    key.role === role && equal(implicitThumbprint(sha256, key), print) && known.has(hex(key.centre));
  const elsewhere = roles.some(
    ([role, { implicit }]) => implicit.length > 0 && !IMPLICIT_ROLES.some((it) => it === role),
  );
  const whole = keys.length === listed.length && keys.every((key, i) => fits(key, listed[i]!));
  demand(whole && !elsewhere, 'BAD_ROOT', 'the implicit keys are not those that the roles list');
  return { centres, keys };
}

/** As much of a trust root as is looked at here. */
export interface ListingRoot {
  readonly roles: Readonly<
    Record<string, { readonly keys: readonly PublicKey[]; readonly implicit: readonly Uint8Array[] }>
  >;
  readonly implicit?: Value;
}

/** As much of a trust root as says from which size of the log on a key is void. */
export interface RevokingRoot {
  readonly revocations: readonly { readonly thumbprint: Uint8Array; readonly logSize: number }[];
}

/** What a verifier needs for implicit keys: crypto/ecqv.ts is one, injected. */
export interface ImplicitPart {
  /** The implicit keys of a role, in the form of {@link implicitPublicKey}. @throws Refusal MALFORMED, UNSUPPORTED, BAD_ROOT */
  keysOf(root: ListingRoot, role: string): readonly PublicKey[];
  /**
   * Whether an entry of the ledger, the one with this index, is the `issueKey` of the implicit key with this thumbprint.
   * @throws Refusal MALFORMED, WRONG_TYPE; REVOKED where the root revokes the centre from there on or earlier
   */
  isIssue(entry: Uint8Array, thumbprint: Uint8Array, root: RevokingRoot, leafIndex: number): boolean;
  /** The ESP256 key, 65 bytes, that one of them stands for. @throws Refusal BAD_KEY */
  derive(implicitKey: Uint8Array): Uint8Array;
}

/** The keys of a role in that form. */
export function implicitKeysFor(sha256: Sha256, { centres, keys }: ImplicitKeys, role: string): PublicKey[] {
  const centreOf = (key: ImplicitKey) => centres.find((item) => equal(thumbprint(sha256, item), key.centre))!;
  return keys.filter((key) => key.role === role).map((key) => implicitPublicKey(sha256, key, centreOf(key)));
}
