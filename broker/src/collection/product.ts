import { demand } from '@countersign/device-sdk';
import type { LedgerClient } from '../ledger/client.ts';
import type { ProductView } from '../ledger/contract/views.ts';

/** @param name class id in hex, or a name that one product alone has. @throws Refusal NOT_FOUND, BAD_REQUEST */
export async function findProduct(ledger: LedgerClient, name: string): Promise<ProductView> {
  if (/^[0-9a-f]{32}$/.test(name)) return (await ledger.evaluate('getProduct', name)) as ProductView;
  const products = (await ledger.evaluate('listProducts')) as ProductView[];
  const [found, ...others] = products.filter((product) => product.name === name);
  demand(found, 'NOT_FOUND', `the ledger has no product ${name.slice(0, 64)}`);
  const ids = [found, ...others].map((product) => product.classId).join(' ');
  demand(others.length === 0, 'BAD_REQUEST', `several products are called ${name}; use one of the class ids ${ids}`);
  return found;
}
