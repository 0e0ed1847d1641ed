/** The order of checks, one row per way to fail. Every message is made of real bytes with real signatures. */
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  ABORTED,
  type Announcement,
  type Cohort,
  decode,
  decodeSign1,
  encode,
  encodeAnnouncement,
  encodeEnvelope,
  encodeReceipt,
  encodeSign1,
  leafHash,
  memberLeaf,
  PAUSED,
  type PublicKey,
  publicKeyOf,
  readHead,
  readReceipt,
  signBlock1,
  signBlock2,
  signHead,
  signStatement,
  type Tagged,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import {
  isUnchanged,
  needsOf,
  openRoot,
  type Proofs,
  proveRelease,
  type Resources,
  shapeAnnouncement,
  type Trust,
  verifyRelease,
} from '@countersign/device-sdk/verify';
import test from 'ava';
import { type PocketRelease, PocketServer, type PublishOptions, TIME, verifier } from '../support/pocket.ts';
import { consistencyPath, inclusionPath, leavesOf } from '../support/tree.ts';

const { sha256 } = verifier;
const deviceId = new Uint8Array(16).fill(7);
const image = (seed: number, bytes = 3000) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 3)) & 0xff);
const resources: Resources = { slotBytes: 65_536, workspaceBytes: 8192, memoryClass: 'M', failedBranches: [] };

interface Scene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  trust: Trust;
}

/** A device on release 1 that is offered release 2. */
async function scene(options: PublishOptions = {}, change: Partial<PocketServer['root']> = {}): Promise<Scene> {
  const server = await PocketServer.create('M', change);
  const first = await server.publish(image(3));
  const head = server.head();
  const second = await server.publish(image(5), { bases: [first], ...options });
  const signed = openRoot(verifier, server.rootBytes);
  const running = {
    sequence: 1,
    manifestDigest: shapeAnnouncement(verifier, await server.announcement(first)).envelope.manifestDigest,
    releaseLeaf: first.releaseLeaf,
    image: first.manifest.image,
  };
  const { vendorId, classId } = server;
  const device = { deviceId, vendorId, classId, running, floor: 1, now: TIME + 60 };
  return { server, first, second, trust: { root: signed.root, head, device, rolloutSequence: 1 } };
}

/** All steps as a device walks them; proofs come from the server unless given. */
async function walk(
  s: Scene,
  bytes: Uint8Array,
  given: Partial<Proofs> = {},
  r = resources,
): Promise<'verified' | 'unchanged'> {
  const proven = proveRelease(verifier, shapeAnnouncement(verifier, bytes), s.trust);
  const needs = needsOf(proven, s.trust);
  const leaves = leavesOf(sha256, s.server.entries);
  const proofs: Proofs = {
    consistency: needs.consistency && consistencyPath(sha256, leaves, needs.consistency.from),
    entries:
      needs.entries &&
      [...s.server.releases]
        .reverse()
        .slice(1, 1 + needs.entries.count)
        .map((item) => item.leaf),
    ...given,
  };
  if (isUnchanged(proven, s.trust)) return 'unchanged';
  verifyRelease(verifier, proven, s.trust, proofs, r);
  return 'verified';
}

async function codeFor(
  s: Scene,
  bytes: Uint8Array,
  given: Partial<Proofs> = {},
  r = resources,
): Promise<Code | 'verified' | 'unchanged'> {
  try {
    return await walk(s, bytes, given, r);
  } catch (error) {
    return codeOf(error);
  }
}

async function altered(
  s: Scene,
  change: (parts: Announcement) => Announcement | Promise<Announcement>,
): Promise<Uint8Array> {
  return encodeAnnouncement(await change(await s.server.parts()));
}

test('an announcement of the next release verifies', async (t) => {
  const s = await scene();
  t.is(await codeFor(s, await s.server.announcement()), 'verified');
});

test('the release that runs already is unchanged, not refused', async (t) => {
  const server = await PocketServer.create();
  const only = await server.publish(image(3));
  const s = await scene();
  const shaped = shapeAnnouncement(verifier, await server.announcement());
  const running = {
    ...s.trust.device.running,
    manifestDigest: shaped.envelope.manifestDigest,
    releaseLeaf: only.releaseLeaf,
  };
  const trust = { ...s.trust, head: server.head(), device: { ...s.trust.device, running } };
  t.is(await codeFor({ server, first: only, second: only, trust }, await server.announcement()), 'unchanged');
});

