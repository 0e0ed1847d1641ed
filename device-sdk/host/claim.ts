/**
 * Enrolment by a claim code: 128 random bits make a key, an operator's grant names that key, and a device that was told
 * the code signs its own enrolment with it. The code never travels, and nobody keeps it: not the server, which cannot
 * enrol anybody therefore, and not the ledger, which knows the public key alone.
 */
import { randomBytes } from 'node:crypto';
import { demand } from '../src/errors.ts';
import {
  ALG_ED25519,
  asArray,
  asBytes,
  type Claim,
  claimValue,
  concat,
  coseKey,
  decode,
  encode,
  hex,
  ID_BYTES,
  NO_LEAF,
  publicKeyOf,
  type Signer,
  signStatement,
  transactionValue,
  unhex,
  utf8,
  type Value,
} from '../src/format/index.ts';
import type { Verifier } from '../src/ports.ts';
import { nodeKeyStore } from './crypto.ts';
import type { HttpClient } from './http-call.ts';
import { HTTP_ROOT } from './http-format.ts';

/** Nobody guesses 128 bits at any rate, so no slow hash is needed. */
export const CODE_BYTES = 16;
/** Two signatures, three keys, two origins of at most 64 characters, and 17 hashes where a list is claimed by. */
export const CLAIM_BYTES_MAX = 2_048;
const ANSWER_BYTES_MAX = 64;
/** The server answers after its flush to disk; with peers or a mirrored ledger that takes seconds. */
const CLAIM_MS = 60_000;

export interface ClaimKey {
  signer: Signer;
  /** Of the grant that names this key. */
  grantId: Uint8Array;
}

/** A new code, as people copy it: 32 hex digits in groups of four. */
export function newClaimCode(): string {
  return hex(new Uint8Array(randomBytes(CODE_BYTES))).replace(/(.{4})(?=.)/g, '$1-');
}

/** @throws Refusal BAD_REQUEST for what is no code */
export function claimKey({ sha256 }: Pick<Verifier, 'sha256'>, code: string): ClaimKey {
  const bytes = unhex(code.trim().toLowerCase().replace(/-/g, ''));
  demand(bytes?.length === CODE_BYTES, 'BAD_REQUEST', `a claim code has ${CODE_BYTES * 2} hex digits`);
  const signer = nodeKeyStore(ALG_ED25519, sha256(concat(utf8('countersign/v1/claim-code\0'), bytes)));
  return { signer, grantId: grantIdOf({ sha256 }, signer.publicKey) };
}

/** A device can name the grant of its code without being told. */
function grantIdOf({ sha256 }: Pick<Verifier, 'sha256'>, publicKey: Uint8Array): Uint8Array {
  return sha256(concat(utf8('countersign/v1/grant\0'), publicKey)).slice(0, ID_BYTES);
}

/**
 * The ledger entry by which a device enrols itself: signed by the grant's key, with the proof that the device holds its
 * own inside.
 */
export async function claimEntry(
  { sha256 }: Pick<Verifier, 'sha256'>,
  grant: Signer,
  device: Signer,
  claim: Claim,
): Promise<Uint8Array> {
  const { grantId, deviceId } = claim;
  const proof = await signStatement(sha256, 'claim', claimValue(claim), device);
  const args = ['claim', grantId, deviceId, coseKey(publicKeyOf(device)), proof];
  return enrolmentEntry({ sha256 }, grant, claim, args);
}

/** The entry about a device that the ledger does not know yet. */
export function enrolmentEntry(
  { sha256 }: Pick<Verifier, 'sha256'>,
  by: Signer,
  { origin, deviceId }: Claim,
  args: Value,
): Promise<Uint8Array> {
  const transaction = {
    channel: origin,
    action: 'enrol',
    object: sha256(encode(['device', deviceId])),
    previous: NO_LEAF,
    args,
  };
  return signStatement(sha256, 'tx', transactionValue(transaction), by);
}

/**
 * Sends a claim to a server's address for devices. Sending it again is harmless: what was enrolled by these very bytes
 * is answered like the first time.
 * @returns the class id under which the device is enrolled
 * @throws Refusal UNAUTHORIZED (no such code), CAP_REACHED, REVOKED, NOT_PERMITTED (expired), EXISTS, LINK_LOST, RATE_LIMITED
 */
export async function sendClaim(http: HttpClient, entry: Uint8Array): Promise<Uint8Array> {
  const { body } = await http.call({
    ...{ method: 'POST', path: `${HTTP_ROOT}/claim`, body: entry, limitMs: CLAIM_MS, bytesMax: ANSWER_BYTES_MAX },
  });
  return readClaimAnswer(body);
}

export function encodeClaimAnswer(classId: Uint8Array): Uint8Array {
  return encode([1, classId]);
}

function readClaimAnswer(bytes: Uint8Array): Uint8Array {
  const [version, classId] = asArray(decode(bytes), 'answer to a claim', 2);
  demand(version === 1, 'UNSUPPORTED', 'an answer to a claim of another version');
  return asBytes(classId, 'class id', 16);
}
