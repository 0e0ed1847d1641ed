/** Rows 26, 27 and 44, and the server's part of 10 and 32: what people and keys may put into the ledger. */
import { checkPrepared } from '@countersign/broker/collection/check-prepared';
import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { tokenGate } from '@countersign/broker/face/api/token';
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  objectDigest,
  type PersonRole,
  productArgs,
  rejectArgs,
  revokeArgs,
  rolloutArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { cidOf } from '@countersign/broker/store/cid';
import { type Code, Refusal } from '@countersign/device-sdk';
import {
  encodeManifest,
  leafHash,
  type Manifest,
  NO_LEAF,
  OPEN,
  publicKeyOf,
  ROLES,
  type Signer,
  signBlock1,
  type TrustRoot,
  utf8,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { heard } from '../scene.ts';
import {
  act,
  CLASS,
  command,
  DEVICES_OBJECT,
  enrolDevices,
  manifestOf,
  newDevice,
  newRelease,
  newSigner,
  PRODUCT,
  person,
  personObject,
  planOf,
  publish,
  rolloutObject,
  sha256,
  statementOf,
  tx,
  VENDOR,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { contract, refused } from '../server/try.ts';
import { componentRows } from './components.ts';
import { accessRows } from './server-access.ts';
import { deviceRows, peopleRows, planRows } from './server-more.ts';
import { passportRows, trialRows } from './server-trials.ts';

/** Proposed by alice, approved by bob. */
async function hire(world: World, name: string, roles: PersonRole[]): Promise<Signer> {
  const key = newSigner();
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(key) });
  await act(world, world.people.alice!, 'enrol', personObject(name), args);
  await act(world, world.people.bob!, 'approve', personObject(name));
  return key;
}

async function uploaded(world: World, by: Signer = world.people.alice!) {
  const release = await newRelease(world, 1);
  await act(world, by, 'upload', release.leaf, release.args);
  return release;
}

const PAIR = { ...PRODUCT, name: 'pair', approvals: 2 };
const PAIR_CLASS = classId(VENDOR, PAIR.name);
const PAIR_OBJECT = objectDigest(sha256, 'product', PAIR_CLASS);

const dismiss = (world: World, name: string) =>
  act(world, world.people.alice!, 'revoke', personObject(name), revokeArgs('person', utf8(name), 'stolen'));

export const unapproved: Attack = {
  id: 26,
  name: 'unapproved firmware',
  source: 'RFC 9124 THREAT.UPD.UNAPPROVED',
  against: ['device', 'server'],
  variants: [
    ...trialRows,
    contract('confirms what nobody has approved', 'NOT_APPROVED', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('approves what he uploaded', 'SAME_PERSON', async (world) => {
      const carol = await hire(world, 'carol', ['engineer', 'approver']);
      const { leaf } = await uploaded(world, carol);
      return () => act(world, carol, 'approve', leaf);
    }),
    contract('confirms a release that needs two approvals after one', 'NOT_APPROVED', async (world) => {
      await act(world, world.people.alice!, 'product', PAIR_OBJECT, productArgs(PAIR));
      const release = await newRelease(world, 1, NO_LEAF, { classId: PAIR_CLASS });
      await act(world, world.people.alice!, 'upload', release.leaf, release.args);
      await act(world, world.people.bob!, 'approve', release.leaf);
      return () => act(world, world.keys.service, 'confirm', release.leaf);
    }),
    contract('approves with an engineer’s key', 'NOT_PERMITTED', async (world) => {
      const carol = await hire(world, 'carol', ['engineer']);
      const { leaf } = await uploaded(world);
      return () => act(world, carol, 'approve', leaf);
    }),
    contract('approves with a server’s key', 'NOT_PERMITTED', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, world.keys.service, 'approve', leaf);
    }),
    contract('approves with a key that nobody knows', 'UNKNOWN_KEY', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, newSigner(), 'approve', leaf);
    }),
    contract('approves twice', 'DUPLICATE', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'approve', leaf);
      return () => act(world, world.people.bob!, 'approve', leaf);
    }),
    contract('confirms by an approval of a key that was stolen', 'NOT_APPROVED', async (world) => {
      const carol = await hire(world, 'carol', ['approver']);
      const { leaf } = await uploaded(world);
      await act(world, carol, 'approve', leaf);
      await dismiss(world, 'carol');
      await act(world, world.people.bob!, 'approve', personObject('carol'));
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('confirms what was rejected', 'NOT_APPROVED', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'reject', leaf, rejectArgs('no'));
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('approves what was rejected', 'BAD_STATEMENT', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'reject', leaf, rejectArgs('no'));
      return () => act(world, world.people.bob!, 'approve', leaf);
    }),
    contract('rejects his own upload to bring another', 'SAME_PERSON', async (world) => {
      const carol = await hire(world, 'carol', ['engineer', 'approver']);
      const { leaf } = await uploaded(world, carol);
      return () => act(world, carol, 'reject', leaf, rejectArgs('mine'));
    }),
    contract('confirms a second time', 'DUPLICATE', async (world) => {
      const { leaf } = await publish(world, 1);
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('confirms what is not there', 'NOT_FOUND', async (world) => {
      return () => act(world, world.keys.service, 'confirm', sha256(utf8('nothing')));
    }),
    contract('opens a rollout of what is not confirmed', 'NOT_APPROVED', async (world) => {
      const release = await uploaded(world);
      return () => person(world, planOf(release), 'open');
    }),
    contract('confirms a release that does not continue the confirmed one', 'CONFLICT', async (world) => {
      await publish(world, 1);
      const other = await newRelease(world, 2, NO_LEAF);
      await act(world, world.people.alice!, 'upload', other.leaf, other.args);
      await act(world, world.people.bob!, 'approve', other.leaf);
      return () => act(world, world.keys.service, 'confirm', other.leaf);
    }),
    heard('announces what C and D signed and nobody approved', 'NO_RECEIPT', async (s) => {
      const hidden = s.server.entries.splice(s.second.leafIndex, 1);
      const bytes = await s.server.announcement();
      s.server.entries.splice(s.second.leafIndex, 0, ...hidden);
      return bytes;
    }),
  ],
};

