/** What whoever stole keys can still make with them, and what ledger and devices say to each. */
import { join } from 'node:path';
import { makeBundle } from '@countersign/broker/face/client/bundle';
import { planNextRoot, signedRootOf, signRootPayload } from '@countersign/broker/keys/next-root';
import { signTransaction } from '@countersign/broker/keys/tx';
import { type Code, codeOf, Refusal } from '@countersign/device-sdk';
import {
  encodeAnnouncement,
  encodeEnvelope,
  equal,
  kidOf,
  NO_LEAF,
  publicKeyOf,
  type Report,
  type Role,
  readAnnouncement,
  readEnvelope,
  readHead,
  readReport,
  readRollout,
  readStatement,
  reportValue,
  rolloutValue,
  type Signer,
  signBlock2,
  signHead,
  signStatement,
  type TrustRoot,
  unhex,
} from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { keyFor, nextRoot, proveRelease, shapeAnnouncement, verifyHead } from '@countersign/device-sdk/verify';
import type { ExecutionContext } from 'ava';
import type { Child } from './child.ts';
import { PRODUCT, type Site } from './site.ts';

const verifier = nodeVerifier();
const { sha256 } = verifier;

/** Keys that are not their owner's any more. */
export interface Stolen {
  /** Each with what becomes of its work: void by revocation, or of nobody since the key was taken out. */
  ofRoot: readonly { role: Role; key: Signer; code: 'REVOKED' | 'UNKNOWN_KEY' }[];
  people: readonly Signer[];
  /** Its store and its key. */
  device: Child;
}

interface Scene {
  t: ExecutionContext;
  s: Site;
  root: TrustRoot;
  births: readonly TrustRoot[];
  stolen: Stolen;
  /** What is announced now. */
  announcement: Uint8Array;
}

/** What each stolen key could make is refused by the ledger, and by devices of every version that meet it. */
export async function nothingOfAThief(
  t: ExecutionContext,
  s: Site,
  stolen: Stolen,
  births: readonly TrustRoot[],
): Promise<void> {
  const order = { release: `${PRODUCT}@1.0.1`, full: true };
  const { announcement } = (await makeBundle(s.session, order, join(s.folder, 'b'))).head;
  const root = births.at(-1)!;
  const scene = { t, s, root, births, stolen, announcement };
  proveRelease(verifier, shapeAnnouncement(verifier, announcement), { root });
  await noAnnouncement(scene);
  await noEntry(scene);
  await noHead(scene);
}

function of({ stolen }: Scene, role: Role) {
  const found = stolen.ofRoot.filter((one) => one.role === role);
  if (found.length === 0) throw new RangeError(`no ${role} key was stolen`);
  return found;
}

async function noAnnouncement(scene: Scene): Promise<void> {
  const { t, root, births, announcement } = scene;
  const good = readAnnouncement(announcement);
  const { manifest, block1, block2 } = readEnvelope(sha256, good.envelope);
  const said = readRollout(readStatement(good.rollout, 'rollout').payload);
  const forged: [what: string, code: Code, parts: typeof good][] = [];
  for (const { key, code } of of(scene, 'distribution')) {
    const { releaseLeaf, size, root: seen } = block2;
    const second = await signBlock2(sha256, manifest, { releaseLeaf, size, root: seen }, key);
    const envelope = encodeEnvelope(sha256, manifest, block1.leaf, second);
    forged.push(['block 2', code, { ...good, envelope }]);
  }
  for (const { key, code } of of(scene, 'command')) {
    const rollout = await signStatement(sha256, 'rollout', rolloutValue(said), key);
    forged.push(['a rollout', code, { ...good, rollout }]);
  }
  for (const [what, code, parts] of forged) {
    const shaped = shapeAnnouncement(verifier, encodeAnnouncement(parts));
    t.is(codeOf(t.throws(() => proveRelease(verifier, shaped, { root }))), code, what);
    // A device that sleeps at an older root follows the roots first: it never judges by its own.
    for (const old of births.slice(0, -1))
      t.is(codeOf(t.throws(() => proveRelease(verifier, shaped, { root: old }))), 'OLD_ROOT', what);
  }
}

