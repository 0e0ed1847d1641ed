/** A device on one release that is offered the next, and every step of its checks with real bytes. */
import { type Code, codeOf } from '@countersign/device-sdk';
import { type Announcement, encodeAnnouncement } from '@countersign/device-sdk/format';
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
import { type PocketRelease, PocketServer, type PublishOptions, TIME, verifier } from '../../support/pocket.ts';
import { consistencyPath, leavesOf } from '../../support/tree.ts';

const { sha256 } = verifier;
export const deviceId = new Uint8Array(16).fill(7);
export const image = (seed: number, bytes = 3000) =>
  Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 3)) & 0xff);
export const resources: Resources = { slotBytes: 65_536, workspaceBytes: 8192, memoryClass: 'M', failedBranches: [] };

export interface Scene {
  server: PocketServer;
  first: PocketRelease;
  second: PocketRelease;
  trust: Trust;
}

/** One way to fail. */
export type Row = [
  name: string,
  expected: Code,
  make: () => Promise<[Scene, Uint8Array, Partial<Proofs>?, Resources?]>,
];

/** A device on release 1 that is offered release 2. */
export async function scene(options: PublishOptions = {}, change: Partial<PocketServer['root']> = {}): Promise<Scene> {
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
export async function walk(
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

export async function codeFor(
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

export async function altered(
  s: Scene,
  change: (parts: Announcement) => Announcement | Promise<Announcement>,
): Promise<Uint8Array> {
  return encodeAnnouncement(await change(await s.server.parts()));
}