/** An upload with one thing exchanged. */
function tampered(
  how: string,
  expect: Code,
  make: (
    world: World,
  ) => Promise<{ object?: Uint8Array; block1?: Uint8Array; manifest?: Uint8Array; contentId?: string }>,
): Variant {
  return contract(how, expect, async (world) => {
    const right = await newRelease(world, 1);
    const parts = { block1: right.block1, manifest: right.manifest, contentId: cidOf(manifestOf(1).image.digest) };
    const changed = { ...parts, ...(await make(world)) };
    const args = uploadArgs({ ...changed, fileName: 'node.bin' });
    const object = changed.object ?? leafHash(sha256, changed.block1);
    return () => act(world, world.people.alice!, 'upload', object, args);
  });
}

/** The manifest says something that does not fit the product. */
function unfit(how: string, change: Partial<Manifest>, expect: Code = 'BAD_STATEMENT'): Variant {
  return contract(how, expect, async (world) => {
    const release = await newRelease(world, 1, NO_LEAF, change);
    return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
  });
}

const branchWith = (change: object, payload: object = {}): Partial<Manifest> => {
  const [branch] = manifestOf(1).branches;
  return { branches: [{ ...branch!, ...change, payload: { ...branch!.payload, ...payload } }] };
};

const OTHER = new Uint8Array(16).fill(5);

const IMAGE = Uint8Array.from({ length: 40_000 }, (_, i) => i & 0xff);
const COLLECTION = newSigner();
const POLICY = { mandatory: true, log: true, reboot: false, downgrade: false };
const ASKED = {
  vendorDomain: PRODUCT.vendorDomain,
  product: PRODUCT.name,
  version: '1.1.0',
  policy: POLICY,
  fileName: 'node.bin',
};

export const tampering: Attack = {
  id: 27,
  name: 'tampering before signing',
  source: 'RFC 9124 THREAT.MFST.MODIFICATION',
  against: ['server'],
  variants: [
    ...componentRows,
    tampered('uploads another manifest than block 1 signs', 'BAD_STATEMENT', async () => ({
      manifest: encodeManifest(manifestOf(1, { policy: 1 })),
    })),
    tampered('uploads under another name', 'BAD_STATEMENT', async () => ({ object: sha256(utf8('other')) })),
    tampered('names other content', 'BAD_STATEMENT', async () => ({ contentId: cidOf(sha256(utf8('other'))) })),
    tampered('turns a bit of block 1', 'BAD_SIGNATURE', async (world) => ({
      block1: flipped((await newRelease(world, 1)).block1, -5),
    })),
    tampered('signs block 1 with the distribution key', 'WRONG_ROLE', async (world) => ({
      block1: (await newRelease(world, 1, NO_LEAF, {}, world.keys.distribution)).block1,
    })),
    tampered('signs block 1 with a key of his own', 'UNKNOWN_KEY', async (world) => ({
      block1: (await newRelease(world, 1, NO_LEAF, {}, newSigner())).block1,
    })),
    unfit('slips in another vendor', { vendorId: OTHER }),
    unfit('slips in another class', { classId: OTHER }, 'NOT_FOUND'),
    unfit('slips in an image that does not fit the slot', {
      image: { digest: sha256(utf8('image 1')), bytes: 70_000 },
    }),
    unfit('slips in an empty image', { image: { digest: sha256(utf8('image 1')), bytes: 0 } }),
    unfit('slips in sequence 0', { sequence: 0 }),
    unfit('slips in a branch that no device of the product can take', branchWith({ memoryClass: 'L' })),
    unfit(
      'slips in frames that no device of the product can take',
      branchWith({}, { frameBytes: 2048, frameCount: 10 }),
    ),
    contract('uploads a release a second time', 'EXISTS', async (world) => {
      const release = await uploaded(world);
      return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
    }),
    ...prepared(),
  ],
};

