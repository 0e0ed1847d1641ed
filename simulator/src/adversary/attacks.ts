/** The attacks of the demo, one entry each: what is tried, and how the hostile bytes come about. */
import {
  encodeAnnouncement,
  encodeAnswer,
  FRAMES,
  hex,
  type Payload,
  readAnswer,
} from '@countersign/device-sdk/format';
import type { Liar } from '../fleet/tap.ts';
import { editManifest, forgeRelease, forgeRollout, stripSignatures } from './forge.ts';
import { heardOf, newest, type Scene, underNewestHead } from './scene.ts';

/** What a device is made to hear: an announcement of the adversary's, or true ones and lies about frames. */
export type Hostile = { announcement: Uint8Array } | { liar: Liar };

export interface Attack {
  name: string;
  /** What the adversary does, for people. */
  text: string;
  /** A device that has something to install, or one that is done. */
  victim: 'waiting' | 'idle';
  prepare(scene: Scene, versions: Versions): Promise<Hostile>;
}

/** Versions of the story. */
export interface Versions {
  /** Long replaced. */
  old: string;
  /** Rolled out, found bad, aborted. */
  aborted: string;
  /** What waiting victims run, and what is offered to them. */
  factory: string;
  offered: string;
}

const EVIL_IMAGE = { digest: new Uint8Array(32).fill(0x66), bytes: 66_666 };

export const ATTACKS: readonly Attack[] = [
  {
    name: 'tampered-frame',
    text: 'a broker flips one bit in every frame of the delta',
    victim: 'waiting',
    prepare: async () => ({ liar: onFrames((frame) => flipped(frame)) }),
  },
  {
    name: 'wrong-base',
    text: 'a broker serves the delta that was made for another base image',
    victim: 'waiting',
    async prepare(scene, { factory, offered }) {
      const { branches, image } = heardOf(scene, offered).manifest;
      const factoryDigest = (await imageDigests(scene)).get(factory);
      const other = branches.find(({ base }) => base && hex(base.digest) !== factoryDigest);
      if (!other) throw new RangeError(`${hex(image.digest)} has no delta from another base`);
      const frames = cut(await scene.payload(hex(other.payload.chainHead)), other.payload);
      return { liar: onFrames((_, index) => frames[index % frames.length]!) };
    },
  },
  {
    name: 'stolen-key-d',
    text: 'a thief of key D signs a release of his own in both places, without C',
    victim: 'idle',
    async prepare(scene) {
      const { distribution: second, command } = scene.stolen;
      const keys = { first: second, second, command };
      return { announcement: await forgeRelease(scene.verifier.sha256, newest(scene), { image: EVIL_IMAGE }, keys) };
    },
  },
  {
    name: 'unlogged-release',
    text: 'a thief of C and D signs a release that the ledger never saw',
    victim: 'idle',
    async prepare(scene) {
      const { collection: first, distribution: second, command } = scene.stolen;
      const keys = { first, second, command };
      return { announcement: await forgeRelease(scene.verifier.sha256, newest(scene), { image: EVIL_IMAGE }, keys) };
    },
  },
  {
    name: 'rollback-replayed',
    text: 'an old announcement, true in its day, is sent again',
    victim: 'idle',
    prepare: async (scene, { old }) => ({ announcement: encodeAnnouncement(heardOf(scene, old).announcement) }),
  },
  {
    name: 'rollback-reopened',
    text: 'a thief of D opens the old release again, under the newest head',
    victim: 'idle',
    async prepare(scene, { old }) {
      const was = heardOf(scene, old);
      const last = { ...was.rollout, rolloutSequence: newest(scene).rollout.rolloutSequence };
      const rollout = await forgeRollout(scene.verifier.sha256, last, {}, scene.stolen.command);
      return { announcement: await underNewestHead(scene, was, rollout) };
    },
  },
  {
    name: 'aborted-release',
    text: 'the aborted release is offered again with its own open statement',
    victim: 'idle',
    prepare: async (scene, { aborted }) => ({ announcement: await underNewestHead(scene, heardOf(scene, aborted)) }),
  },
  {
    name: 'wrong-class',
    text: "another product's release, true in every signature",
    victim: 'idle',
    async prepare(scene) {
      const other = scene.elsewhere.at(-1);
      if (!other) throw new RangeError('no announcement of another class was heard');
      return { announcement: await underNewestHead(scene, other) };
    },
  },
  {
    name: 'edited-base',
    text: 'a thief of D rewrites which image the delta starts from',
    victim: 'idle',
    async prepare(scene) {
      const from = newest(scene);
      const branches = from.manifest.branches.map((b) => (b.base ? { ...b, base: EVIL_IMAGE } : b));
      const { distribution: second, command } = scene.stolen;
      return { announcement: await editManifest(scene.verifier.sha256, from, { branches }, { second, command }) };
    },
  },
  {
    name: 'unsigned-manifest',
    text: 'a manifest whose signatures were taken away',
    victim: 'idle',
    prepare: async (scene) => ({ announcement: stripSignatures(newest(scene)) }),
  },
];

/** Changes every frame on its way to the device. */
function onFrames(change: (frame: Uint8Array, index: number) => Uint8Array): Liar {
  return {
    answer(bytes) {
      const answer = readAnswer(bytes);
      if (answer.kind !== FRAMES) return bytes;
      return encodeAnswer({ ...answer, frame: change(answer.frame, answer.index) });
    },
  };
}

function flipped(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  copy[copy.length >> 1]! ^= 0x10;
  return copy;
}

/** A payload's frames: F bytes and the hash of the next, the last without. */
function cut(bytes: Uint8Array, { frameBytes, frameCount }: Payload): Uint8Array[] {
  const whole = frameBytes + 32;
  return Array.from({ length: frameCount }, (_, i) => bytes.slice(i * whole, (i + 1) * whole));
}

async function imageDigests({ ledger }: Scene): Promise<Map<string, string>> {
  const releases = (await ledger.evaluate('listReleases')) as { version: string; imageDigest: string }[];
  return new Map(releases.map(({ version, imageDigest }) => [version, imageDigest]));
}
