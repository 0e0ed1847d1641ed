/** Row 31 at the ledger's door: the next trust root names another root key, and one of the two sides has not signed. */
import { planNextRoot, rotation } from '@countersign/broker/keys/next-root';
import { publicKeyOf, type Signer } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { newSigner, verifier, type World } from '../server/ledger-world.ts';
import { currentRoot, nextRoot, signedRoot } from '../server/next-roots.ts';
import { codeFrom } from '../server/try.ts';
import { beside } from '../server/try-beside.ts';

export const halfSignedRows: Variant[] = [
  half('logs the next trust root with the old root keys alone', ({ root }) => [root]),
  half('logs the next trust root with the old root key and keys of other roles', ({ root, log, service }) => [
    root,
    log,
    service,
  ]),
  half('logs the next trust root with a signature of the new key in which a bit is turned', ({ root }, next) => [
    root,
    { ...next, sign: async (message) => flipped(await next.sign(message), 9) },
  ]),
  beside('logs a trust root after one that only its old keys have signed', 'BAD_ROOT', async (world) => {
    const { next, change } = await exchange(world);
    const halfway = planNextRoot(verifier, await currentRoot(world), change);
    await codeFrom(world.ledger.submit(await nextRoot(world, change)));
    const after = await signedRoot(planNextRoot(verifier, halfway, {}), [next]);
    const whole = await nextRoot(world, change, [world.keys.root, next]);
    return { forged: () => world.ledger.submit(after), honest: () => world.ledger.submit(whole) };
  }),
];

function half(how: string, signers: (keys: World['keys'], next: Signer) => readonly Signer[]): Variant {
  return beside(how, 'BAD_ROOT', async (world) => {
    const { next, change } = await exchange(world);
    const bytes = await nextRoot(world, change, signers(world.keys, next));
    const whole = await nextRoot(world, change, [world.keys.root, next]);
    return { forged: () => world.ledger.submit(bytes), honest: () => world.ledger.submit(whole) };
  });
}

async function exchange(world: World) {
  const next = newSigner();
  return { next, change: rotation(verifier, await currentRoot(world), 'root', [publicKeyOf(next)], 1) };
}
