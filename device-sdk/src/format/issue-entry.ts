/** Which (identity, point) an entry of the ledger puts on the record. */
import { demand } from '../errors.ts';
import { equal } from './bytes.ts';
import { implicitThumbprint, type RevokingRoot, readImplicitKey } from './implicit.ts';
import type { Sha256 } from './merkle.ts';
import { asArray } from './shape.ts';
import { readStatement } from './statement.ts';
import { readTransaction } from './tx.ts';

/**
 * The entry was judged by the ledger; here it is only asked which (identity, point) it is of, and whether its centre still
 * issued where it stands: a stolen centre with a stolen ledger could put an entry behind the centre's revocation.
 * @param leafIndex the entry's place, proven by its receipt
 * @throws Refusal MALFORMED, UNSUPPORTED, TOO_LARGE, WRONG_TYPE for a statement of another kind; REVOKED
 */
export function isIssueOf(
  sha256: Sha256,
  entry: Uint8Array,
  print: Uint8Array,
  { revocations }: RevokingRoot,
  leafIndex: number,
): boolean {
  const { action, args } = readTransaction(readStatement(entry, 'tx').payload);
  if (action !== 'issueKey') return false;
  const key = readImplicitKey(asArray(args, 'issueKey', 2)[0]);
  if (!equal(implicitThumbprint(sha256, key), print)) return false;
  const voidFrom = revocations.find((item) => equal(item.thumbprint, key.centre))?.logSize;
  const issuing = voidFrom === undefined || leafIndex < voidFrom;
  demand(issuing, 'REVOKED', `the centre is revoked from log size ${voidFrom}, its key is entry ${leafIndex}`);
  return true;
}
