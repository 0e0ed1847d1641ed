/** Which (identity, point) an entry of the ledger puts on the record. */
import { equal } from './bytes.ts';
import { implicitThumbprint, readImplicitKey } from './implicit.ts';
import type { Sha256 } from './merkle.ts';
import { asArray } from './shape.ts';
import { readStatement } from './statement.ts';
import { readTransaction } from './tx.ts';

/**
 * The entry was judged by the ledger; here it is only asked which (identity, point) it is of.
 * @throws Refusal MALFORMED, UNSUPPORTED, TOO_LARGE, WRONG_TYPE for a statement of another kind
 */
export function isIssueOf(sha256: Sha256, entry: Uint8Array, print: Uint8Array): boolean {
  const { action, args } = readTransaction(readStatement(entry, 'tx').payload);
  if (action !== 'issueKey') return false;
  const key = readImplicitKey(asArray(args, 'issueKey', 2)[0]);
  return equal(implicitThumbprint(sha256, key), print);
}
