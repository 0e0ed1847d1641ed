/** Vectors of manifests, of several components, and of envelopes. */
import {
  asArray,
  asMap,
  concat,
  decode,
  decodeSign1,
  encode,
  encodeManifest,
  encodeSign1,
  Tagged,
  unwrap,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { bytesOf, componentsOf, manifestOf, payloadOf, signers, type World } from '../support/world.ts';
import { accepted, type FormatVector, refused, signature } from './format-vector.ts';
import { listed } from './manifest-notes.ts';

export function manifestVectors(): FormatVector[] {
  const m = listed();
  const bytes = encodeManifest(m);
  const map = asMap(decode(bytes), 'manifest');
  const edit = (key: number, value: Value) => encode(new Map([...map, [key, value] as const]));
  const branch = m.branches.at(-1)!;
  const small = { ...branch, payload: payloadOf('small', 100, 256) };
  const frames = (change: object) =>
    encodeManifest({ ...m, branches: [{ ...branch, payload: { ...branch.payload, ...change } }] });
  return [
    accepted('manifest', 'manifest-two-bases', 'two deltas and the full image; listed in FORMAT', bytes),
    accepted(
      'manifest',
      'manifest-full-only',
      'a first release: the full image alone',
      encodeManifest(manifestOf(0, { sequence: 1 })),
    ),
    accepted('manifest', 'manifest-eight-branches', 'seven bases', encodeManifest(manifestOf(7))),
    accepted(
      'manifest',
      'manifest-downgrade',
      'old bytes under a new sequence',
      encodeManifest(manifestOf(0, { policy: 8, version: '1.3.9' })),
    ),
    accepted(
      'manifest',
      'manifest-one-frame',
      'a payload shorter than a frame',
      encodeManifest({ ...m, branches: [small] }),
    ),
    refused('manifest', 'manifest-version-2', 'another manifest version', 'UNSUPPORTED', edit(1, 2)),
    refused('manifest', 'manifest-load', 'a load section', 'MALFORMED', edit(8, encode([12, 0]))),
    refused('manifest', 'manifest-severed', 'a severed install section', 'MALFORMED', edit(20, [-16, bytesOf('x')])),
    refused('manifest', 'manifest-no-check', 'validate without image-match', 'MALFORMED', edit(7, encode([12, 0]))),
    refused(
      'manifest',
      'manifest-frame-count',
      'one frame more than the payload has',
      'MALFORMED',
      frames({ frameCount: branch.payload.frameCount + 1 }),
    ),
    refused(
      'manifest',
      'manifest-frame-size',
      'frames of 128 bytes',
      'MALFORMED',
      frames({ frameBytes: 128, frameCount: Math.ceil(branch.payload.bytes / 128) }),
    ),
    refused(
      'manifest',
      'manifest-two-full',
      'two branches without base',
      'MALFORMED',
      encodeManifest({ ...m, branches: [branch, branch] }),
    ),
    refused(
      'manifest',
      'manifest-no-full',
      'only deltas',
      'MALFORMED',
      encodeManifest({ ...m, branches: m.branches.slice(0, 2) }),
    ),
    refused(
      'manifest',
      'manifest-policy-16',
      'an unknown policy bit',
      'MALFORMED',
      encodeManifest({ ...m, policy: 16 }),
    ),
    ...componentVectors(),
    refused('manifest', 'manifest-trailing', 'a byte after the map', 'MALFORMED', concat(bytes, Uint8Array.of(0))),
    refused('manifest', 'manifest-too-large', '2049 bytes', 'TOO_LARGE', new Uint8Array(2049)),
  ];
}

/** Manifests of several components, and what is wrong with others. */
export function componentVectors(): FormatVector[] {
  const two = manifestOf(1, { components: componentsOf('radio') });
  const map = asMap(decode(encodeManifest(two)), 'manifest');
  const common = asMap(unwrap(map.get(3), 'common'), 'common');
  const names = asArray(common.get(2), 'components');
  const install = asArray(unwrap(map.get(20), 'install'), 'install');
  const renamed = (...further: string[]) => {
    const items = further.flatMap((id): Value[] => [1, 0].map((n) => [utf8(id), Uint8Array.of(n)]));
    const changed = new Map([...common, [2, [...names.slice(0, 3), ...items]] as const]);
    return encode(new Map([...map, [3, encode(changed)] as const]));
  };
  const installing = (items: Value[]) => encode(new Map([...map, [20, encode(items)] as const]));
  const bad: [string, string, Uint8Array][] = [
    ['double-component', 'two components of one name', renamed('app')],
    ['component-name', 'a name with a capital letter', renamed('Radio')],
    ['component-long', 'a name of 17 characters', renamed('a'.repeat(17))],
    ['component-missing', 'a named component without an image', renamed('radio', 'sensor')],
    ['five-components', 'more than four', renamed('radio', 'sensor', 'modem', 'camera')],
    ['component-uninstalled', 'a component that no command installs', installing(install.slice(0, 6))],
    ['component-swapped', 'installed in another order', installing([...install.slice(6), ...install.slice(0, 6)])],
    [
      'component-no-full',
      'a component with a delta only',
      installing(install.map((v, i) => (i === 7 ? [(v as Value[])[0]!] : v))),
    ],
    [
      'component-payload',
      "the application's payload for the radio too",
      installing(install.map((v, i) => (i === 7 ? install[1]! : v))),
    ],
  ];
  return [
    accepted('manifest', 'manifest-two-components', 'application and radio, each with a delta', encodeManifest(two)),
    accepted(
      'manifest',
      'manifest-four-components',
      'as many as there may be',
      encodeManifest(manifestOf(3, { components: componentsOf('radio', 'sensor', 'modem') })),
    ),
    ...bad.map(([id, why, bytes]) => refused('manifest', `manifest-${id}`, why, 'MALFORMED', bytes)),
  ];
}

export function envelopeVectors(w: World): FormatVector[] {
  const map = asMap((decode(w.envelope) as Tagged).value, 'envelope');
  const [digest, block1, block2] = asArray(unwrap(map.get(2), 'wrapper'), 'wrapper') as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const make = (wrapper: Value[], extra: [number | string, Value][] = []) =>
    encode(new Tagged(107, new Map<number | string, Value>([[2, encode(wrapper)], [3, w.manifest], ...extra])));
  const first = signature('collection', signers.collection, w.leaf, digest);
  const second = signature('distribution', signers.distribution, w.block2, digest);
  const attached = encodeSign1({ ...decodeSign1(w.leaf), unprotected: new Map([[4, new Uint8Array(8)]]) });
  return [
    accepted('envelope', 'envelope', 'two blocks over one digest', w.envelope, { signatures: [first, second] }),
    accepted('block1', 'leaf', 'block 1 as the ledger stores it: payload attached', w.leaf, { signatures: [first] }),
    accepted('block2', 'block2', 'block 2 as it stands in the envelope', w.block2, { signatures: [second] }),
    refused('envelope', 'envelope-one-block', 'block 2 is missing', 'MALFORMED', make([digest, block1])),
    refused('envelope', 'envelope-swapped', 'blocks in the other order', 'MALFORMED', make([digest, block2, block1])),
    refused('envelope', 'envelope-three-blocks', 'block 2 twice', 'MALFORMED', make([digest, block1, block2, block2])),
    refused(
      'envelope',
      'envelope-payload',
      'an integrated payload',
      'MALFORMED',
      make([digest, block1, block2], [['#x', new Uint8Array(1)]]),
    ),
    refused(
      'envelope',
      'envelope-digest',
      'the digest of another manifest',
      'MALFORMED',
      make([encode([-16, bytesOf('x')]), block1, block2]),
    ),
    refused('envelope', 'envelope-untagged', 'no tag 107', 'MALFORMED', encode(map)),
    refused('block1', 'leaf-unprotected', 'an unprotected kid', 'MALFORMED', attached),
    refused('block1', 'leaf-is-block2', 'block 2 in the place of block 1', 'MALFORMED', w.block2),
    refused('block2', 'block2-is-leaf', 'block 1 in the place of block 2', 'MALFORMED', w.leaf),
  ];
}
