/** Rows 11 to 17: what belongs together, and for whom it is. */
import {
  decode,
  encode,
  encodeAnnouncement,
  encodeEnvelope,
  FRAMES,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, heard, lied, makeScene, NOISE, recovers, type Scene } from '../scene.ts';
import { mixedRows, setRows } from './device-components.ts';

const { sha256 } = verifier;

export const mixAndMatch: Attack = {
  id: 11,
  name: 'mix and match',
  source: 'TUF, Uptane',
  against: ['device'],
  variants: [
    heard('joins block 1 of one release with block 2 of another', 'BAD_SIGNATURE', (s) =>
      altered(s, () => ({ envelope: encodeEnvelope(sha256, s.second.manifestBytes, s.second.leaf, s.first.block2) })),
    ),
    heard('joins the envelope of one release with the receipt of another', 'NO_RECEIPT', async (s) => {
      const { receipt } = await s.server.parts(s.first);
      return altered(s, () => ({ receipt }));
    }),
    heard('joins a release with the rollout of another', 'NOT_CURRENT', async (s) => {
      const parts = await s.server.parts(s.second);
      await s.server.roll(s.first);
      return encodeAnnouncement({ ...parts, rollout: s.server.rollout });
    }),
    heard('joins a release with a rollout of another class', 'NOT_CURRENT', (s) =>
      rolledOut(s, { classId: new Uint8Array(16) }),
    ),
    heard('joins a release with a rollout of another second signature', 'NOT_CURRENT', (s) =>
      rolledOut(s, { block2Digest: sha256(s.first.block2) }),
    ),
    heard('opens a rollout that the class index does not name', 'NOT_CURRENT', async (s) => {
      const { index } = s.server;
      await s.server.roll(s.second, 0, { jitterSeconds: 1 });
      s.server.index = index;
      return s.server.announcement();
    }),
    lied('answers with the frames of another release', 'BAD_FRAME', (s) => {
      const others = s.server.frames(s.first.manifest.branches[0]!.payload);
      return (answer) =>
        answer.kind === FRAMES ? { ...answer, frame: others[answer.index % others.length]! } : answer;
    }),
    lied(
      'answers with the frames in another order',
      'BAD_FRAME',
      (s) => {
        const frames = s.second.manifest.branches.map(({ payload }) => s.server.frames(payload));
        return (answer) => {
          if (answer.kind !== FRAMES) return answer;
          const own = frames.find((list) => list.some((frame) => frame === answer.frame)) ?? frames[0]!;
          return { ...answer, frame: own[(answer.index + 1) % own.length]! };
        };
      },
      { image: NOISE },
    ),
    ...mixedRows,
  ],
};

async function rolledOut(s: Scene, change: object): Promise<Uint8Array> {
  await s.server.roll(s.second, 0, change);
  return s.server.announcement();
}

export const partialBundle: Attack = {
  id: 12,
  name: 'partial bundle',
  source: 'Uptane',
  against: ['device'],
  variants: [
    withheld('keeps back the last frame', (index, count) => index === count - 1),
    withheld('keeps back every second frame', (index) => index % 2 === 1),
    withheld('keeps back all but the first frame', (index) => index > 0),
    ...setRows,
  ],
};

/** Half of an image may be in the other slot; it is never tried, and the rest is fetched when there is a rest. */
function withheld(how: string, keeps: (index: number, count: number) => boolean): Variant {
  return {
    how,
    expect: 'LINK_LOST',
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] } });
      const { frameCount } = s.second.manifest.branches[0]!.payload;
      s.victim.lie = (answer) => (answer.kind === FRAMES && keeps(answer.index, frameCount) ? [] : answer);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(60_000);
      const { harm, codes } = await found(s, ['head', 'other']);
      return { harm: harm ?? (await recovers(s, 2)), codes };
    },
  };
}

/** The manifest as this changes it, signed by both, logged and current: only what it says is wrong. */
function rewritten(how: string, expect: Variant['expect'], change: (manifest: ManifestMap) => void): Variant {
  const rewrite = (bytes: Uint8Array) => {
    const map = decode(bytes) as ManifestMap;
    change(map);
    return encode(map);
  };
  return heard(how, expect, (s) => s.server.announcement(), { publish: { rewrite }, spare: ['head'] });
}

type ManifestMap = Map<number, Value>;

/** Changes what is wrapped in a byte string under this key. */
function inside(map: ManifestMap, key: number, change: (value: Value) => Value | undefined): void {
  const value = decode(map.get(key) as Uint8Array);
  map.set(key, encode(change(value) ?? value));
}

const listOf = (value: Value) => value as Value[];