type Row = [name: string, expected: Code, make: () => Promise<[Scene, Uint8Array, Partial<Proofs>?, Resources?]>];

const stranger = nodeKeyStore(-19, new Uint8Array(32).fill(99));

async function withBlocks(
  s: Scene,
  one: 'collection' | 'distribution' | 'stranger',
  two: 'collection' | 'distribution' | 'stranger',
) {
  const signer = (name: string) => (name === 'stranger' ? stranger : s.server.signers[name as 'collection']);
  const { manifestBytes, leafIndex } = s.second;
  const leaf = await signBlock1(sha256, manifestBytes, s.first.releaseLeaf, signer(one));
  s.server.entries[leafIndex] = leaf;
  const releaseLeaf = leafHash(sha256, leaf);
  const { size, root } = s.server.head();
  const block2 = await signBlock2(sha256, manifestBytes, { releaseLeaf, size, root }, signer(two));
  const release = { ...s.second, leaf, releaseLeaf, block2 };
  await s.server.roll(release);
  return s.server.announcement(release);
}

const rows: Row[] = [
  ['random bytes', 'MALFORMED', async () => [await scene(), new Uint8Array(300).fill(0x81)]],
  ['an oversized announcement', 'TOO_LARGE', async () => [await scene(), new Uint8Array(20_000)]],
  [
    'an announcement with one block (signature stripped)',
    'MALFORMED',
    async () => {
      const s = await scene();
      return [s, await altered(s, (parts) => ({ ...parts, envelope: stripped(parts.envelope) }))];
    },
  ],
  [
    'both signatures by the collection key',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'collection', 'collection')];
    },
  ],
  [
    'both signatures by the distribution key (a stolen D)',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'distribution', 'distribution')];
    },
  ],
  [
    'a first signature by a stranger',
    'UNKNOWN_KEY',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'stranger', 'distribution')];
    },
  ],
  [
    'a flipped bit in the first signature',
    'BAD_SIGNATURE',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => ({ ...parts, envelope: flipped(parts.envelope, s.second.leaf.subarray(-32)) })),
      ];
    },
  ],
  [
    'a flipped bit in the second signature',
    'BAD_SIGNATURE',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => ({ ...parts, envelope: flipped(parts.envelope, s.second.block2.subarray(-32)) })),
      ];
    },
  ],
  [
    'a second signature that confirms another block 1',
    'BAD_CHAIN',
    async () => {
      const s = await scene();
      const { size, root } = s.server.head();
      const releaseLeaf = s.first.releaseLeaf;
      const block2 = await signBlock2(
        sha256,
        s.second.manifestBytes,
        { releaseLeaf, size, root },
        s.server.signers.distribution,
      );
      const envelope = encodeEnvelope(sha256, s.second.manifestBytes, s.second.leaf, block2);
      return [s, await altered(s, (parts) => ({ ...parts, envelope }))];
    },
  ],
  [
    'a release that is not in the log',
    'NO_RECEIPT',
    async () => {
      const s = await scene();
      const hidden = s.server.entries.splice(s.second.leafIndex, 1);
      const parts = await s.server.parts();
      s.server.entries.splice(s.second.leafIndex, 0, ...hidden);
      return [s, encodeAnnouncement(parts)];
    },
  ],
  [
    'an inclusion path that is too short',
    'NO_RECEIPT',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => {
          const receipt = readReceipt(parts.receipt);
          return { ...parts, receipt: encodeReceipt(receipt.signed, receipt.leafIndex, receipt.path.slice(1)) };
        }),
      ];
    },
  ],
  [
    "a head signed by a peer's or any other key of the trust root",
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      const head = readHead(await signHead(sha256, s.server.head(), s.server.signers.orderer));
      const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), s.second.leafIndex);
      return [s, await altered(s, (parts) => ({ ...parts, receipt: encodeReceipt(head, s.second.leafIndex, path) }))];
    },
  ],
  [
    'a head of another log',
    'BAD_HEAD',
    async () => {
      const s = await scene();
      const head = readHead(await signHead(sha256, { ...s.server.head(), origin: 'other' }, s.server.signers.log));
      const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), s.second.leafIndex);
      return [s, await altered(s, (parts) => ({ ...parts, receipt: encodeReceipt(head, s.second.leafIndex, path) }))];
    },
  ],
  [
    'a quorum that is not met',
    'NO_QUORUM',
    async () => {
      const s = await scene();
      const peer: PublicKey = publicKeyOf(s.server.signers.peer);
      s.trust.root = {
        ...s.trust.root,
        roles: { ...s.trust.root.roles, peer: { threshold: 1, keys: [peer], implicit: [] } },
      };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a rollout statement for another release',
    'NOT_CURRENT',
    async () => {
      const s = await scene();
      const { rollout } = s.server;
      await s.server.roll(s.first);
      const parts = await s.server.parts(s.second);
      return [s, encodeAnnouncement({ ...parts, rollout: s.server.rollout === rollout ? rollout : parts.rollout })];
    },
  ],
  [
    'a withdrawn release under a newer head (a stolen D re-announces it)',
    'NOT_CURRENT',
    async () => {
      const s = await scene();
      const old = s.server.rollout;
      await s.server.publish(image(9), { bases: [s.second] });
      return [s, encodeAnnouncement({ ...(await s.server.parts(s.second)), rollout: old })];
    },
  ],
  [
    'a rollout statement by the distribution key',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      const payload = decode(decodeSign1(s.server.rollout).payload!);
      const rollout = await signStatement(sha256, 'rollout', payload, s.server.signers.distribution);
      return [s, await altered(s, (parts) => ({ ...parts, rollout }))];
    },
  ],
  [
    'an announcement under an older head',
    'STALE',
    async () => {
      const s = await scene();
      const bytes = await s.server.announcement();
      s.trust.head = { ...s.server.head(), size: s.server.head().size + 1 };
      return [s, bytes];
    },
  ],
  [
    'two heads of one size',
    'SPLIT_VIEW',
    async () => {
      const s = await scene();
      s.trust.head = { ...s.server.head(), root: new Uint8Array(32) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a log that was rewritten below the stored head',
    'SPLIT_VIEW',
    async () => {
      const s = await scene();
      s.trust.head = { ...s.trust.head, root: new Uint8Array(32).fill(1) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a release chain that does not reach what runs',
    'BAD_CHAIN',
    async () => {
      const s = await scene();
      s.trust.device.running = { ...s.trust.device.running, releaseLeaf: new Uint8Array(32).fill(1) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a stale head, by the clock',
    'FREEZE',
    async () => {
      const s = await scene();
      s.trust.device.now = TIME + 2 * 86_400;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a head of a log whose clock ran far ahead, and no freshness answer',
    'FREEZE',
    async () => {
      const s = await scene();
      s.server.time = TIME + 3 * 86_400;
      await s.server.roll(s.second, 1);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'no clock and no freshness answer',
    'FREEZE',
    async () => {
      const s = await scene();
      s.trust.device.now = undefined;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'another class',
    'WRONG_CLASS',
    async () => {
      const s = await scene();
      s.trust.device.classId = new Uint8Array(16);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'another vendor',
    'WRONG_VENDOR',
    async () => {
      const s = await scene();
      s.trust.device.vendorId = new Uint8Array(16);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a lower sequence than the running one',
    'ROLLBACK',
    async () => {
      const s = await scene();
      s.trust.device.running = { ...s.trust.device.running, sequence: 5 };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a sequence below the floor',
    'ROLLBACK',
    async () => {
      const s = await scene();
      s.trust.device.floor = 3;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a paused rollout',
    'NOT_OPEN',
    async () => {
      const s = await scene({ state: PAUSED });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an aborted rollout',
    'NOT_OPEN',
    async () => {
      const s = await scene({ state: ABORTED });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a rollout window that is over',
    'NOT_OPEN',
    async () => {
      const s = await scene({ rollout: { window: { start: 0, end: TIME } } });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a wave without this device',
    'NOT_IN_COHORT',
    async () => {
      const s = await scene({ rollout: { cohorts: [{ threshold: 0 }] } });
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an older rollout statement than one seen',
    'STALE',
    async () => {
      const s = await scene();
      s.trust.rolloutSequence = 9;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'an image larger than the slot',
    'NO_SPACE',
    async () => {
      const s = await scene();
      return [s, await s.server.announcement(), {}, { ...resources, slotBytes: 2048 }];
    },
  ],
  [
    'a workspace smaller than every branch needs',
    'NO_MEMORY',
    async () => {
      const s = await scene();
      return [s, await s.server.announcement(), {}, { ...resources, workspaceBytes: 64 }];
    },
  ],
  [
    'branches that all failed before',
    'FAILED_BEFORE',
    async () => {
      const s = await scene();
      const failedBranches = s.second.manifest.branches.map((branch) => branch.payload.chainHead);
      return [s, await s.server.announcement(), {}, { ...resources, failedBranches }];
    },
  ],
];

for (const [name, expected, make] of rows) {
  test(`refuses ${name}: ${expected}`, async (t) => {
    const [s, bytes, given, r] = await make();
    t.is(await codeFor(s, bytes, given ?? {}, r ?? resources), expected);
  });
}

test('a quorum of distinct peers lets the head move without a consistency proof', async (t) => {
  const s = await scene();
  const { peer } = s.server.signers;
  const keys = [publicKeyOf(peer)];
  s.trust.root = { ...s.trust.root, roles: { ...s.trust.root.roles, peer: { threshold: 1, keys, implicit: [] } } };
  const cosigned = readHead(await signHead(sha256, s.server.head(), peer));
  const cosignatures = [{ kid: cosigned.kid, alg: cosigned.alg, signature: cosigned.sign1.signature }];
  const bytes = await altered(s, (parts) => ({ ...parts, cosignatures }));
  t.is(await codeFor(s, bytes, { consistency: undefined }), 'verified');
});

test('a member of a group is let in by its proof and by nothing else', async (t) => {
  const salt = new Uint8Array(16).fill(5);
  const leaf = memberLeaf(sha256, salt, deviceId);
  const cohorts: Cohort[] = [{ root: leaf }];
  const s = await scene({ rollout: { cohorts } });
  const bytes = await s.server.announcement();
  t.is(await codeFor(s, bytes), 'NOT_IN_COHORT');
  t.is(await codeFor(s, bytes, { membership: { salt, index: 0, size: 1, path: [] } }), 'verified');
  t.is(
    await codeFor(s, bytes, { membership: { salt: new Uint8Array(16), index: 0, size: 1, path: [] } }),
    'NOT_IN_COHORT',
  );
});

test('a skipped release is followed entry by entry', async (t) => {
  const s = await scene();
  await s.server.publish(image(11), { bases: [s.second] });
  const bytes = await s.server.announcement();
  t.is(await codeFor(s, bytes), 'verified');
  t.is(await codeFor(s, bytes, { entries: [] }), 'BAD_CHAIN');
  t.is(await codeFor(s, bytes, { entries: [s.first.leaf] }), 'BAD_CHAIN');
});

test('one flipped bit anywhere in an announcement is never verified', async (t) => {
  const s = await scene();
  const bytes = await s.server.announcement();
  let verified = 0;
  for (let i = 0; i < bytes.length; i += 7) {
    const flippedBytes = bytes.slice();
    flippedBytes[i]! ^= 1 << (i % 8);
    if ((await codeFor(s, flippedBytes)) === 'verified') verified++;
  }
  t.is(verified, 0);
});

function stripped(envelope: Uint8Array): Uint8Array {
  const tagged = decode(envelope) as Tagged;
  const map = tagged.value as Map<number, Value>;
  const wrapper = decode(map.get(2) as Uint8Array) as Value[];
  map.set(2, encode(wrapper.slice(0, 2)));
  return encode(tagged);
}

/** Flips a bit inside the place where `needle` stands. */
function flipped(haystack: Uint8Array, needle: Uint8Array): Uint8Array {
  const at = Buffer.from(haystack).indexOf(Buffer.from(needle));
  const out = haystack.slice();
  out[at]! ^= 1;
  return out;
}

test('a payload is detached in the envelope and attached in the leaf', async (t) => {
  const s = await scene();
  const leaf = decodeSign1(s.second.leaf);
  t.is(leaf.payload?.length, 36);
  t.true(encodeSign1({ ...leaf, payload: null }).length < s.second.leaf.length);
});
