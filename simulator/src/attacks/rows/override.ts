/** Row 25: what is written over a manifest, beside what is signed. */
import {
  type CborMap,
  decode,
  decodeSign1,
  encode,
  encodeSign1,
  Tagged,
  type Value,
} from '@countersign/device-sdk/format';
import type { Attack } from '../attack.ts';
import { altered, relabelled, withEnvelopeMap, withWrapper } from '../forge.ts';
import { heard, type Scene } from '../scene.ts';

export const override: Attack = {
  id: 25,
  name: 'manifest override',
  source: 'RFC 9124 THREAT.MFST.OVERRIDE',
  against: ['device'],
  variants: [
    heard('adds a field to the announcement', 'MALFORMED', async (s) => {
      const items = decode(await s.server.announcement()) as Value[];
      return encode([...items, 'http://mirror.example']);
    }),
    heard('adds an unsigned key to the envelope', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({
        envelope: withEnvelopeMap(envelope, (map) => void map.set(23, new Uint8Array(8))),
      })),
    ),
    heard('writes into the unprotected header of block 1', 'MALFORMED', (s) => unprotected(s, 1)),
    heard('writes into the unprotected header of block 2', 'MALFORMED', (s) => unprotected(s, 2)),
    heard('writes into the unprotected header of the rollout', 'MALFORMED', (s) =>
      altered(s, ({ rollout }) => ({ rollout: relabelled(rollout, { unprotected: new Map([[21, 1]]) }) })),
    ),
    heard('writes into the unprotected header of the receipt', 'MALFORMED', (s) =>
      altered(s, ({ receipt }) => ({
        receipt: relabelled(receipt, ({ unprotected: map }) => ({ unprotected: new Map(map).set(21, 1) })),
      })),
    ),
    heard('puts another digest in front of the two blocks', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({
        envelope: withWrapper(envelope, (items) => items.with(0, otherDigest(items[0]!))),
      })),
    ),
    heard('claims another size in the receipt’s proof', 'NO_RECEIPT', (s) =>
      altered(s, ({ receipt }) => ({ receipt: relabelled(receipt, { unprotected: proofOf(999) }) })),
    ),
    heard('tags the envelope as something else', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({ envelope: encode(new Tagged(108, (decode(envelope) as Tagged).value)) })),
    ),
    heard('leaves the tag of block 1 out', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({
        envelope: withWrapper(envelope, (items) =>
          items.with(1, encode((decode(items[1] as Uint8Array) as Tagged).value)),
        ),
      })),
    ),
  ],
};

function unprotected(s: Scene, block: number): Promise<Uint8Array> {
  return altered(s, ({ envelope }) => ({
    envelope: withWrapper(envelope, (items) =>
      items.with(block, encodeSign1({ ...decodeSign1(items[block] as Uint8Array), unprotected: new Map([[21, 1]]) })),
    ),
  }));
}

function otherDigest(value: Value): Uint8Array {
  const [alg] = decode(value as Uint8Array) as Value[];
  return encode([alg!, new Uint8Array(32)]);
}

function proofOf(size: number): CborMap {
  return new Map<number, Value>([[396, new Map<number, Value>([[-1, [encode([size, 0, []])]]])]]);
}
