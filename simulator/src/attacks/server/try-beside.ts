/** An attempt, and after it what is true: to refuse the one is worth something only where the other is taken. */
import type { Code } from '@countersign/device-sdk';
import type { Variant } from '../attack.ts';
import { addProduct, newWorld, type World } from './ledger-world.ts';
import { type Attempt, codeFrom } from './try.ts';

export interface Beside {
  forged: Attempt;
  honest: Attempt;
}

/** Both at the ledger's door. @param prepare brings the ledger to where the adversary begins */
export function beside(how: string, expect: Code, prepare: (world: World) => Promise<Beside>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const { forged, honest } = await prepare(world);
      const size = async () => (await world.ledger.head()).head.size;
      const before = await size();
      const code = await codeFrom(forged());
      const grown = (await size()) - before;
      const harm = grown > 0 ? `${grown} entries were logged` : undefined;
      return { harm, odd: await oddOf(honest), codes: code ? [code] : [] };
    },
  };
}

/** In words, where what is true was refused. */
export async function oddOf(honest: Attempt): Promise<string | undefined> {
  const code = await codeFrom(honest());
  return code ? `what is true was refused, too: ${code}` : undefined;
}
