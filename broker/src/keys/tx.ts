import { demand } from '@countersign/device-sdk';
import {
  type Action,
  type Sha256,
  type Signer,
  signStatement,
  type Transaction,
  TX_BYTES_MAX,
  transactionValue,
} from '@countersign/device-sdk/format';

/**
 * Signs a transaction, as the command does for people and the servers do for themselves.
 * @returns the statement for `LedgerClient.submit`
 * @throws Refusal TOO_LARGE where it would not fit an entry
 */
export async function signTransaction(
  sha256: Sha256,
  signer: Signer,
  transaction: Transaction & { action: Action },
): Promise<Uint8Array> {
  const statement = await signStatement(sha256, 'tx', transactionValue(transaction), signer);
  demand(statement.length <= TX_BYTES_MAX, 'TOO_LARGE', `a transaction of ${statement.length} bytes`);
  return statement;
}