async function noEntry(scene: Scene): Promise<void> {
  const { t, s, root, stolen, announcement } = scene;
  const { envelope, rollout } = readAnnouncement(announcement);
  const { releaseLeaf } = readEnvelope(sha256, envelope).block2;
  const said = readRollout(readStatement(rollout, 'rollout').payload);
  const next = { ...said, rolloutSequence: said.rolloutSequence + 1 };
  const about = { channel: root.origin, previous: NO_LEAF, args: null };
  const plan = planNextRoot(verifier, root, { headAgeMax: 60 });
  const rows: [what: string, code: Code, bytes: Uint8Array][] = [];
  for (const { key, code } of of(scene, 'command'))
    rows.push(['a rollout statement', code, await signStatement(sha256, 'rollout', rolloutValue(next), key)]);
  for (const { key, code } of of(scene, 'service')) {
    const confirm = { ...about, action: 'confirm' as const, object: releaseLeaf };
    rows.push(['a transaction of a service', code, await signTransaction(sha256, key, confirm)]);
  }
  for (const { key } of of(scene, 'root')) {
    const signed = signedRootOf(sha256, plan, [await signRootPayload(sha256, plan, key)]);
    t.is(codeOf(t.throws(() => nextRoot(verifier, root, signed))), 'BAD_ROOT');
    rows.push(['a trust root', 'BAD_ROOT', signed]);
  }
  for (const key of stolen.people) {
    const approve = { ...about, action: 'approve' as const, object: releaseLeaf };
    rows.push(['a transaction of a person', 'REVOKED', await signTransaction(sha256, key, approve)]);
  }
  rows.push(['a report of a device', 'UNKNOWN_KEY', await nextReport(scene)]);
  for (const [what, code, bytes] of rows)
    t.is(codeOf(await t.throwsAsync(s.session.api.post('/api/v1/transactions', bytes))), code, what);
}

/** What the device would have said next, with the key that it had. */
async function nextReport({ s, stolen: { device } }: Scene): Promise<Uint8Array> {
  let last: { bytes: Uint8Array; said: Report } | undefined;
  for (let from = 0; ; ) {
    const query = { from: String(from), wait: '0' };
    const { events } = (await s.session.api.get('/api/v1/ledger/follow', query)) as {
      events: { leafIndex: number; bytes: string }[];
    };
    if (events.length === 0) break;
    for (const bytes of events.map((event) => unhex(event.bytes)!)) {
      const said = reportIn(bytes);
      if (said && equal(said.deviceId, device.deviceId)) last = { bytes, said };
    }
    from = events.at(-1)!.leafIndex + 1;
  }
  const { bytes, said } = last!;
  const next = { ...said, counter: said.counter + 1, previous: sha256(bytes) };
  return signStatement(sha256, 'report', reportValue(next), device.keys);
}

function reportIn(entry: Uint8Array): Report | undefined {
  try {
    return readReport(readStatement(entry, 'report').payload);
  } catch (error) {
    if (error instanceof Refusal) return undefined;
    throw error;
  }
}

async function noHead(scene: Scene): Promise<void> {
  const { t, root } = scene;
  // A head of the log's thief: larger than every honest one, so no device would ever come back from it.
  const none = { root: NO_LEAF, indexRoot: NO_LEAF };
  const head = { origin: root.origin, size: 1e6, ...none, time: 2e9, rootVersion: root.version };
  for (const { key, code } of of(scene, 'log')) {
    const signed = readHead(await signHead(sha256, head, key));
    t.is(codeOf(t.throws(() => verifyHead(verifier, root, signed, NO_LEAF))), code);
  }
  // Each looks its key up before it looks at a signature: blocks, cosignatures, and releases that were not confirmed yet.
  for (const role of ['orderer', 'peer', 'collection'] as const)
    for (const { key, code } of of(scene, role)) {
      const kid = kidOf(sha256, publicKeyOf(key));
      t.is(codeOf(t.throws(() => keyFor(verifier, root, role, kid, 1e6))), code, role);
    }
}
