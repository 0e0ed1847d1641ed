import type { Verifier } from '@countersign/device-sdk';
import { readSignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import { fromHex, parse } from '../contract/state.ts';
import type { KeyValues } from '../key-values.ts';
import { compositeKey } from '../transaction-stub.ts';

/** The trust root in force, from the contract's state; undefined before block 0. */
export function currentRoot(values: KeyValues, verifier: Verifier): TrustRoot | undefined {
  const bytes = values.get(compositeKey('root', ['current']));
  return bytes && readSignedRoot(verifier.sha256, fromHex(parse<'root'>(bytes).bytes)).root;
}
