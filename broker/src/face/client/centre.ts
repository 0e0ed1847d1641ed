/** What a key generation centre is asked for by whoever gets a key of it. */
import { codeOf, Refusal } from '@countersign/device-sdk';
import type { ImplicitRole } from '@countersign/device-sdk/format';
import { apiClient } from './api-client.ts';

/**
 * The share of one identity. The centre has one answer for all whom it does not know; which epoch was asked for, only the
 * asker can say.
 * @param point the request's point in hex
 * @throws Refusal UNAUTHORIZED where the identity is not listed with this token; UNREACHABLE, and what the centre answers
 */
export async function askForShare(
  centre: string,
  token: string,
  identity: { role: ImplicitRole; name: string; epoch: number },
  point: string,
): Promise<unknown> {
  const { role, name, epoch } = identity;
  try {
    return await apiClient(centre, token).post('/api/v1/shares', { role, name, epoch, point });
  } catch (cause) {
    if (codeOf(cause) !== 'UNAUTHORIZED') throw cause;
    const listing = `keys allow --role ${role} --name ${name} --epoch ${epoch}`;
    const text = `the centre at ${centre} does not have ${role} ${name}, epoch ${epoch}, with this token; there: ${listing}`;
    throw new Refusal('UNAUTHORIZED', text, { cause });
  }
}
