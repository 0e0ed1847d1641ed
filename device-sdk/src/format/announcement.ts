/**
 * The announcement: one retained message per class with everything a device needs to decide.
 * [1, bstr envelope, bstr receipt, [[peer kid, alg, signature] …], [floor, index, size, path], bstr rollout].
 */
import { demand } from '../errors.ts';
import { decode, encode, type Value } from './cbor.ts';
import { KID_BYTES, SIGNATURE_BYTES } from './cose.ts';
import { ENVELOPE_BYTES_MAX } from './envelope.ts';
import { type Cosignature, readPath } from './head.ts';
import { asArray, asBytes, asInt, asUint, shown } from './shape.ts';

export const ANNOUNCEMENT_VERSION = 1;
export const COSIGNATURES_MAX = 16;
/** Envelope 2.5 KB, receipt under 2 KB at 2^53 leaves, 16 cosignatures, index proof, rollout. */
export const ANNOUNCEMENT_BYTES_MAX = ENVELOPE_BYTES_MAX + 8192;

export interface IndexProof {
  floor: number;
  index: number;
  size: number;
  path: Uint8Array[];
}

export interface Announcement {
  envelope: Uint8Array;
  receipt: Uint8Array;
  cosignatures: Cosignature[];
  indexProof: IndexProof;
  rollout: Uint8Array;
}

export function encodeAnnouncement(a: Announcement): Uint8Array {
  const cosignatures = a.cosignatures.map((item): Value => [item.kid, item.alg, item.signature]);
  const { floor, index, size, path } = a.indexProof;
  return encode([
    ANNOUNCEMENT_VERSION,
    a.envelope,
    a.receipt,
    cosignatures,
    [floor, index, size, [...path]],
    a.rollout,
  ]);
}

/** @throws Refusal MALFORMED, TOO_LARGE, UNSUPPORTED */
export function readAnnouncement(bytes: Uint8Array): Announcement {
  demand(bytes.length <= ANNOUNCEMENT_BYTES_MAX, 'TOO_LARGE', `the announcement has ${bytes.length} bytes`);
  const [version, envelope, receipt, cosignatures, proof, rollout] = asArray(decode(bytes), 'announcement', 6);
  demand(version === ANNOUNCEMENT_VERSION, 'UNSUPPORTED', `announcement version ${shown(version)}`);
  const [floor, index, size, path] = asArray(proof, 'index proof', 4);
  return {
    envelope: asBytes(envelope, 'envelope'),
    receipt: asBytes(receipt, 'receipt'),
    cosignatures: readCosignatures(cosignatures),
    indexProof: {
      floor: asUint(floor, 'floor'),
      index: asUint(index, 'index'),
      size: asUint(size, 'index size'),
      path: readPath(path),
    },
    rollout: asBytes(rollout, 'rollout'),
  };
}

export function readCosignatures(value: Value | undefined): Cosignature[] {
  const items = asArray(value, 'cosignatures');
  demand(items.length <= COSIGNATURES_MAX, 'MALFORMED', `${items.length} cosignatures`);
  return items.map((item) => {
    const [kid, alg, signature] = asArray(item, 'cosignature', 3);
    return {
      kid: asBytes(kid, 'kid', KID_BYTES),
      alg: asInt(alg, 'alg'),
      signature: asBytes(signature, 'signature', SIGNATURE_BYTES),
    };
  });
}
