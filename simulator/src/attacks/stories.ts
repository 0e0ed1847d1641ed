/** The user stories of RFC 9124 by their names: what is supported is shown, what is not has its reason. */
import {
  encodeManifest,
  encodeRoot,
  encodeSignedRoot,
  FRAMES,
  inspectEnvelope,
  publicKeyOf,
  ROOTS,
  signDetached,
} from '@countersign/device-sdk/format';
import type { Ground } from './attack.ts';
import { verifier } from './pocket/publisher.ts';
import { changed, makeScene, NOISE, type Scene, type SceneOptions } from './scene.ts';
import { act, addProduct, newRelease, newWorld } from './server/ledger-world.ts';
import { codeFrom } from './server/try.ts';
import { STRANGER } from './stolen.ts';

const { sha256 } = verifier;

export interface Story {
  /** After USER_STORY. */
  name: string;
  /** In words: what is done here, or why it is not. */
  how: string;
  /** @returns what was not as promised; undefined where all was. Absent where the story is not supported. */
  run?(ground: Ground): Promise<string | undefined>;
}

export const STORIES: readonly Story[] = [
  {
    name: 'INSTALL.INSTRUCTIONS',
    how: 'policy and rollout say when: stored now, tried at the owner’s restart',
    async run(ground) {
      const s = await updating(ground, { publish: { policy: 3 } });
      const now = await s.victim.look();
      if (now.sequence !== 1 || now.trial !== 1) return 'it did not wait for the restart';
      await s.victim.boot();
      await s.victim.pass(5_000);
      return runs(s, 2);
    },
  },
  {
    name: 'MFST.FAIL_EARLY',
    how: 'another class’s release is refused before a frame is asked for',
    async run(ground) {
      const s = await updating(ground, { publish: { change: { vendorId: new Uint8Array(16) } } });
      if (!s.victim.codes.includes('WRONG_VENDOR')) return `it said ${s.victim.codes}`;
      return asked(s).length > 0 ? 'frames were asked for' : undefined;
    },
  },
  {
    name: 'OVERRIDE',
    how: 'not supported: nothing in a manifest may be overridden, and it names no place to fetch from',
  },
  {
    name: 'COMPONENT',
    how: 'one manifest names every component; all become current by one switch. They have one owner',
    async run(ground) {
      const radio = NOISE.subarray(0, 2000);
      const [one, two] = [radio, changed(radio, 9)].map((bytes) => ({ radio: bytes }));
      const s = await updating(ground, { components: one, publish: { components: two } });
      const [said] = s.server.reports.at(-1)?.components ?? [];
      return said?.code === 'OK' ? runs(s, 2) : `it said ${said?.code} of the radio`;
    },
  },
  {
    name: 'MULTI_AUTH',
    how: 'a release is confirmed after an approval by somebody else than its uploader, and not before',
    async run(ground) {
      const world = await newWorld();
      ground.after(() => world.end());
      await addProduct(world);
      const { leaf, args } = await newRelease(world, 1);
      await act(world, world.people.alice!, 'upload', leaf, args);
      const early = await codeFrom(act(world, world.keys.service, 'confirm', leaf));
      if (early !== 'NOT_APPROVED') return `confirmed early: ${early}`;
      await act(world, world.people.bob!, 'approve', leaf);
      return codeFrom(act(world, world.keys.service, 'confirm', leaf));
    },
  },
  {
    name: 'IMG.FORMAT',
    how: 'a delta where its base runs, else the whole image, compressed; the manifest says which',
    async run(ground) {
      const whole = await updating(ground, { publish: { bases: [] } });
      const delta = await updating(ground, {});
      const heads = asked(delta).map(({ chainHead }) => Buffer.from(chainHead).toString('hex'));
      const own = Buffer.from(delta.second.manifest.branches[0]!.payload.chainHead).toString('hex');
      if (!heads.every((head) => head === own)) return 'the delta was not taken';
      return (await runs(whole, 2)) ?? runs(delta, 2);
    },
  },
  {
    name: 'IMG.CONFIDENTIALITY',
    how: 'not supported yet: images are not encrypted; TLS hides them from the line alone',
  },
  {
    name: 'IMG.UNKNOWN_FORMAT',
    how: 'branches that this build or its memory cannot decode are declined before a frame is asked for',
    async run(ground) {
      const s = await updating(ground, { birth: { workspaceBytes: 64 } });
      if (!s.victim.codes.includes('NO_MEMORY')) return `it said ${s.victim.codes}`;
      return asked(s).length > 0 ? 'frames were asked for' : undefined;
    },
  },
  {
    name: 'IMG.CURRENT_VERSION',
    how: 'a branch is for the image that runs, by its digest; others are left aside',
    async run(ground) {
      const s = await updating(ground, {});
      const base = s.second.manifest.branches[0]!.base!;
      const fits = Buffer.compare(base.digest, sha256(s.first.image)) === 0;
      return fits ? runs(s, 2) : 'the branch is for another image';
    },
  },
  {
    name: 'IMG.SELECT',
    how: 'one manifest carries a branch for each image that may run; the device selects its own',
    async run(ground) {
      const s = await makeScene(ground);
      const bases = [s.second, s.first];
      await s.server.publish(changed(s.second.image, 9), { bases });
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const third = s.server.releases[2]!.manifest.branches[1]!.payload.chainHead;
      const right = asked(s).every(({ chainHead }) => Buffer.compare(chainHead, third) === 0);
      return right ? runs(s, 3) : 'it asked for the branch of another image';
    },
  },
  { name: 'EXEC.MFST', how: 'not supported: the boot loader keeps a record of its own and reads no manifest' },
  {
    name: 'EXEC.DECOMPRESS',
    how: 'a compressed image is expanded into the slot in a fixed workspace',
    async run(ground) {
      const image = new Uint8Array(12_000).fill(0x55);
      const s = await updating(ground, { image, publish: { bases: [] } });
      const { bytes } = s.second.manifest.branches[0]!.payload;
      return bytes > 2_000 ? `${bytes} bytes were sent` : runs(s, 2);
    },
  },
  { name: 'MFST.IMG', how: 'not supported: a payload is always fetched in frames, however small' },
  {
    name: 'MFST.PARSE',
    how: 'a manifest of eight branches has under two kilobytes, and one form alone',
    async run(ground) {
      const s = await makeScene(ground);
      const [branch, full] = s.second.manifest.branches;
      const branches = [...new Array(7).fill(branch), full!];
      const { length } = encodeManifest({ ...s.second.manifest, branches });
      return length > 2048 ? `${length} bytes` : undefined;
    },
  },
  {
    name: 'MFST.DELEGATION',
    how: 'a next trust root names a new key for a role, and its releases are taken',
    async run(ground) {
      const s = await makeScene(ground);
      const { server, victim } = s;
      const collection = { threshold: 1, keys: [publicKeyOf(STRANGER)], implicit: [] };
      const payload = encodeRoot({ ...server.root, version: 2, roles: { ...server.root.roles, collection } });
      const root = encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, server.signers.root)]);
      const options = { bases: [s.first], change: { sequence: 2 }, previousLeaf: s.first.releaseLeaf };
      await server.publish(changed(s.first.image, 11), { ...options, signers: { collection: STRANGER } });
      server.root.version = 2;
      victim.lie = (answer) => (answer.kind === ROOTS ? { ...answer, roots: [root] } : answer);
      await victim.hear(await server.announcement());
      await victim.pass(20_000);
      return runs(s, 2);
    },
  },
  {
    name: 'MFST.PRE_CHECK',
    how: 'everything is evaluated, and the owner asked, before the transfer begins',
    async run(ground) {
      const s = await updating(ground, { birth: { veto: true } });
      if (!s.victim.codes.includes('VETO')) return `it said ${s.victim.codes}`;
      return asked(s).length > 0 ? 'frames were asked for' : undefined;
    },
  },
  {
    name: 'MFST.ADMINISTRATION',
    how: 'an envelope is shown to people: version, class, image, every command by its name',
    async run(ground) {
      const s = await makeScene(ground);
      const { envelope } = await s.server.parts();
      const text = JSON.stringify(inspectEnvelope(envelope, { sha256 }));
      return ['1.0.1', 'condition-class-identifier', 'image-digest'].find((word) => !text.includes(word));
    },
  },
];

/** The device hears of release 2 and does what it does. */
async function updating(ground: Ground, options: SceneOptions): Promise<Scene> {
  const s = await makeScene(ground, options);
  await s.victim.hear(await s.server.announcement());
  await s.victim.pass(20_000);
  return s;
}

async function runs({ victim }: Scene, sequence: number): Promise<string | undefined> {
  const now = await victim.look();
  return now.sequence === sequence ? undefined : `it runs ${now.sequence} and said ${victim.codes}`;
}

function asked({ victim }: Scene) {
  return victim.requests.filter((request) => request.kind === FRAMES);
}
