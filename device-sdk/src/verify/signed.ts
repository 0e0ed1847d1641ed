/** The one routine that checks a statement in a slot: expected kind and expected role are always named. */
import { type Code, demand } from '../errors.ts';
import { type PublicKey, type Sign1, toBeSigned } from '../format/cose.ts';
import type { Role, TrustRoot } from '../format/root.ts';
import { checkStatement, type Kind, readStatement, type Statement } from '../format/statement.ts';
import type { Verifier } from '../ports.ts';
import { keyFor } from './root.ts';

const NO_AAD = new Uint8Array();

/**
 * Reads and checks a server's statement of `kind` by a key of `role`.
 * @throws Refusal MALFORMED, WRONG_TYPE, UNKNOWN_KEY, WRONG_ROLE, REVOKED, UNSUPPORTED, BAD_SIGNATURE
 */
export function verifyStatement(
  verifier: Verifier,
  root: TrustRoot,
  bytes: Uint8Array,
  kind: Kind,
  role: Role,
): Statement {
  const statement = readStatement(bytes, kind);
  checkStatement(verifier, statement, keyFor(verifier, root, role, statement.kid));
  return statement;
}

/**
 * Checks a block or a head: the same COSE_Sign1 with empty external_aad.
 * @param code what a signature that does not verify means in this slot
 * @throws Refusal with that code
 */
export function checkSign1(
  verifier: Verifier,
  sign1: Sign1,
  alg: number,
  key: PublicKey,
  payload: Uint8Array,
  what: string,
  code: Code = 'BAD_SIGNATURE',
): void {
  demand(alg === key.alg, code, `${what}: algorithm ${alg} is not the key's`);
  const message = toBeSigned(sign1.protectedBytes, NO_AAD, payload);
  demand(verifier.verify(alg, key.bytes, message, sign1.signature), code, `${what}: the signature does not verify`);
}