/** A collection server that was taken over: the engineer's own client signs nothing of it. */
function prepared(): Variant[] {
  const image = { digest: sha256(IMAGE), bytes: IMAGE.length };
  const honest = { policy: 3, image };
  const rows: [string, Partial<Manifest>, object?][] = [
    ['lets the engineer sign another image', { ...honest, image: { ...image, digest: sha256(utf8('other')) } }],
    ['lets the engineer sign another length', { ...honest, image: { ...image, bytes: 39_999 } }],
    ['lets the engineer sign another vendor', { ...honest, vendorId: OTHER }],
    ['lets the engineer sign another class', { ...honest, classId: OTHER }],
    ['lets the engineer sign another version', { ...honest, version: '9.9.9' }],
    ['lets the engineer sign another policy', { ...honest, policy: 7 }],
    ['gives the engineer another content id', honest, { contentId: cidOf(sha256(utf8('other'))) }],
    ['gives the engineer another file name', honest, { fileName: 'other.bin' }],
    ['gives the engineer another release name', honest, { releaseLeaf: new Uint8Array(32) }],
    [
      'gives the engineer another manifest than block 1 signs',
      honest,
      { manifest: encodeManifest(manifestOf(1, { ...honest, sequence: 2 })) },
    ],
  ];
  const signed: Variant[] = [
    refused('lets the engineer sign what no collection key has signed', 'UNKNOWN_KEY', async () =>
      checkPrepared(verifier, IMAGE, await offer(honest), { ...ASKED, root: rootOf(newSigner()) }),
    ),
    refused('lets the engineer sign under a broken first signature', 'BAD_SIGNATURE', async () => {
      const made = await offer(honest);
      const block1 = flipped(made.block1, -5);
      const releaseLeaf = leafHash(sha256, block1);
      return checkPrepared(verifier, IMAGE, { ...made, block1, releaseLeaf }, { ...ASKED, root: rootOf(COLLECTION) });
    }),
  ];
  const exchangedRows = rows.map(([how, change, exchanged = {}]) =>
    refused(how, 'BAD_STATEMENT', async () =>
      checkPrepared(verifier, IMAGE, { ...(await offer(change)), ...exchanged }, ASKED),
    ),
  );
  return [...exchangedRows, ...signed];
}

function rootOf(collection: Signer): TrustRoot {
  const none = { threshold: 0, keys: [], implicit: [] };
  const roles = Object.fromEntries(ROLES.map((role) => [role, none])) as unknown as TrustRoot['roles'];
  roles.collection = { threshold: 1, keys: [publicKeyOf(collection)], implicit: [] };
  return { version: 1, origin: 'x', roles, algorithms: [-19], headAgeMax: 1, floors: [], revocations: [] };
}

async function offer(change: Partial<Manifest>) {
  const manifest = encodeManifest(manifestOf(1, change));
  const block1 = await signBlock1(sha256, manifest, NO_LEAF, COLLECTION);
  const releaseLeaf = leafHash(sha256, block1);
  const { branches } = manifestOf(1, change);
  return {
    block1,
    manifest,
    releaseLeaf,
    fileName: 'node.bin',
    contentId: cidOf(sha256(IMAGE)),
    branches,
  } as unknown as Parameters<typeof checkPrepared>[2];
}

const TOKEN = 'x'.repeat(43);
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

/** A transaction over HTTP with this header. The ledger behind it would take the transaction. */
function api(how: string, authorization: string | undefined, expect: Code = 'UNAUTHORIZED'): Variant {
  return contract(how, expect, async (world) => {
    const app = createApi({ server: 'attacked', gate: tokenGate(TOKEN), log: LOG });
    await app.register(ledgerRoutes(world.ledger));
    const release = await newRelease(world, 1);
    const bytes = await tx(world.people.alice!, { action: 'upload', object: release.leaf, args: release.args });
    return async () => {
      const answer = await app.inject({
        method: 'POST',
        url: '/api/v1/ledger/transactions',
        headers: { 'content-type': 'application/cbor', ...(authorization && { authorization }) },
        payload: Buffer.from(bytes),
      });
      await app.close();
      const { code } = JSON.parse(answer.body) as { code?: Code };
      if (code) throw new Refusal(code, 'over HTTP');
    };
  });
}

