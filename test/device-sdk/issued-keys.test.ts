/** A device under implicit keys: what it takes from the distribution server, and what a dishonest centre achieves. */
import { type Code, codeOf } from '@countersign/device-sdk';
import { ecqvKeys } from '@countersign/device-sdk/crypto/ecqv';
import { nobleVerifier } from '@countersign/device-sdk/crypto/noble';
import {
  type Answer,
  hex,
  type ImplicitKey,
  ISSUED,
  implicitKeysValue,
  implicitThumbprint,
  signStatement,
  type TrustRoot,
  transactionValue,
} from '@countersign/device-sdk/format';
import { openRoot } from '@countersign/device-sdk/verify';
import { changed, image } from '@countersign/simulator/attacks/scene';
import test from 'ava';
import { type Issued, issueTo, newCentre } from '../support/kgc.ts';
import { PocketServer, signRoot, verifier } from '../support/pocket.ts';
import { PocketDevice } from '../support/pocket-device.ts';

const { sha256 } = verifier;
const C1 = { role: 'collection', name: 'c1', epoch: 1 } as const;
const D1 = { role: 'distribution', name: 'd1', epoch: 1 } as const;
const CENTRE = newCentre();
const [c1, d1] = [await issueTo(CENTRE, C1), await issueTo(CENTRE, D1)];

/** The root of a pocket server with the two keys and no others in the roles of the signers. */
function implicitRoot(change: { keys?: ImplicitKey[]; prints?: Uint8Array[]; centres?: (typeof CENTRE)[] } = {}) {
  const { root } = new PocketServer();
  const { keys = [c1.key, d1.key], centres = [CENTRE] } = change;
  const prints = change.prints ?? [c1.key, d1.key].map((key) => implicitThumbprint(sha256, key));
  const listing = (print: Uint8Array) => ({ threshold: 1, keys: [], implicit: [print] });
  const roles = { ...root.roles, collection: listing(prints[0]!), distribution: listing(prints[1]!) };
  const implicit = implicitKeysValue({ centres: centres.map(({ publicKey }) => publicKey), keys });
  return { ...root, roles, implicit } satisfies TrustRoot;
}

async function entryOf(server: PocketServer, { object, args }: Issued): Promise<Uint8Array> {
  const tx = { channel: server.origin, action: 'issueKey', object, previous: new Uint8Array(32), args };
  return signStatement(sha256, 'tx', transactionValue(tx), server.signers.service);
}

/** A device that runs the first release while the second one is announced. */
async function scene(change: { inLog?: Issued[]; shown?: [Issued, Issued][] } = {}) {
  const {
    inLog = [c1, d1],
    shown = [
      [c1, c1],
      [d1, d1],
    ],
  } = change;
  const root = implicitRoot();
  const server = await PocketServer.create('M', { roles: root.roles, implicit: root.implicit });
  Object.assign(server.signers, { collection: c1.signer, distribution: d1.signer });
  const entries = new Map<Issued, Uint8Array>();
  for (const issued of new Set([...inLog, ...shown.map(([, of]) => of)]))
    entries.set(issued, await entryOf(server, issued));
  for (const issued of inLog) server.log(entries.get(issued)!);
  for (const [asked, given] of shown)
    server.issues.set(hex(implicitThumbprint(sha256, asked.key)), entries.get(given)!);
  const first = await server.publish(image(1));
  const device = new PocketDevice(server, first);
  return { server, first, device };
}

async function update({ server, first, device }: Awaited<ReturnType<typeof scene>>): Promise<(Code | 'restart')[]> {
  await server.publish(changed(first.image, 9), { bases: [first] });
  await device.start();
  return device.events.flatMap((event) => {
    if (event.kind === 'refused') return [event.code];
    return event.kind === 'restart' ? ['restart' as const] : [];
  });
}

test('a release of implicit keys is taken when both keys are on the record', async (t) => {
  const made = await scene();
  t.deepEqual(await update(made), ['restart']);
});

const LIES: [why: string, code: Code, change: Parameters<typeof scene>[0]][] = [
  ['neither key is on the record', 'NOT_FOUND', { inLog: [] }],
  ['the first signer has a key that is not on the record', 'NOT_FOUND', { inLog: [d1] }],
  ['the second signer has a key that is not on the record', 'NOT_FOUND', { inLog: [c1] }],
  [
    "another key's entry is shown",
    'NO_RECEIPT',
    {
      shown: [
        [c1, d1],
        [d1, d1],
      ],
    },
  ],
];
for (const [why, code, change] of LIES) {
  test(`a release is not taken where ${why}`, async (t) => {
    const codes = await update(await scene(change));
    t.true(codes.length > 0 && codes.every((each) => each === code), codes.join());
  });
}

