/** Rows 31 and 44 before a trust root is logged: the draft that travels between its signers, and what it is planned from. */
import { planNextRoot, type RootChange } from '@countersign/broker/keys/next-root';
import {
  DRAFT_CHARS_MAX,
  draftText,
  finishedRoot,
  type RootDraft,
  readDraft,
  signDraft,
} from '@countersign/broker/keys/root-draft';
import type { Code } from '@countersign/device-sdk';
import { publicKeyOf, readSignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { C1, issueTo, newCentre } from '../centre.ts';
import { newSigner, sha256, verifier, type World } from '../server/ledger-world.ts';
import { inWorld } from '../server/try.ts';

function draftOf({ rootBytes }: World, change: Partial<TrustRoot> = {}): RootDraft {
  const { root } = readSignedRoot(sha256, rootBytes);
  return {
    current: rootBytes,
    next: { ...planNextRoot(verifier, root, { headAgeMax: 90 }), ...change },
    signatures: [],
  };
}

/** A draft on its way, changed; whoever is to sign it reads it. */
function sent(how: string, expect: Code, change: (text: string) => string, next: Partial<TrustRoot> = {}): Variant {
  return inWorld(how, expect, async (world) => {
    const text = change(draftText(draftOf(world, next)));
    return () => readDraft(verifier, text);
  });
}

/** One member of the file exchanged. */
function member(name: string, value: unknown): (text: string) => string {
  return (text) => JSON.stringify({ ...JSON.parse(text), [name]: value });
}

export const draftRows: Variant[] = [
  sent('sends a draft of a trust root that has no end', 'TOO_LARGE', (text) => text + ' '.repeat(DRAFT_CHARS_MAX)),
  sent('sends something else than a draft of a trust root', 'MALFORMED', () => 'sign here'),
  sent('sends a draft of a trust root in another format', 'MALFORMED', member('format', 'countersign-root-draft-2')),
  sent('sends a draft without a list of signatures', 'MALFORMED', member('signatures', {})),
  sent('sends a draft whose signature is in no hex', 'MALFORMED', member('signatures', ['zz'])),
  sent('sends a draft of a trust root that leaves a version out', 'BAD_ROOT', (text) => text, { version: 3 }),
  sent('sends a draft of another ledger’s trust root', 'BAD_ROOT', (text) => text, { origin: 'ledger.test/two' }),
  inWorld('signs a draft of a trust root with a key that no version names', 'NOT_PERMITTED', async (world) => {
    const draft = draftOf(world);
    return () => signDraft(verifier, draft, newSigner());
  }),
  inWorld('finishes a draft of a trust root that nobody has signed', 'BAD_ROOT', async (world) => {
    const draft = draftOf(world);
    return () => finishedRoot(verifier, draft);
  }),
];

/** What an operator is given to put into the next trust root. */
function planned(
  how: string,
  expect: Code,
  change: (world: World) => Promise<{ before?: RootChange; change: RootChange }>,
): Variant {
  return inWorld(how, expect, async (world) => {
    const { root } = readSignedRoot(sha256, world.rootBytes);
    const { before, change: asked } = await change(world);
    const current = before ? planNextRoot(verifier, root, before) : root;
    return () => planNextRoot(verifier, current, asked);
  });
}

async function issued() {
  const centre = newCentre();
  const { key } = await issueTo(centre, C1);
  return { centres: [centre.publicKey], keys: [key] };
}

export const plannedRows: Variant[] = [
  planned(
    'has a key revoked that the trust root does not name, so that the stolen one stays',
    'NOT_FOUND',
    async () => ({
      change: { revoke: [{ kid: 'ff'.repeat(8), logSize: 1 }] },
    }),
  ),
  planned('has a listed key listed again under another role', 'EXISTS', async ({ keys }) => ({
    change: { add: [{ role: 'command', key: publicKeyOf(keys.service) }] },
  })),
  planned('has an issued key listed twice', 'EXISTS', async () => {
    const { centres, keys } = await issued();
    return { before: { centres, issued: keys }, change: { issued: keys } };
  }),
  planned('has a key generation centre pinned twice', 'EXISTS', async () => {
    const { centres } = await issued();
    return { before: { centres }, change: { centres } };
  }),
  planned('has a key listed that a foreign centre has issued', 'UNKNOWN_KEY', async () => ({
    change: { issued: (await issued()).keys },
  })),
];
