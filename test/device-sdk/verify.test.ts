/** The order of checks, one row per way to fail. Every message is made of real bytes with real signatures. */
import {
  type Cohort,
  decodeSign1,
  encodeSign1,
  memberLeaf,
  publicKeyOf,
  readHead,
  signHead,
} from '@countersign/device-sdk/format';
import { shapeAnnouncement } from '@countersign/device-sdk/verify';
import test from 'ava';
import { PocketServer, verifier } from '../support/pocket.ts';
import { DEVICE } from './verify/device.ts';
import { LEDGER } from './verify/ledger.ts';
import { altered, codeFor, deviceId, image, resources, scene } from './verify/scene.ts';
import { SIGNATURES } from './verify/signatures.ts';

const { sha256 } = verifier;

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

for (const [name, expected, make] of [...SIGNATURES, ...LEDGER, ...DEVICE]) {
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

test('a payload is detached in the envelope and attached in the leaf', async (t) => {
  const s = await scene();
  const leaf = decodeSign1(s.second.leaf);
  t.is(leaf.payload?.length, 36);
  t.true(encodeSign1({ ...leaf, payload: null }).length < s.second.leaf.length);
});
