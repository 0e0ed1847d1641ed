/** What the rules of the contract share: a world of an engine, acts of its people, and rows that are refused. */
import { type Code, codeOf } from '@countersign/device-sdk';
import type { Value } from '@countersign/device-sdk/format';
import type { ExecutionContext } from 'ava';
import { previousOf, tx, type World } from '../ledger-world.ts';
import type { Engine } from './engine.ts';

export type Person = World['people'][string];

export async function worldOf(t: ExecutionContext, engine: Engine): Promise<World & { alice: Person; bob: Person }> {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  return Object.assign(world, { alice: world.people.alice!, bob: world.people.bob! });
}

/** One way to be refused, and with which code. */
export type Row = [why: string, code: Code, submitted: () => Promise<unknown>];

/** Tries every row; each must be refused with its code, and the head must stand where it stood. */
export async function refuses(t: ExecutionContext, world: World, rows: Row[]): Promise<void> {
  const { size } = (await world.ledger.head()).head;
  for (const [why, code, submitted] of rows) {
    const error = await t.throwsAsync(submitted(), undefined, why);
    t.is(codeOf(error), code, `${why}: ${error?.message}`);
  }
  t.is((await world.ledger.head()).head.size, size);
}

/** {@link refuses} for statements that are made already. */
export function refusesStatements(
  t: ExecutionContext,
  world: World,
  rows: [why: string, code: Code, statement: Promise<Uint8Array> | Uint8Array][],
): Promise<void> {
  const submitted = rows.map(([why, code, statement]): Row => {
    return [why, code, async () => world.ledger.submit(await statement)];
  });
  return refuses(t, world, submitted);
}

export async function actOn(
  world: World,
  signer: Person,
  action: string,
  object: Uint8Array,
  args?: Value,
): Promise<Uint8Array> {
  return tx(signer, {
    action,
    object,
    previous: await previousOf(world, object),
    ...(args === undefined ? {} : { args }),
  });
}

export function flippedEnd(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  copy[copy.length - 40]! ^= 1;
  return copy;
}
