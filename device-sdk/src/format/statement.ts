/**
 * A private statement: COSE_Sign1 with protected {alg, kid, typ} and external_aad `countersign/v1/<name>`, so that a
 * signature made for one kind of statement can never be read as another (domain separation).
 */
import { demand } from '../errors.ts';
import type { Verifier } from '../ports.ts';
import { encode, type Value } from './cbor.ts';
import {
  ALG_ESP256,
  decodeSign1,
  encodeSign1,
  HEADER_ALG,
  HEADER_KID,
  HEADER_TYP,
  kidOf,
  makeSign1,
  type PublicKey,
  publicKeyOf,
  readSigned,
  type Sign1,
  type Signer,
  toBeSigned,
} from './cose.ts';
import { isLowS } from './low-s.ts';
import type { Sha256 } from './merkle.ts';
import { REPORT_BYTES_MAX } from './report.ts';
import { ROLLOUT_BYTES_MAX } from './rollout.ts';
import { shown } from './shape.ts';
import { TX_BYTES_MAX } from './tx.ts';
import { utf8 } from './utf8.ts';

/** The closed list of statement kinds. `head` is here for its typ alone; its form is in head.ts. */
export const KINDS = [
  'head',
  'root',
  'tx',
  'report',
  'rollout',
  'cmd',
  'ack',
  'fresh',
  'login',
  'passport',
  'trial',
  'possession',
  'claim',
] as const;
export type Kind = (typeof KINDS)[number];

/** Login with a broker id of 64 characters, root signature, acknowledgement, freshness, command: all smaller. */
const SMALL_BYTES_MAX = 512;

/** The largest statement of a kind, payload and signature included; checked before anything is parsed. */
export function statementBytesMax(kind: Kind): number {
  if (kind === 'tx' || kind === 'passport' || kind === 'trial') return TX_BYTES_MAX;
  if (kind === 'report') return REPORT_BYTES_MAX;
  return kind === 'rollout' ? ROLLOUT_BYTES_MAX : SMALL_BYTES_MAX;
}

export interface Statement {
  kind: Kind;
  alg: number;
  kid: Uint8Array;
  payload: Uint8Array;
  sign1: Sign1;
}

const LABELS = [HEADER_ALG, HEADER_KID, HEADER_TYP];

export function typOf(kind: Kind): string {
  return `application/countersign-${kind}`;
}

export function aadOf(kind: Kind): Uint8Array {
  return utf8(`countersign/v1/${kind}`);
}

/** Signs `payload` as a statement of `kind`, payload attached. */
export async function signStatement(sha256: Sha256, kind: Kind, payload: Value, signer: Signer): Promise<Uint8Array> {
  return encodeSign1(
    await makeSign1(signer, header(sha256, kind, signer), encode(payload), { externalAad: aadOf(kind) }),
  );
}

/** The same with the payload detached: the trust root carries it once for several signatures. */
export async function signDetached(
  sha256: Sha256,
  kind: Kind,
  payload: Uint8Array,
  signer: Signer,
): Promise<Uint8Array> {
  const options = { externalAad: aadOf(kind), detached: true };
  return encodeSign1(await makeSign1(signer, header(sha256, kind, signer), payload, options));
}

function header(sha256: Sha256, kind: Kind, signer: Signer): Map<number, Value> {
  return new Map<number, Value>([
    [HEADER_ALG, signer.alg],
    [HEADER_KID, kidOf(sha256, publicKeyOf(signer))],
    [HEADER_TYP, typOf(kind)],
  ]);
}

/**
 * Reads the shape of a statement of the expected kind. Nothing is trusted yet: see {@link checkStatement}.
 * @param detachedPayload the payload where the statement carries none
 * @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE
 */
export function readStatement(bytes: Uint8Array, kind: Kind, detachedPayload?: Uint8Array): Statement {
  demand(bytes.length <= statementBytesMax(kind), 'TOO_LARGE', `a ${kind} statement of ${bytes.length} bytes`);
  const sign1 = decodeSign1(bytes);
  const { alg, kid } = readSigned(sign1, LABELS, kind);
  const typ = sign1.protected.get(HEADER_TYP);
  demand(typ === typOf(kind), 'WRONG_TYPE', `expected ${typOf(kind)}, got ${shown(typ)}`);
  demand(sign1.unprotected.size === 0, 'MALFORMED', `${kind}: the unprotected header is not empty`);
  demand(
    (sign1.payload === null) === (detachedPayload !== undefined),
    'MALFORMED',
    `${kind}: payload in the wrong place`,
  );
  return { kind, alg, kid, payload: sign1.payload ?? detachedPayload!, sign1 };
}

/** @throws Refusal BAD_SIGNATURE when the statement is not by `key` */
export function checkStatement(verifier: Verifier, statement: Statement, key: PublicKey): void {
  demand(statement.alg === key.alg, 'BAD_SIGNATURE', `${statement.kind}: algorithm ${statement.alg} is not the key's`);
  const { protectedBytes, signature } = statement.sign1;
  const low = key.alg !== ALG_ESP256 || isLowS(signature);
  demand(low, 'BAD_SIGNATURE', `${statement.kind}: of the two forms of this signature the other one is valid`);
  const message = toBeSigned(protectedBytes, aadOf(statement.kind), statement.payload);
  const valid = verifier.verify(key.alg, key.bytes, message, signature);
  demand(valid, 'BAD_SIGNATURE', `${statement.kind}: the signature does not verify`);
}

/** Which kind of statement these bytes claim to be, before anything is checked. @throws Refusal MALFORMED, WRONG_TYPE */
export function kindOf(bytes: Uint8Array): Kind {
  const typ = decodeSign1(bytes).protected.get(HEADER_TYP);
  const kind = KINDS.find((known) => typOf(known) === typ);
  demand(kind, 'WRONG_TYPE', 'this is no statement of ours');
  return kind;
}
