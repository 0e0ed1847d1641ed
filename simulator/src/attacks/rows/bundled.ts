/** A bundle that somebody carries to a device which reaches nobody: what it says of issued keys is true, or taken by no device. */
import { join } from 'node:path';
import type { Code } from '@countersign/device-sdk';
import { FRAMES, REFUSED, type TrustRoot, thumbprint } from '@countersign/device-sdk/format';
import { BundleFile } from '@countersign/device-sdk/host/bundle/file';
import type { BundleHead } from '@countersign/device-sdk/host/bundle/format';
import type { BundledIssue } from '@countersign/device-sdk/host/bundle/issued';
import type { Ground, Variant } from '../attack.ts';
import { C1, type Issued, issuance, issueEntry, issueTo, newCentre } from '../centre.ts';
import { pocketBundle, writeBundle } from '../pocket/bundle.ts';
import { verifier } from '../pocket/publisher.ts';
import { inclusionPath, leavesOf } from '../pocket/tree.ts';
import { found } from '../scene.ts';
import { type Trial, under } from './centre.ts';

const { sha256 } = verifier;

type Change = (s: Trial, head: BundleHead) => Partial<BundleHead> | Promise<Partial<BundleHead>>;

/** Everything but frames comes from the bundle, and where that has no answer there is none. */
async function carried(ground: Ground, s: Trial, change: Change): Promise<void> {
  const head = await pocketBundle(s.server, s.first.leafIndex + 1);
  const path = join(await ground.folder(), 'bundle');
  writeBundle(path, { ...head, ...(await change(s, head)) }, (payload) => s.server.frames(payload));
  const file = new BundleFile(path, sha256);
  ground.after(() => file.close());
  s.victim.lie = (answer, request) => {
    if (request.kind === FRAMES) return answer;
    const { id } = answer;
    return file.answer(request) ?? { id, kind: REFUSED, code: 'UNREACHABLE', retrySeconds: 60 };
  };
  await s.victim.hear(file.head.announcement);
  await s.victim.pass(20_000);
}

function bundled(how: string, expect: Code, change: Change, root?: (s: { centre: Uint8Array }) => Partial<TrustRoot>) {
  return {
    how,
    expect,
    async run(ground: Ground) {
      const { c1, d1, centre } = await issuance();
      const rooted = root?.({ centre: thumbprint(sha256, centre.publicKey) });
      const s = await under(ground, [c1, d1], rooted && { root: rooted });
      await carried(ground, s, change);
      return found(s);
    },
  } satisfies Variant;
}

/** Another entry of this log where the first signer's should be, with a proof that holds. */
async function logged(s: Trial, { issued = [] }: BundleHead, other: Issued): Promise<Partial<BundleHead>> {
  const entry = await issueEntry(s.server, other);
  const known = s.server.entries.findIndex((item) => Buffer.compare(item, entry) === 0);
  const leafIndex = known < 0 ? s.server.entries.push(entry) - 1 : known;
  const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), leafIndex);
  const { issued: proofs, ...head } = await pocketBundle(s.server, s.first.leafIndex + 1);
  const [first, second] = [issued[0]!, proofs![1]!];
  return { ...head, issued: [{ thumbprint: first.thumbprint, entry, leafIndex, path }, second] };
}

const first = (change: (item: BundledIssue) => Partial<BundledIssue>): Change => {
  return (_, { issued }) => ({ issued: [{ ...issued![0]!, ...change(issued![0]!) }, issued![1]!] });
};

/** Row 30: nothing of a bundle shows that the signers' keys are on the record. */
export const bundledRows: Variant[] = [
  bundled('carries a bundle without the issued keys', 'UNREACHABLE', () => ({ issued: undefined })),
  bundled(
    'carries a bundle with an issued key and no receipt for it',
    'NO_RECEIPT',
    first(() => ({ path: [] })),
  ),
  bundled(
    'carries a bundle with an issued key from an older tree',
    'NO_RECEIPT',
    first(({ path }) => ({ path: path.slice(0, -1) })),
  ),
  bundled('carries a bundle with the issued key of the other role', 'NO_RECEIPT', (s, head) => logged(s, head, s.d1)),
  bundled('carries a bundle with an issued key of another epoch', 'NO_RECEIPT', async (s, head) =>
    logged(s, head, await issueTo(s.centre, { ...C1, epoch: 2 })),
  ),
  bundled('carries a bundle with an issued key of another centre', 'NO_RECEIPT', async (s, head) =>
    logged(s, head, await issueTo(newCentre(), C1)),
  ),
];

/** Row 32: a stolen centre and a stolen log put a key on the record where the centre issues no more. */
export const revokedCentreRow: Variant = bundled(
  'carries a bundle with a key that was issued after its centre’s revocation',
  'REVOKED',
  () => ({}),
  ({ centre }) => ({ revocations: [{ thumbprint: centre, logSize: 3 }] }),
);
