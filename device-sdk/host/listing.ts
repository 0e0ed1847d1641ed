/**
 * Enrolment by a list: an operator signed beforehand which serials may enrol, each beside a key. The key is the device's
 * own, made in the factory, or one made of a secret that the device was given; either signs the device's enrolment. The
 * list stays with the server, which tells a device its place; the ledger has the root of the list alone.
 */
import { demand } from '../src/errors.ts';
import {
  asArray,
  asBytes,
  asText,
  asUint,
  type Claim,
  claimValue,
  concat,
  coseKey,
  decode,
  encode,
  HASH_BYTES,
  ID_BYTES,
  publicKeyOf,
  type Sha256,
  type Signer,
  signStatement,
  utf8,
} from '../src/format/index.ts';
import type { Verifier } from '../src/ports.ts';
import { enrolmentEntry } from './claim.ts';
import type { HttpClient } from './http-call.ts';
import { HTTP_ROOT } from './http-format.ts';

/** A serial in 64 characters and a thumbprint. */
export const LISTING_ASK_BYTES_MAX = 128;
/** 17 hashes, for 100,000 lines. */
const ANSWER_BYTES_MAX = 1_024;
const PATH_MAX = 17;
const SALT_BYTES = 16;
const ASK_MS = 30_000;

/** Where a serial stands on a list. */
export interface Listing {
  grantId: Uint8Array;
  /** 16 random bytes of this line. */
  salt: Uint8Array;
  index: number;
  path: Uint8Array[];
}

export interface ListingAsk {
  serial: string;
  /** Of the key beside it. */
  print: Uint8Array;
}

/** What a serial may be: nothing that a list in a file, a label or a terminal would read as something else. */
export function isSerial(text: string): boolean {
  return /^[\w.:/+-]{1,64}$/.test(text);
}

/** Serials count up: without the salt, whoever reads the ledger could try them all. */
export function serialDigest(sha256: Sha256, salt: Uint8Array, serial: string): Uint8Array {
  return sha256(concat(utf8('countersign/v1/serial\0'), salt, utf8(serial)));
}

/**
 * The entry by which a device of a list enrols itself.
 * @param listed the key that the list names; it may be the device's own
 */
export async function listedEntry(
  { sha256 }: Pick<Verifier, 'sha256'>,
  listed: Signer,
  device: Signer,
  claim: Claim,
  { serial, listing }: { serial: string; listing: Listing },
): Promise<Uint8Array> {
  const { grantId, deviceId } = claim;
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device);
  const digest = serialDigest(sha256, listing.salt, serial);
  const [own, named] = [device, listed].map((signer) => coseKey(publicKeyOf(signer)));
  const args = ['listed', grantId, deviceId, own!, proof, digest, named!, listing.index, listing.path];
  return enrolmentEntry({ sha256 }, listed, claim, args);
}

/**
 * Asks a server where a serial stands.
 * @throws Refusal UNAUTHORIZED where no list has this serial with this key; LINK_LOST, RATE_LIMITED
 */
export async function askListing(http: HttpClient, ask: ListingAsk): Promise<Listing> {
  const { body } = await http.call({
    ...{ method: 'POST', path: `${HTTP_ROOT}/listing`, body: encodeListingAsk(ask) },
    ...{ limitMs: ASK_MS, bytesMax: ANSWER_BYTES_MAX },
  });
  return readListing(body);
}

export function encodeListingAsk({ serial, print }: ListingAsk): Uint8Array {
  return encode([1, serial, print]);
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED, BAD_REQUEST */
export function readListingAsk(bytes: Uint8Array): ListingAsk {
  demand(bytes.length <= LISTING_ASK_BYTES_MAX, 'TOO_LARGE', `a question of ${bytes.length} bytes`);
  const [version, serial, print] = asArray(decode(bytes), 'question for a serial', 3);
  demand(version === 1, 'UNSUPPORTED', 'a question of another version');
  const text = asText(serial, 'serial', 64);
  demand(isSerial(text), 'BAD_REQUEST', 'a serial has 1 to 64 letters, digits and _ . : / + -');
  return { serial: text, print: asBytes(print, 'thumbprint', HASH_BYTES) };
}

export function encodeListing({ grantId, salt, index, path }: Listing): Uint8Array {
  return encode([1, grantId, salt, index, path]);
}

/** @throws Refusal MALFORMED, UNSUPPORTED */
export function readListing(bytes: Uint8Array): Listing {
  const [version, grantId, salt, index, path] = asArray(decode(bytes), 'place on a list', 5);
  demand(version === 1, 'UNSUPPORTED', 'a place on a list of another version');
  const hashes = asArray(path, 'inclusion path');
  demand(hashes.length <= PATH_MAX, 'MALFORMED', `an inclusion path of ${hashes.length} hashes`);
  return {
    grantId: asBytes(grantId, 'grant id', ID_BYTES),
    salt: asBytes(salt, 'salt', SALT_BYTES),
    index: asUint(index, 'index'),
    path: hashes.map((hash) => asBytes(hash, 'hash of the path', HASH_BYTES)),
  };
}