export const extraComponent: Attack = {
  id: 13,
  name: 'an extra component',
  source: 'TUF: extraneous dependencies',
  against: ['device'],
  variants: [
    rewritten('adds a component', 'MALFORMED', (map) =>
      inside(map, 3, (common) => void listOf((common as ManifestMap).get(2)!).push([utf8('radio')])),
    ),
    rewritten('adds a dependency', 'MALFORMED', (map) =>
      inside(map, 3, (common) => void (common as ManifestMap).set(1, new Map([[0, new Map()]]))),
    ),
    rewritten('adds a command to the install sequence', 'MALFORMED', (map) =>
      inside(map, 20, (sequence) => void listOf(sequence).push(23, 2)),
    ),
    rewritten('adds a sequence', 'MALFORMED', (map) => void map.set(8, encode([12, 0]))),
    rewritten('runs another component than the one installed', 'MALFORMED', (map) =>
      inside(map, 9, (sequence) => listOf(sequence).with(1, 1)),
    ),
    rewritten('adds a parameter', 'MALFORMED', (map) =>
      inside(map, 3, (common) => {
        inside(common as ManifestMap, 4, (shared) => void (listOf(shared)[3] as ManifestMap).set(22, utf8('file:/')));
        return common;
      }),
    ),
  ],
};

const OTHER_ID = new Uint8Array(16).fill(9);
const RADIO = new Uint8Array(500).fill(7);

export const otherModel: Attack = {
  id: 14,
  name: "another model's image",
  source: 'TUF; RFC 9124 THREAT.IMG.INCOMPATIBLE, REQ.SEC.COMPATIBLE',
  against: ['device'],
  variants: [
    heard('offers another vendor’s release', 'WRONG_VENDOR', (s) => s.server.announcement(), {
      publish: { change: { vendorId: OTHER_ID } },
    }),
    heard('offers another class’s release', 'WRONG_CLASS', otherClass),
    heard('offers a release with a component that it has not', 'WRONG_COMPONENTS', (s) => s.server.announcement(), {
      publish: { components: { radio: RADIO } },
      // The head is as good as any: it is this device that cannot take the release.
      spare: ['head'],
    }),
    heard(
      'lets the rollout name the device’s class and the manifest another',
      'NOT_CURRENT',
      (s) => s.server.announcement(),
      {
        publish: { change: { classId: OTHER_ID } },
      },
    ),
    rewritten('leaves the vendor check out', 'MALFORMED', withoutCheck(1)),
    rewritten('leaves the class check out', 'MALFORMED', withoutCheck(2)),
  ],
};

async function otherClass(s: Scene): Promise<Uint8Array> {
  await s.server.publish(changed(s.second.image, 9), {
    previousLeaf: s.first.releaseLeaf,
    change: { classId: OTHER_ID, sequence: 2 },
    rollout: { classId: OTHER_ID },
  });
  s.server.index = { ...s.server.index!, classId: OTHER_ID };
  return s.server.announcement();
}

function withoutCheck(condition: number) {
  return (map: ManifestMap) =>
    inside(map, 3, (common) => {
      inside(common as ManifestMap, 4, (shared) => {
        const list = listOf(shared);
        const at = list.lastIndexOf(condition);
        return [...list.slice(0, at), ...list.slice(at + 2)];
      });
      return common;
    });
}

export const wrongLocation: Attack = {
  id: 17,
  name: 'wrong location',
  source: 'RFC 9124 THREAT.IMG.LOCATION',
  against: ['device'],
  variants: [
    rewritten('names the running slot as the target', 'MALFORMED', target([utf8('app'), Uint8Array.of(0)])),
    rewritten(
      'names an offset of the target',
      'MALFORMED',
      target([utf8('app'), Uint8Array.of(1), Uint8Array.of(0x10)]),
    ),
    rewritten('names a place outside the slots', 'MALFORMED', target([utf8('boot')])),
    rewritten('writes with another command', 'MALFORMED', (map) =>
      inside(map, 20, (sequence) => listOf(sequence).with(-2, 18)),
    ),
    heard('signs an image that is larger than the slot', 'NO_SPACE', (s) => s.server.announcement(), {
      publish: { change: { image: { digest: new Uint8Array(32), bytes: 16_385 } } },
      spare: ['head'],
    }),
    heard('signs a branch that wants more memory than there is', 'NO_MEMORY', (s) => s.server.announcement(), {
      birth: { workspaceBytes: 64 },
      spare: ['head'],
    }),
    heard('signs branches of a larger memory class', 'NO_MEMORY', (s) => s.server.announcement(), {
      birth: { memoryClass: 'S' },
      spare: ['head'],
    }),
  ],
};

function target(component: Value[]) {
  return (map: ManifestMap) =>
    inside(map, 3, (common) => void (listOf((common as ManifestMap).get(2)!)[0] = component));
}
