/** The next trust root from plan to submission: the difference that people read, signatures from several machines, key rings. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiClient } from '@countersign/broker/face/client/api-client';
import { askUses, ENTRIES_LOOKED_AT, sourceOf } from '@countersign/broker/face/client/key-uses';
import { rootFrom } from '@countersign/broker/face/client/roots';
import type { Session } from '@countersign/broker/face/client/session';
import {
  planNextRoot,
  type RootChange,
  rotation,
  signedRootOf,
  signRootPayload,
} from '@countersign/broker/keys/next-root';
import { openKeyRing } from '@countersign/broker/keys/ring';
import { authorRoot } from '@countersign/broker/keys/root';
import { rootDifference } from '@countersign/broker/keys/root-diff';
import {
  draftText,
  finishedRoot,
  mergeSignatures,
  missing,
  readDraft,
  signDraft,
} from '@countersign/broker/keys/root-draft';
import { codeOf, Refusal } from '@countersign/device-sdk';
import {
  encodeReceipt,
  encodeRoot,
  encodeSignedRoot,
  hex,
  kidOf,
  publicKeyOf,
  ROLES,
  type Role,
  readHead,
  readRootPayload,
  readSignedRoot,
  type SignedRoot,
  type Signer,
  signHead,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { createKey } from '@countersign/device-sdk/host/key-file';
import { openRoot } from '@countersign/device-sdk/verify';
import test from 'ava';
import { type Answer, temporary } from '../support/command.ts';
import { runHereJson as runJson } from '../support/command-here.ts';
import { issueTo, newCentre } from '../support/kgc.ts';
import { newSigner, sha256, verifier } from './ledger-world.ts';

const kid = (signer: Signer) => hex(kidOf(sha256, publicKeyOf(signer)));

async function firstRoot(rootKeys: Signer[], threshold: number) {
  const keys = Object.fromEntries(ROLES.map((role) => [role, [newSigner()]])) as Record<Role, Signer[]>;
  const all = { ...keys, root: rootKeys, peer: [] };
  const listed = Object.fromEntries(ROLES.map((role) => [role, all[role].map(publicKeyOf)]));
  const bytes = await authorRoot(sha256, { origin: 'o', keys: listed, thresholds: { root: threshold } }, rootKeys);
  return { bytes, root: openRoot(verifier, bytes).root, keys };
}

test('a centre and the keys that it issued come, are revoked, and leave, and each line says which', async (t) => {
  const { root: first } = await firstRoot([newSigner()], 1);
  const [centre, other] = [newCentre(), newCentre()];
  const c1 = await issueTo(centre, { role: 'collection', name: 'one', epoch: 1 });
  const d1 = await issueTo(other, { role: 'distribution', name: 'one', epoch: 1 });
  const next = (root: TrustRoot, change: RootChange) => {
    const plan = planNextRoot(verifier, root, change);
    return { plan: readRootPayload(sha256, encodeRoot(plan)), lines: rootDifference(sha256, root, plan) };
  };
  const kids = [c1, d1].map(({ signer }) => kid(signer));
  const centreKids = [centre, other].map(({ publicKey }) => hex(kidOf(sha256, publicKey)));
  const both = { centres: [centre.publicKey, other.publicKey], issued: [d1.key, c1.key] };
  const named = next(first, both);
  t.deepEqual(named.lines, [
    ...centreKids.map((item) => `+ key generation centre ${item}`),
    `+ collection one, epoch 1, ${kids[0]}`,
    `+ distribution one, epoch 1, ${kids[1]}`,
  ]);
  const at = { logSize: 9 };
  const revoked = next(named.plan, { revoke: [kids[0]!, centreKids[0]!].map((item) => ({ kid: item, ...at })) });
  const from = 'revoked: its work counts before leaf 9 alone';
  t.deepEqual([...revoked.lines].sort(), [
    `x collection one, epoch 1, ${kids[0]} ${from}`,
    `x key generation centre ${centreKids[0]} ${from}`,
  ]);
  t.true(rotation(verifier, named.plan, 'distribution', [], 9).remove!.includes(kids[1]!));
  const gone = next(revoked.plan, { remove: [kids[0]!, centreKids[0]!] });
  t.deepEqual(gone.plan.revocations, [], 'what is not listed is not revoked either');
  t.is(next(gone.plan, { remove: [kids[1]!, centreKids[1]!] }).plan.implicit, undefined);
  const rows: [code: string, change: RootChange][] = [
    ['UNKNOWN_KEY', { remove: [centreKids[0]!] }],
    ['EXISTS', { issued: [c1.key] }],
    ['EXISTS', { centres: [centre.publicKey] }],
    ['NOT_FOUND', { remove: [kid(newSigner())] }],
  ];
  for (const [code, change] of rows) t.is(codeOf(t.throws(() => next(named.plan, change))), code as never);
  t.is(codeOf(t.throws(() => next(first, { issued: [c1.key] }))), 'UNKNOWN_KEY');
});

test('a draft is signed by two people on machines of their own, and finished when both versions are content', async (t) => {
  const [ada, ben, cleo, next] = [newSigner(), newSigner(), newSigner(), newSigner()];
  const { bytes, root, keys } = await firstRoot([ada, ben, cleo], 2);
  const fresh = newSigner();
  const change = {
    ...rotation(verifier, root, 'distribution', [publicKeyOf(fresh)], 40, true),
    thresholds: { root: 2 },
    floors: [{ classId: new Uint8Array(16).fill(7), floor: 3 }],
    headAgeMax: 60,
  };
  const plan = planNextRoot(verifier, root, {
    ...change,
    add: [...change.add!, { role: 'root', key: publicKeyOf(next) }],
    remove: [kid(cleo)],
  });
  t.deepEqual(rootDifference(sha256, root, plan), [
    `+ distribution ${kid(fresh)}`,
    `x distribution ${kid(keys.distribution[0]!)} revoked: its work counts before leaf 40 alone`,
    `+ root ${kid(next)}`,
    `- root ${kid(cleo)}, with all its work`,
    'heads are valid for 60 s, were 86400 s',
    `~ class ${'07'.repeat(16)}: nothing below sequence 3 is installed`,
  ]);
  t.deepEqual(rootDifference(sha256, root, planNextRoot(verifier, root, {})), []);
  const blank = readDraft(verifier, draftText({ current: bytes, next: plan, signatures: [] }));
  t.deepEqual(
    missing(verifier, blank).map((item) => item.missing),
    [2, 2],
  );
  t.is(codeOf(t.throws(() => finishedRoot(verifier, blank))), 'BAD_ROOT');
  // Two copies travel: one is signed by an old and a new key, the other by another old one.
  const one = await signDraft(verifier, await signDraft(verifier, blank, ada), next);
  t.deepEqual(
    missing(verifier, one).map((item) => item.missing),
    [1, 0],
  );
  const other = readDraft(verifier, draftText(await signDraft(verifier, blank, cleo)));
  const both = mergeSignatures(verifier, one, [...other.signatures, ...one.signatures]);
  t.is(both.signatures.length, 3);
  t.is(readSignedRoot(sha256, finishedRoot(verifier, both)).root.version, 2);
  t.is(codeOf(await t.throwsAsync(signDraft(verifier, blank, newSigner()))), 'NOT_PERMITTED');
  // A signature over another plan is none over this one.
  const changed = { ...blank, next: planNextRoot(verifier, root, {}) };
  t.deepEqual(mergeSignatures(verifier, changed, one.signatures).signatures, []);
  for (const text of ['{', '{}', draftText({ ...blank, next: { ...plan, version: 3 } })])
    t.true(['MALFORMED', 'BAD_ROOT'].includes(codeOf(t.throws(() => readDraft(verifier, text)))), text.slice(0, 20));
});

test('a revocation stays with its earliest place, and a plan names only keys that there are', async (t) => {
  const { root, keys } = await firstRoot([newSigner()], 1);
  const old = kid(keys.collection[0]!);
  const second = planNextRoot(verifier, root, rotation(verifier, root, 'collection', [publicKeyOf(newSigner())], 40));
  const again = planNextRoot(verifier, second, { revoke: [{ kid: old, logSize: 90 }] });
  t.deepEqual(again.revocations, second.revocations);
  t.is(planNextRoot(verifier, second, { revoke: [{ kid: old, logSize: 9 }] }).revocations[0]!.logSize, 9);
  t.deepEqual(planNextRoot(verifier, second, { remove: [old] }).revocations, []);
  t.is(codeOf(t.throws(() => planNextRoot(verifier, root, { remove: ['00'.repeat(8)] }))), 'NOT_FOUND');
  const twice = { add: [{ role: 'log' as const, key: publicKeyOf(keys.log[0]!) }] };
  t.is(codeOf(t.throws(() => planNextRoot(verifier, root, twice))), 'EXISTS');
});

test('a ring signs with the key that the root names, also with one that another process prepared, and keeps all files', async (t) => {
  const dir = await temporary(t);
  const ring = await openKeyRing(dir, ['collection', 'service'], { create: true });
  const { root } = await firstRoot([newSigner()], 1);
  const roles = (role: Role, key: Signer) => ({
    ...root,
    roles: { ...root.roles, [role]: { threshold: 1, keys: [publicKeyOf(key)], implicit: [] } },
  });
  const signer = ring.signer('collection');
  const first = publicKeyOf(signer);
  const other = await openKeyRing(dir, ['collection', 'service']);
  const [made] = await other.prepare(['collection']);
  t.deepEqual(publicKeyOf(signer), first, 'nobody has named it yet');
  const named = roles('collection', { ...signer, alg: made!.key.alg, publicKey: made!.key.bytes });
  t.deepEqual(await ring.adopt(named), ['service'], 'the root lists strangers for the other role');
  t.deepEqual(publicKeyOf(signer), made!.key);
  t.deepEqual(publicKeyOf(await ring.under('collection').under(named)), made!.key);
  t.is(codeOf(await t.throwsAsync(ring.under('service').under(named))), 'UNKNOWN_KEY');
  t.deepEqual((await readdir(dir)).sort(), ['collection.2.key', 'collection.key', 'service.key']);
  const reopened = await openKeyRing(dir, ['collection', 'service']);
  t.deepEqual(await reopened.adopt(named), ['service']);
  t.deepEqual(reopened.publicKey('collection'), made!.key);
  await writeFile(join(dir, 'service.2.key'), await readFile(join(dir, 'collection.2.key')), { mode: 0o600 });
  t.is(codeOf(await t.throwsAsync(openKeyRing(dir, ['collection', 'service']))), 'BAD_STORE');
});

test('the root in force is proven from whichever root is held, and from no other', async (t) => {
  const dir = await temporary(t);
  const key = await createKey(join(dir, 'a.key'), 'root');
  const [first, other] = [await firstRoot([key], 1), await firstRoot([key], 1)];
  const after = async ({ root }: Pick<SignedRoot, 'root'>, headAgeMax: number) => {
    const next = planNextRoot(verifier, root, { headAgeMax });
    const bytes = signedRootOf(sha256, next, [await signRootPayload(sha256, next, key)]);
    return { root: next, bytes };
  };
  const second = await after(first, 77);
  const third = await after(second, 78);
  const shows = (...roots: { bytes: Uint8Array }[]): ApiClient => ({
    url: 'http://a.test',
    get: async (path, query) => {
      t.is(path, '/api/v1/ledger/roots');
      return { roots: roots.slice(Number(query!.from) - 1).map(({ bytes }) => hex(bytes)) };
    },
    bytes: () => Promise.reject(new Error('not asked for')),
    post: () => Promise.reject(new Error('not asked for')),
  });
  const honest = shows(first, second, third);
  for (const held of [undefined, first, second, third])
    t.is((await rootFrom(honest, verifier, held?.bytes)).root.version, 3);
  for (const [what, code, api, held] of [
    ['a root of another ledger', 'BAD_ROOT', honest, other],
    ['another root of that version', 'BAD_ROOT', honest, await after(first, 79)],
    ['a server that is behind', 'BAD_ROOT', shows(first), second],
    ['a root left out', 'BAD_ROOT', shows(first, third), first],
    ['no root at all', 'UNREACHABLE', shows(), undefined],
  ] as const)
    t.is(codeOf(await t.throwsAsync(rootFrom(api, verifier, held?.bytes))), code, what);
});

test('the last use of a root key is found where its root lies before the entries that are looked at, and no forged one counts', async (t) => {
  const [ada, ben] = [newSigner(), newSigner()];
  const { bytes, root, keys } = await firstRoot([ada, ben], 1);
  const payload = encodeRoot(root);
  const byAda = await signRootPayload(sha256, root, ada);
  // Whoever submits a root may put something beside its signatures that names another key.
  const forged = await signRootPayload(sha256, root, { ...ben, sign: async () => new Uint8Array(64).fill(7) });
  const first = readSignedRoot(sha256, encodeSignedRoot(payload, [byAda, forged]));
  const head = {
    origin: 'o',
    size: 10_000,
    time: 77,
    rootVersion: 1,
    root: new Uint8Array(32),
    indexRoot: new Uint8Array(32),
  };
  const signed = await signHead(sha256, head, keys.log[0]!);
  const answers = (ofLedger: boolean) => async (path: string, query?: Record<string, string>) => {
    if (path === '/api/v1/head') return { size: head.size, time: head.time, rootVersion: 1, signed: hex(signed) };
    if (!ofLedger) throw new Refusal('NOT_FOUND', path);
    if (path === '/api/v1/ledger/head') return { head, cosignatures: [{ kid: '0102030405060708' }] };
    if (path.startsWith('/api/v1/ledger/receipts/')) return { receipt: hex(encodeReceipt(readHead(signed), 3, [])) };
    t.is(path, '/api/v1/ledger/follow');
    const at = Number(query!.from);
    return { events: at === 3 ? [{ leafIndex: 3, bytes: hex(first.bytes), time: 5 }] : [] };
  };
  const session = (ofLedger: boolean) => ({ verifier, api: { get: answers(ofLedger) } }) as unknown as Session;
  const second = { ...first, root: { ...root, version: 2 } };
  const { used, lookedFrom } = await askUses(session(true), [first, second]);
  t.is(lookedFrom, head.size - ENTRIES_LOOKED_AT);
  t.deepEqual(used.get(kid(ada)), { entry: 3, time: 5 });
  t.is(used.get(kid(ben)), undefined);
  t.deepEqual(used.get('0102030405060708'), { entry: null, time: 77 });
  t.deepEqual(used.get(kid(keys.log[0]!)), { entry: null, time: 77 });
  const none = await askUses(session(false), [openRoot(verifier, bytes)]);
  t.deepEqual([none.lookedFrom, none.used.get(kid(ada))], [undefined, undefined]);
  t.regex(sourceOf('roots', false, none), /ask the ledger/);
});

test('keys root sign and show work on a file alone; another current root than the known one is refused', async (t) => {
  const dir = await temporary(t);
  const key = await createKey(join(dir, 'a.key'), 'root');
  await createKey(join(dir, 'service.key'), 'service');
  const { bytes, root } = await firstRoot([key], 1);
  const file = join(dir, 'next.json');
  await writeFile(
    file,
    draftText({ current: bytes, next: planNextRoot(verifier, root, { headAgeMax: 77 }), signatures: [] }),
  );
  await writeFile(join(dir, 'root.cbor'), bytes);
  await writeFile(join(dir, 'other.cbor'), (await firstRoot([key], 1)).bytes);
  const shown = await runJson('keys', 'root', 'show', file);
  t.deepEqual(shown.json.changes, ['heads are valid for 77 s, were 86400 s']);
  const sign = (name: string, trust: string) => {
    const asked = [file, '--key', join(dir, name), '--trust', join(dir, trust)];
    return runJson<Answer & { signatures: { missing: number }[] }>('keys', 'root', 'sign', ...asked);
  };
  t.is((await sign('a.key', 'other.cbor')).json.error?.code, 'BAD_ROOT');
  t.is((await sign('service.key', 'root.cbor')).json.error?.code, 'WRONG_ROLE');
  const signed = await sign('a.key', 'root.cbor');
  t.is(signed.code, 0, signed.stderr);
  t.deepEqual(
    signed.json.signatures.map((item) => item.missing),
    [0, 0],
  );
  t.is((await runJson('keys', 'rotate', 'cook', '--data', dir)).code, 2);
});
