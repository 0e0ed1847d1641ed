/** Products that are expected and that nobody has registered: a name that was mistyped would else be watched for ever, in silence. */
import { Refusal } from '@countersign/device-sdk';
import type { Expectation } from './expectation.ts';
import type { LogClient } from './log-client.ts';

/** More names than this help nobody who has to correct a file. */
const NAMED_MAX = 8;

/**
 * Asks the server that gives entries. Its word is enough: what it hides here it would have to show as an unknown product.
 * @returns NOT_FOUND with their names; why it could not be asked; undefined where all are known
 */
export async function unknownProducts(
  clients: readonly LogClient[],
  expectation: Expectation | undefined,
): Promise<Refusal | undefined> {
  const client = clients.find(({ readsEntries }) => readsEntries);
  if (!client || !expectation) return undefined;
  try {
    const known = new Set(await client.products());
    const unknown = expectation.products.filter(({ classId }) => !known.has(classId));
    if (unknown.length === 0) return undefined;
    const names = unknown.slice(0, NAMED_MAX).map(({ name, vendorDomain }) => `${name} of ${vendorDomain}`);
    const text = `the record has no product ${names.join(', ')}${unknown.length > NAMED_MAX ? ', …' : ''}: nothing is held against it`;
    return new Refusal('NOT_FOUND', text);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}