export const unauthorised: Attack = {
  id: 44,
  name: 'unauthorised operator',
  source: 'NervesHub CVE-2026-28806; hawkBit default password',
  against: ['server'],
  variants: [
    ...passportRows,
    ...accessRows,
    api('calls the API without a token', undefined),
    api('calls the API with the token of another server', `Bearer ${'y'.repeat(43)}`),
    api('calls the API with the token and more', `Bearer ${TOKEN}y`),
    api('calls the API with a part of the token', `Bearer ${TOKEN.slice(0, -1)}`),
    api('calls the API with a default password', `Basic ${Buffer.from('admin:admin').toString('base64')}`),
    contract('opens a rollout as an approver', 'NOT_PERMITTED', async (world) => {
      const release = await publish(world, 1);
      const carol = await hire(world, 'carol', ['approver']);
      world.people.bob = carol;
      return () => person(world, planOf(release), 'open');
    }),
    contract('opens a rollout with the command key', 'NOT_FOUND', async (world) => {
      const plan = planOf(await publish(world, 1));
      return () => command(world, statementOf(plan, 1, OPEN));
    }),
    contract('widens a rollout with the command key', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN, { cohorts: [{ threshold: 2 ** 32 }] }));
    }),
    contract('opens a rollout with another release', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN, { releaseLeaf: new Uint8Array(32) }));
    }),
    contract('opens a rollout for another class', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN, { classId: OTHER }));
    }),
    contract('opens a rollout in another window', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN, { window: { start: 0, end: null } }));
    }),
    contract('opens a rollout without its jitter', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN, { jitterSeconds: 0 }));
    }),
    contract('signs a rollout with the distribution key', 'WRONG_ROLE', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 1, OPEN), world.keys.distribution);
    }),
    contract('leaves a rollout number out', 'BAD_COUNTER', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      return () => command(world, statementOf(plan, 5, OPEN));
    }),
    contract('resumes a paused rollout with the command key', 'NOT_PERMITTED', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      await command(world, statementOf(plan, 2, 1));
      return () => command(world, statementOf(plan, 3, OPEN));
    }),
    contract('aborts a rollout with the command key', 'NOT_PERMITTED', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      return () => command(world, statementOf(plan, 2, 2));
    }),
    contract('opens what was aborted', 'NOT_PERMITTED', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      await person(world, plan, 'abort');
      await command(world, statementOf(plan, 2, 2));
      return () => command(world, statementOf(plan, 3, OPEN));
    }),
    contract('opens although a person asked for a pause', 'NOT_PERMITTED', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      await person(world, plan, 'pause');
      return () => command(world, statementOf(plan, 2, OPEN));
    }),
    contract('enrols a person with a server’s key', 'NOT_PERMITTED', async (world) => {
      const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()) });
      return () => act(world, world.keys.service, 'enrol', personObject('mallory'), args);
    }),
    contract('approves a person whom he proposed', 'SAME_PERSON', async (world) => {
      const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(newSigner()) });
      await act(world, world.people.bob!, 'enrol', personObject('mallory'), args);
      return () => act(world, world.people.bob!, 'approve', personObject('mallory'));
    }),
    contract('acts before he is approved', 'NOT_PERMITTED', async (world) => {
      const mallory = newSigner();
      const args = enrolPersonArgs({ name: 'mallory', roles: ['engineer'], key: publicKeyOf(mallory) });
      await act(world, world.people.bob!, 'enrol', personObject('mallory'), args);
      const release = await newRelease(world, 1);
      return () => act(world, mallory, 'upload', release.leaf, release.args);
    }),
    contract('enrols himself under a name that is taken', 'EXISTS', async (world) => {
      const args = enrolPersonArgs({ name: 'bob', roles: ['approver'], key: publicKeyOf(newSigner()) });
      return () => act(world, world.people.alice!, 'enrol', personObject('bob'), args);
    }),
    contract('enrols a server’s key as a person', 'EXISTS', async (world) => {
      const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(world.keys.service) });
      return () => act(world, world.people.alice!, 'enrol', personObject('mallory'), args);
    }),
    contract('enrols one key for two people', 'EXISTS', async (world) => {
      const args = enrolPersonArgs({ name: 'mallory', roles: ['approver'], key: publicKeyOf(world.people.alice!) });
      return () => act(world, world.people.bob!, 'enrol', personObject('mallory'), args);
    }),
    contract('calls a person like a server', 'BAD_STATEMENT', async (world) => {
      const args = enrolPersonArgs({ name: 'service', roles: ['approver'], key: publicKeyOf(newSigner()) });
      return () => act(world, world.people.alice!, 'enrol', personObject('service'), args);
    }),
    contract('revokes the only approver', 'BAD_STATEMENT', async (world) => {
      await hire(world, 'carol', ['engineer']);
      return () => dismiss(world, 'bob');
    }),
    contract('fends off the revocation of his own key', 'SAME_PERSON', async (world) => {
      const carol = await hire(world, 'carol', ['approver']);
      await dismiss(world, 'carol');
      return () => act(world, carol, 'reject', personObject('carol'), rejectArgs('I stay'));
    }),
    contract('replays a transaction of another ledger', 'BAD_STATEMENT', async (world) => {
      const release = await newRelease(world, 1);
      const bytes = await tx(world.people.alice!, {
        channel: 'ledger.test/two',
        action: 'upload',
        object: release.leaf,
        args: release.args,
      });
      return () => world.ledger.submit(bytes);
    }),
    contract('replays a transaction', 'DUPLICATE', async (world) => {
      const release = await newRelease(world, 1);
      const bytes = await tx(world.people.alice!, { action: 'upload', object: release.leaf, args: release.args });
      await world.ledger.submit(bytes);
      return () => world.ledger.submit(bytes);
    }),
    contract('decides over an old state', 'CONFLICT', async (world) => {
      const { leaf } = await uploaded(world);
      const bytes = await tx(world.people.bob!, { action: 'approve', object: leaf });
      return () => world.ledger.submit(bytes);
    }),
    contract('calls an action that the contract does not have', 'UNSUPPORTED', async (world) => {
      return () => act(world, world.people.alice!, 'upgrade', sha256(utf8('x')));
    }),
    contract('takes a known device over with a server’s key', 'NOT_PERMITTED', async (world) => {
      const device = newDevice();
      await enrolDevices(world, [device]);
      return () => enrolDevices(world, [{ ...device, signer: newSigner() }]);
    }),
    contract('enrols devices as an engineer', 'NOT_PERMITTED', async (world) => {
      const carol = await hire(world, 'carol', ['engineer']);
      return () => enrolDevices(world, [newDevice()], carol);
    }),
    contract('enrols devices under another object', 'BAD_STATEMENT', async (world) => {
      const args = enrolDevicesArgs({
        classId: CLASS,
        devices: [{ id: newDevice().id, key: publicKeyOf(newSigner()) }],
      });
      return () => act(world, world.keys.service, 'enrol', sha256(DEVICES_OBJECT), args);
    }),
    contract('decides about a rollout under another object', 'BAD_STATEMENT', async (world) => {
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      const other = rolloutObject({ ...plan, rolloutId: OTHER });
      return () =>
        act(
          world,
          world.people.bob!,
          'rollout',
          other,
          rolloutArgs({ op: 'abort', rolloutId: plan.rolloutId, reason: 'x' }),
        );
    }),
    ...peopleRows,
    ...planRows,
    ...deviceRows.slice(0, -1),
  ],
};

export const sequenceRows: Variant[] = [
  contract('leaves sequences out', 'BAD_CHAIN', async (world) => {
    const release = await newRelease(world, 2 ** 40);
    await act(world, world.people.alice!, 'upload', release.leaf, release.args);
    await act(world, world.people.bob!, 'approve', release.leaf);
    return () => act(world, world.keys.service, 'confirm', release.leaf);
  }),
];

export const revokedRows: Variant[] = [
  contract('acts with a person’s key after its revocation', 'REVOKED', async (world) => {
    const carol = await hire(world, 'carol', ['approver']);
    await dismiss(world, 'carol');
    await act(world, world.people.bob!, 'approve', personObject('carol'));
    const { leaf } = await uploaded(world);
    return () => act(world, carol, 'approve', leaf);
  }),
  contract(
    'submits with a service key after its revocation',
    'REVOKED',
    async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'approve', leaf);
      return () => act(world, world.keys.service, 'confirm', leaf);
    },
    { revoked: { role: 'service', logSize: 1 } },
  ),
  contract(
    'uploads what a revoked collection key has signed',
    'REVOKED',
    async (world) => {
      const release = await newRelease(world, 1);
      return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
    },
    { revoked: { role: 'collection', logSize: 1 } },
  ),
];
