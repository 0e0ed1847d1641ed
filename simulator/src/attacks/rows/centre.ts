/** A key generation centre against devices: alone, with a thief, with the server that hands its points on. */
import type { Code } from '@countersign/device-sdk';
import { type Answer, hex, ISSUED, implicitThumbprint, ROOTS, type Signer } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import type { Variant } from '../attack.ts';
import {
  C1,
  D1,
  forgedSigner,
  type Issuance,
  type Issued,
  implicitRoot,
  issuance,
  issueEntry,
  issueTo,
  shows,
} from '../centre.ts';
import { PocketServer, verifier } from '../pocket/publisher.ts';
import { changed, found, makeScene, recovers, type Scene, type SceneOptions } from '../scene.ts';

const { sha256 } = verifier;

export type Trial = Scene & Issuance;

/** @param logged what is on the record before the first release */
export async function under(
  ground: Parameters<typeof makeScene>[0],
  logged: readonly Issued[],
  options: SceneOptions = {},
) {
  const issued = await issuance();
  const begins = (server: PocketServer) => recorded(server, issued, logged);
  return {
    ...(await makeScene(ground, { ...options, root: { ...implicitRoot(issued), ...options.root }, begins })),
    ...issued,
  };
}

/** Both signers have issued keys, and these are on the record. */
export async function recorded(server: PocketServer, { c1, d1 }: Issuance, logged: readonly Issued[]): Promise<void> {
  Object.assign(server.signers, { collection: c1.signer, distribution: d1.signer });
  for (const item of logged) {
    const entry = await issueEntry(server, item);
    server.log(entry);
    shows(server, item, entry);
  }
}

/** Both signers have issued keys, on the record; the device hears what the centre's keeper makes of that. */
function centre(
  how: string,
  expect: Code | 'held',
  make: (s: Trial) => Promise<Uint8Array>,
  record: (issued: Issuance) => readonly Issued[] = ({ c1, d1 }) => [c1, d1],
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await under(ground, record(await issuance()));
      await s.victim.hear(await make(s));
      await s.victim.pass(20_000);
      return found(s);
    },
  };
}

/** Release 3 as these sign it: logged, current, opened. */
async function released(s: Trial, signers: { collection?: Signer; distribution?: Signer }): Promise<Uint8Array> {
  const options = { bases: [s.first], previousLeaf: s.first.releaseLeaf, change: { sequence: 2 }, signers };
  await s.server.publish(changed(s.second.image, 7), options);
  return s.server.announcement();
}

async function onRecord({ server }: Scene, issued: Issued): Promise<Issued> {
  const entry = await issueEntry(server, issued);
  server.log(entry);
  shows(server, issued, entry);
  return issued;
}

/** Row 3: what the thief of the centre's key can sign. */
export const centreRows: Variant[] = [
  ...([C1, D1] as const).flatMap(({ role, ...identity }) => [
    centre(`is the key generation centre and makes a second ${role} key for itself`, 'UNKNOWN_KEY', async (s) => {
      const own = await issueTo(s.centre, { role, ...identity });
      return released(s, { [role]: own.signer });
    }),
    centre(`is the centre, and has its second ${role} key on the record`, 'UNKNOWN_KEY', async (s) => {
      const own = await onRecord(s, await issueTo(s.centre, { role, ...identity }));
      return released(s, { [role]: own.signer });
    }),
    centre(`is the centre and forges the private ${role} key from the share it issued`, 'BAD_SIGNATURE', async (s) =>
      released(s, { [role]: forgedSigner(s.centre, role === 'collection' ? s.c1 : s.d1) }),
    ),
  ]),
  centre('signs block 1 with the centre’s own key', 'UNKNOWN_KEY', (s) =>
    released(s, { collection: ownSigner(s.centre) }),
  ),
  centre('has the issued C and the centre', 'UNKNOWN_KEY', async (s) =>
    released(s, { distribution: (await issueTo(s.centre, { ...D1, epoch: 2 })).signer }),
  ),
  centre('has the issued D and the centre', 'UNKNOWN_KEY', async (s) =>
    released(s, { collection: (await issueTo(s.centre, { ...C1, epoch: 2 })).signer }),
  ),
  centre('signs both blocks with the issued C', 'WRONG_ROLE', async (s) => released(s, { distribution: s.c1.signer })),
  {
    how: 'is the centre, and brings a second point to stop the key in use',
    expect: 'held',
    async run(ground) {
      const { c1, d1 } = await issuance();
      const s = await under(ground, [c1, d1]);
      await onRecord(s, await issueTo(s.centre, C1));
      await s.server.publish(changed(s.second.image, 7), { bases: [s.second] });
      return { harm: await recovers(s, 3), codes: s.victim.codes };
    },
  },
];

function ownSigner({ pair }: Issuance['centre']): Signer {
  // The requester's part is nothing: the private key is the centre's alone.
  return nodeKeyStore(pair.alg, pair.secret);
}

/** Row 30: keys that root keys list and the ledger has not seen. */
export const unissuedRows: Variant[] = [
  centre(
    'signs with keys that were issued in secret',
    'NOT_FOUND',
    (s) => s.server.announcement(),
    () => [],
  ),
  centre(
    'signs block 1 with a key that is not on the record',
    'NOT_FOUND',
    (s) => s.server.announcement(),
    ({ d1 }) => [d1],
  ),
  centre(
    'signs block 2 with a key that is not on the record',
    'NOT_FOUND',
    (s) => s.server.announcement(),
    ({ c1 }) => [c1],
  ),
  centre(
    'shows the entry of the other signer’s key',
    'NO_RECEIPT',
    async (s) => {
      shows(s.server, s.c1, s.server.issues.get(hex(implicitThumbprint(sha256, s.d1.key)))!);
      return s.server.announcement();
    },
    ({ d1 }) => [d1],
  ),
  answered('answers the question for an issued key with another answer', 'LINK_LOST', (answer) => ({
    ...{ id: answer.id, kind: ROOTS, roots: [] },
  })),
  answered('answers it with an entry of more than a kilobyte', 'TOO_LARGE', (answer) => ({
    ...answer,
    entry: new Uint8Array(1_100),
  })),
  centre('turns a bit of the receipt of an issued key', 'NO_RECEIPT', async (s) => {
    s.victim.lie = (answer) =>
      answer.kind === ISSUED ? { ...answer, receipt: answer.receipt.with(-1, answer.receipt.at(-1)! ^ 1) } : answer;
    return s.server.announcement();
  }),
];

/** The distribution server says something else where it is asked for an issued key. */
function answered(
  how: string,
  expect: Code,
  lie: (answer: Extract<Answer, { kind: typeof ISSUED }>) => Answer,
): Variant {
  return centre(how, expect, async (s) => {
    s.victim.lie = (answer) => (answer.kind === ISSUED ? lie(answer) : answer);
    return s.server.announcement();
  });
}

/** Row 28: the key is on the record of another history, which the victim alone is shown. */
export const issuedElsewhere: Variant = centre('shows an issued key in another history', 'SPLIT_VIEW', async (s) => {
  const other = await PocketServer.create('M');
  for (const entry of s.server.entries.slice(3)) other.log(entry);
  other.entries[0] = Uint8Array.of(1);
  for (const [print, entry] of s.server.issues) other.issues.set(print, entry);
  s.victim.lie = (answer, request) =>
    answer.kind === ISSUED && request.kind === ISSUED ? other.issued(answer.id, request.thumbprint) : answer;
  return s.server.announcement();
});
