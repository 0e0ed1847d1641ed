/** Servers change to the keys that a new trust root names, without a restart. */
import { codeOf, type Verifier } from '@countersign/device-sdk';
import { readSignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import { nextRoot, openRoot } from '@countersign/device-sdk/verify';
import type { Log } from '../../distribution/ports.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { isRoot } from '../../ledger/contract/entry.ts';
import { serial } from '../../ledger/serial.ts';
import type { Closers } from './parts.ts';
import { text } from './text.ts';

/** @throws Refusal BAD_STORE for a damaged key file */
export async function adoptKeys(ring: KeyRing, root: TrustRoot, log: Log): Promise<void> {
  const without = await ring.adopt(root);
  if (without.length === 0) return;
  const roles = without.join(', ');
  log.error(
    { roles, root: root.version },
    'the trust root names no key of this server for these roles: its work is void',
  );
}

/**
 * Follows the trust roots from the pinned one, each on the thresholds of both, for a server that looks at no head
 * itself. What the ledger says meanwhile is a hint; a root that does not hold changes nothing.
 * @throws Refusal BAD_ROOT, BAD_KEY for a ledger that is not of the pinned root; UNREACHABLE
 */
export async function followKeys(
  {
    ledger,
    ring,
    pinned,
    verifier,
    log,
  }: {
    ledger: LedgerClient;
    ring: KeyRing;
    pinned: Uint8Array;
    verifier: Verifier;
    log: Log;
  },
  closers: Closers,
): Promise<void> {
  let { root } = openRoot(verifier, pinned);
  const inOrder = serial();
  const following = ledger.follow(
    await caughtUp(),
    async ({ bytes }) => {
      if (isRoot(bytes) && readSignedRoot(verifier.sha256, bytes).root.version > root.version)
        await inOrder(catchUp).catch((error) => log.error(text(error), 'a new trust root is not followed'));
    },
    (error) => log.error(text(error), 'trust roots are no longer followed until this server starts anew'),
  );
  closers.add(() => following.stop());

  /** @returns where to follow on. A ledger that is not there yet is read from its beginning, when it is. */
  async function caughtUp(): Promise<number> {
    try {
      const { size } = (await ledger.head()).head;
      await inOrder(catchUp);
      return size;
    } catch (error) {
      if (codeOf(error) !== 'UNREACHABLE' && codeOf(error) !== 'NO_QUORUM') throw error;
      return 0;
    }
  }

  async function catchUp(): Promise<void> {
    for (const bytes of await ledger.roots(root.version + 1)) ({ root } = nextRoot(verifier, root, bytes));
    await adoptKeys(ring, root, log);
  }
}
