/** Trust roots on every engine: the next one is an entry, and what is signed under it counts. */
import { planNextRoot, type RootChange } from '@countersign/broker/keys/next-root';
import { readSignedRoot, type Signer, type TrustRoot } from '@countersign/device-sdk/format';
import { signedRoot } from '@countersign/simulator/attacks/server/next-roots';
import { addProduct, newSigner, publish, sha256, verifier } from '../ledger-world.ts';
import { refuses } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const ROOT_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  ROOT_RULES.push([title, run]);
}

rule('a next trust root is an entry, signed on the thresholds of both, one after the other', async (t, engine) => {
  const world = await engine.newWorld();
  t.teardown(() => world.end());
  const { root: first } = readSignedRoot(sha256, world.rootBytes);
  const signed = (root: TrustRoot, by: Signer = world.keys.root) => signedRoot(root, [by]);
  const next = (root: TrustRoot, change: RootChange = { headAgeMax: 4_000 }) => planNextRoot(verifier, root, change);
  const second = next(first);
  const bytes = await signed(second);
  await refuses(t, world, [
    ['a stranger', 'BAD_ROOT', async () => world.ledger.submit(await signed(second, newSigner()))],
    ['the third before the second', 'BAD_ROOT', async () => world.ledger.submit(await signed(next(second)))],
    ['the first again', 'DUPLICATE', () => world.ledger.submit(world.rootBytes)],
  ]);
  await world.ledger.submit(bytes);
  await refuses(t, world, [['the same again', 'DUPLICATE', () => world.ledger.submit(bytes)]]);
  t.deepEqual(await world.ledger.roots(2), [bytes]);
  await addProduct(world);
  t.truthy(await world.ledger.receipt((await publish(world, 1)).leaf));
  t.is((await world.ledger.head()).head.rootVersion, 2);
});
