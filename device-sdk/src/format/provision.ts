/**
 * The provisioning record beside a factory image, outside the digested slot: the first trust root in full, a first
 * head, and which release the image is. The factory adds the device id.
 */
import { demand } from '../errors.ts';
import { decode, encode, type Value } from './cbor.ts';
import type { Head } from './head.ts';
import { CLASS_BYTES } from './index-entry.ts';
import { HASH_BYTES } from './merkle.ts';
import { ID_BYTES } from './rollout.ts';
import { ROOT_BYTES_MAX } from './root.ts';
import { asArray, asBytes, asText, asUint, optional, shown } from './shape.ts';
import {
  COMPONENT_ID_CHARS_MAX,
  COMPONENTS_MAX,
  type ComponentImage,
  type ReleaseImage,
  VERSION_CHARS_MAX,
} from './suit.ts';

export const PROVISION_VERSION = 1;
/** A trust root of full size, nine hashes and ids, three texts, the images of three further components. */
export const PROVISION_BYTES_MAX = ROOT_BYTES_MAX + 1024;

export interface Provision {
  trustRoot: Uint8Array;
  head: Head;
  vendorId: Uint8Array;
  classId: Uint8Array;
  /** The release that the factory image is. */
  manifestDigest: Uint8Array;
  releaseLeaf: Uint8Array;
  sequence: number;
  image: ReleaseImage;
  version: string;
  brokerId: string;
  deviceId?: Uint8Array;
  /** Of the device's reports; above 0 where it was enrolled again, with another key. */
  epoch?: number;
}

export function encodeProvision(p: Provision): Uint8Array {
  const h = p.head;
  return encode([
    PROVISION_VERSION,
    p.trustRoot,
    [h.origin, h.size, h.root, h.indexRoot, h.time, h.rootVersion],
    p.vendorId,
    p.classId,
    [
      ...[p.manifestDigest, p.releaseLeaf, p.sequence, p.image.digest, p.image.bytes, p.version],
      ...(p.image.components ? [p.image.components.map(({ id, digest, bytes }): Value => [id, digest, bytes])] : []),
    ],
    p.brokerId,
    p.deviceId ?? null,
    ...(p.epoch ? [p.epoch] : []),
  ]);
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readProvision(bytes: Uint8Array): Provision {
  demand(bytes.length <= PROVISION_BYTES_MAX, 'TOO_LARGE', `the provisioning record has ${bytes.length} bytes`);
  const items = asArray(decode(bytes), 'provisioning record');
  demand(items.length === 8 || items.length === 9, 'MALFORMED', `a provisioning record of ${items.length} items`);
  const [recordVersion, trustRoot, head, vendorId, classId, release, brokerId, deviceId, epoch] = items;
  demand(recordVersion === PROVISION_VERSION, 'UNSUPPORTED', `provisioning record version ${shown(recordVersion)}`);
  const [origin, size, root, indexRoot, time, rootVersion] = asArray(head, 'head', 6);
  const fields = asArray(release, 'release');
  demand(fields.length === 6 || fields.length === 7, 'MALFORMED', `a release of ${fields.length} fields`);
  const [manifestDigest, releaseLeaf, sequence, digest, imageBytes, version, further] = fields;
  return {
    trustRoot: asBytes(trustRoot, 'trust root'),
    head: {
      origin: asText(origin, 'origin'),
      size: asUint(size, 'tree size'),
      root: asBytes(root, 'root', HASH_BYTES),
      indexRoot: asBytes(indexRoot, 'index root', HASH_BYTES),
      time: asUint(time, 'time'),
      rootVersion: asUint(rootVersion, 'trust root version'),
    },
    vendorId: asBytes(vendorId, 'vendor id', 16),
    classId: asBytes(classId, 'class id', CLASS_BYTES),
    manifestDigest: asBytes(manifestDigest, 'manifest digest', HASH_BYTES),
    releaseLeaf: asBytes(releaseLeaf, 'release leaf', HASH_BYTES),
    sequence: asUint(sequence, 'sequence'),
    image: {
      digest: asBytes(digest, 'image digest', HASH_BYTES),
      bytes: asUint(imageBytes, 'image size', 0xffffffff),
      ...(further !== undefined && { components: readComponents(further) }),
    },
    version: asText(version, 'version', VERSION_CHARS_MAX),
    brokerId: asText(brokerId, 'broker id'),
    deviceId: optional(deviceId, (value) => asBytes(value, 'device id', ID_BYTES)),
    ...(epoch !== undefined && { epoch: asEpoch(epoch) }),
  };
}

/** The first epoch is not written: one record, one form. */
function asEpoch(value: Value): number {
  const epoch = asUint(value, 'epoch');
  demand(epoch > 0, 'MALFORMED', 'epoch 0 is not written');
  return epoch;
}

function readComponents(value: Value): ComponentImage[] {
  const items = asArray(value, 'components');
  demand(items.length > 0 && items.length < COMPONENTS_MAX, 'MALFORMED', `${items.length} further components`);
  return items.map((item) => {
    const [id, digest, bytes] = asArray(item, 'component', 3);
    return {
      id: asText(id, 'component id', COMPONENT_ID_CHARS_MAX),
      digest: asBytes(digest, 'image digest', HASH_BYTES),
      bytes: asUint(bytes, 'image size', 0xffffffff),
    };
  });
}
