/** Where this checkout and the outside data beside it are; tests run from test/dist/<area>. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** A folder of outside data beside the checkout, or undefined where it is absent. */
export function shared(name: string): string | undefined {
  const folder = join(repository, '..', 'shared', name);
  return existsSync(folder) ? folder : undefined;
}
