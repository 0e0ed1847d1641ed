/** An object as the contract keeps it: with who changed it last. */
import { hexText, object, type Schema, text } from './schema.ts';

/** Who changed an object last, as the contract keeps it beside the object. */
const STAMP = { entry: hexText(32, 'leaf of the last change'), action: text(), signer: text() };
const STAMPED = Object.keys(STAMP);
const PREVIOUS = hexText(32, 'leaf hash of the entry that last changed this object; 64 zeros for none');

/** An object of the ledger, with what stands beside each. */
export function kept(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  return object({ ...properties, previous: PREVIOUS, ...STAMP }, [...optional, ...STAMPED]);
}