test('an entry of another history is a split view, and one under a head that nobody signed no receipt', async (t) => {
  const answers: [code: Code, change: (server: PocketServer, answer: Answer) => Promise<Answer>][] = [
    [
      'SPLIT_VIEW',
      async (server, answer) => {
        const other = await PocketServer.create('M');
        for (const entry of server.entries.slice(3)) other.log(entry);
        other.entries[0] = new Uint8Array([1]);
        for (const [print, entry] of server.issues) other.issues.set(print, entry);
        return other.issued(answer.id, implicitThumbprint(sha256, c1.key));
      },
    ],
    [
      'NO_RECEIPT',
      async (_server, answer) => {
        if (answer.kind !== ISSUED) return answer;
        return { ...answer, receipt: answer.receipt.with(-1, answer.receipt.at(-1)! ^ 1) };
      },
    ],
  ];
  for (const [code, change] of answers) {
    const made = await scene();
    const { server } = made;
    const honest = server.issued.bind(server);
    server.issued = async (id, print) => change(server, await honest(id, print));
    const codes = await update(made);
    t.true(codes.length > 0 && codes.every((each) => each === code), codes.join());
  }
});

test('a centre alone becomes neither signer: what it derives is not listed', async (t) => {
  for (const identity of [C1, D1]) {
    const made = await scene();
    // It has d_CA: a second point for the same identity, whose private key it knows, even put on the record.
    const own = await issueTo(CENTRE, identity);
    const entry = await entryOf(made.server, own);
    made.server.log(entry);
    made.server.issues.set(hex(implicitThumbprint(sha256, own.key)), entry);
    await made.server.publish(changed(made.first.image, 9), {
      bases: [made.first],
      signers: { [identity.role]: own.signer },
    });
    await made.device.start();
    const codes = made.device.events.flatMap((event) => (event.kind === 'refused' ? [event.code] : []));
    t.true(codes.length > 0 && codes.every((code) => code === 'UNKNOWN_KEY'), codes.join());
  }
});

test('a trust root whose points are not the listed ones, or not under the pinned centre, is none', async (t) => {
  const other = newCentre();
  const forged = await issueTo(other, C1);
  const epoch = await issueTo(CENTRE, { ...C1, epoch: 2 });
  const rows: [why: string, code: Code | 'accepted', change: Parameters<typeof implicitRoot>[0]][] = [
    ['as it is', 'accepted', {}],
    ['a replaced point', 'BAD_ROOT', { keys: [{ ...c1.key, point: epoch.key.point }, d1.key] }],
    ['another epoch', 'BAD_ROOT', { keys: [epoch.key, d1.key] }],
    ['a point of a centre that is not pinned', 'BAD_ROOT', { keys: [forged.key, d1.key] }],
    ['another centre pinned', 'BAD_ROOT', { centres: [other] }],
    ['no centre', 'BAD_ROOT', { centres: [] }],
    ['one centre twice', 'BAD_ROOT', { centres: [CENTRE, CENTRE] }],
    ['roles exchanged', 'BAD_ROOT', { keys: [d1.key, c1.key] }],
    ['one missing', 'BAD_ROOT', { keys: [c1.key] }],
    ['one too many', 'BAD_ROOT', { keys: [c1.key, d1.key, epoch.key] }],
    ['a listed point off the curve', 'BAD_KEY', offCurve()],
  ];
  for (const [why, code, change] of rows) {
    const root = implicitRoot(change);
    t.is(await codeOfRoot(root), code, why);
  }
  const { implicit: _, ...listed } = implicitRoot();
  t.is(await codeOfRoot(listed), 'accepted', 'thumbprints alone: a root of before');
  const centreSigns = implicitRoot();
  centreSigns.roles.command = { threshold: 1, keys: [CENTRE.publicKey], implicit: [] };
  t.is(await codeOfRoot(centreSigns), 'BAD_ROOT', 'the key of a centre as a signer');
  t.is(await codeOfRoot(implicitRoot(), nobleVerifier()), 'UNSUPPORTED', 'a build without the part');
  t.is(await codeOfRoot(implicitRoot(), nobleVerifier({ implicit: ecqvKeys(sha256) })), 'accepted');

  function offCurve() {
    const key = { ...c1.key, point: new Uint8Array(33).fill(2, 0, 1).fill(4, 32) };
    return { keys: [key, d1.key], prints: [key, d1.key].map((it) => implicitThumbprint(sha256, it)) };
  }
});

async function codeOfRoot(root: TrustRoot, by = verifier): Promise<Code | 'accepted'> {
  const { signers } = new PocketServer();
  const bytes = await signRoot(root, [signers.root]);
  try {
    openRoot(by, bytes);
    return 'accepted';
  } catch (error) {
    return codeOf(error);
  }
}
