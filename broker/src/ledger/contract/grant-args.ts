/** A grant: whoever signs with its key enrols new devices of one class, so many and no more. */
import { demand } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  asText,
  asUint,
  coseKey,
  ID_BYTES,
  type PublicKey,
  readCoseKey,
  type Value,
} from '@countersign/device-sdk/format';

/** Who holds the grant's key, and what is checked before it signs. */
export const GRANT_KINDS = ['code', 'list', 'authority'] as const;
export type GrantKind = (typeof GRANT_KINDS)[number];
/** A production run. More of them take more grants, so that one stolen key is worth one run at most. */
export const GRANT_DEVICES_MAX = 100_000;
/** An inclusion path in a tree of that many leaves. */
const LIST_PATH_MAX = 17;

export interface EnrolGrant {
  grantId: Uint8Array;
  key: PublicKey;
  classId: Uint8Array;
  devices: number;
  /** Seconds since the epoch. Kept by whoever takes claims; in the ledger, so that a late one shows. */
  expires: number;
  kind: GrantKind;
  /** Merkle root of the list, or thumbprint of the authority's key; null for a code. */
  content: Uint8Array | null;
}

export function enrolGrantArgs(g: EnrolGrant): Value {
  return ['grant', g.grantId, coseKey(g.key), g.classId, g.devices, g.expires, g.kind, g.content];
}

export function readEnrolGrant(args: Value): { what: 'grant' } & EnrolGrant {
  const [, grantId, key, classId, devices, expires, kind, content] = asArray(args, 'enrol grant', 8);
  const name = GRANT_KINDS.find((known) => known === kind);
  demand(name, 'MALFORMED', `${String(kind)} is no kind of grant`);
  demand((name === 'code') === (content === null), 'MALFORMED', 'a list or an authority is named by its hash');
  const count = asUint(devices, 'devices', GRANT_DEVICES_MAX);
  demand(count > 0, 'MALFORMED', 'a grant is for at least one device');
  return {
    what: 'grant',
    grantId: asBytes(grantId, 'grant id', ID_BYTES),
    key: readCoseKey(key!),
    classId: asBytes(classId, 'class id', 16),
    devices: count,
    expires: asUint(expires, 'expiry'),
    kind: name,
    content: content === null ? null : asBytes(content, 'content digest', 32),
  };
}

export interface ClaimDevice {
  grantId: Uint8Array;
  id: Uint8Array;
  key: PublicKey;
  /** A `claim` statement by that key. */
  proof: Uint8Array;
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readClaimArgs(args: Value): { what: 'claim' } & ClaimDevice {
  return readClaim(args, 'claim', 0).claim;
}

/** What every claim begins with, and the elements that its kind has besides. */
function readClaim<W extends string>(args: Value, what: W, besides: number) {
  const [word, grantId, id, key, proof, ...own] = asArray(args, `enrol ${what}`, 5 + besides);
  demand(asText(word, 'what is enrolled') === what, 'MALFORMED', `this is no enrolment as ${what}`);
  const claim = {
    what,
    grantId: asBytes(grantId, 'grant id', ID_BYTES),
    id: asBytes(id, 'device id', ID_BYTES),
    key: readCoseKey(key!),
    proof: asBytes(proof, 'proof'),
  };
  return { claim, own };
}

export interface ListedDevice extends ClaimDevice {
  /** Salted digest of the serial: who does not know the salt cannot try serials. */
  serial: Uint8Array;
  /** The key that the list has beside this serial; it signs the entry. */
  listedKey: PublicKey;
  index: number;
  path: Uint8Array[];
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readListedArgs(args: Value): { what: 'listed' } & ListedDevice {
  const { claim, own } = readClaim(args, 'listed', 4);
  const [serial, listedKey, index, path] = own;
  const hashes = asArray(path, 'inclusion path');
  demand(hashes.length <= LIST_PATH_MAX, 'MALFORMED', `an inclusion path of ${hashes.length} hashes`);
  return {
    ...claim,
    serial: asBytes(serial, 'serial digest', 32),
    listedKey: readCoseKey(listedKey!),
    index: asUint(index, 'index', GRANT_DEVICES_MAX),
    path: hashes.map((hash) => asBytes(hash, 'hash of the path', 32)),
  };
}

/** Tells a claim by a list from every other enrolment. */
export function isListed(args: Value): boolean {
  return Array.isArray(args) && args[0] === 'listed';
}

export interface CertifiedDevice extends ClaimDevice {
  /** Whose certificates count: the key that the grant names by its thumbprint. */
  authority: PublicKey;
  /** X.509 in DER; its key signs the entry. */
  certificate: Uint8Array;
}

/** @throws Refusal MALFORMED, TOO_LARGE */
export function readCertifiedArgs(args: Value): { what: 'certified' } & CertifiedDevice {
  const { claim, own } = readClaim(args, 'certified', 2);
  const [authority, certificate] = own;
  return { ...claim, authority: readCoseKey(authority!), certificate: asBytes(certificate, 'certificate') };
}

/** Tells a claim by certificate from every other enrolment. */
export function isCertified(args: Value): boolean {
  return Array.isArray(args) && args[0] === 'certified';
}

/** What a device says of itself under any grant. @throws Refusal MALFORMED, TOO_LARGE */
export function readAnyClaim(args: Value) {
  if (isListed(args)) return readListedArgs(args);
  return isCertified(args) ? readCertifiedArgs(args) : readClaimArgs(args);
}
