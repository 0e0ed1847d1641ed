/** One attempt against a true server: prepared in full, then tried once, and judged by what the ledger holds afterwards. */
import { type Code, codeOf } from '@countersign/device-sdk';
import type { Ground, Variant } from '../attack.ts';
import { addProduct, newWorld, type World, type WorldOptions } from './ledger-world.ts';

export type Attempt = () => Promise<unknown>;

/** @param prepare brings the ledger to where the adversary begins, and gives back what he does */
export function contract(
  how: string,
  expect: Code,
  prepare: (world: World) => Promise<Attempt>,
  options: WorldOptions | (() => Promise<WorldOptions>) = {},
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld(typeof options === 'function' ? await options() : options);
      ground.after(() => world.end());
      await addProduct(world);
      const attempt = await prepare(world);
      const before = (await world.ledger.head()).head.size;
      const code = await codeFrom(attempt());
      const grown = (await world.ledger.head()).head.size - before;
      return { harm: grown > 0 ? `${grown} entries were logged` : undefined, codes: code ? [code] : [] };
    },
  };
}

/** What a part of the server answers by a refusal, in a world where no entry need be logged for harm. */
export function inWorld(
  how: string,
  expect: Code,
  prepare: (world: World, ground: Ground) => Promise<() => unknown>,
  options: WorldOptions = {},
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const world = await newWorld(options);
      ground.after(() => world.end());
      await addProduct(world);
      const attempt = await prepare(world, ground);
      const code = await codeFrom((async () => attempt())());
      return { harm: code ? undefined : 'it was accepted', codes: code ? [code] : [] };
    },
  };
}

/** What answers by a refusal and changes nothing that could be looked at. */
export function refused(how: string, expect: Code, attempt: () => unknown): Variant {
  return {
    how,
    expect,
    async run() {
      const code = await codeFrom((async () => attempt())());
      return { harm: code ? undefined : 'it was accepted', codes: code ? [code] : [] };
    },
  };
}

export async function codeFrom(work: Promise<unknown>): Promise<Code | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}
