/** Key generation centres that issued two points for one identity: the ledger is whole, and somebody must act on what it says. */
import { parse } from './contract/state.ts';
import type { Sealed } from './execution.ts';
import type { KeyValues } from './key-values.ts';
import { compositeKey } from './transaction-stub.ts';

/** @returns what the block convicts, where */
export function convictedIn(sealed: Sealed, values: KeyValues): { where: string; text: string }[] {
  const where = `block ${sealed.header.number}`;
  return [...sealed.writes.keys()].flatMap((key) => {
    if (!key.startsWith(CONVICTED)) return [];
    const state = values.get(key);
    const identity = state && values.get(compositeKey('identity', [parse<'convicted'>(state).identity]));
    if (!identity) return [{ where, text: 'a centre is convicted of an identity that is not there' }];
    const { role, name, epoch } = parse<'identity'>(identity);
    const centre = key.slice(CONVICTED.length, CONVICTED.length + 16);
    return [{ where, text: `centre ${centre} issued two points for ${role} ${name}, epoch ${epoch}` }];
  });
}

/** Up to the thumbprint. */
const CONVICTED = compositeKey('convicted', []);
