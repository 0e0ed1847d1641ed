/** Bytes and signatures that are refused. */
import {
  decode,
  encode,
  encodeEnvelope,
  leafHash,
  signBlock1,
  signBlock2,
  type Tagged,
  type Value,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { verifier } from '../../support/pocket.ts';
import { altered, type Row, type Scene, scene } from './scene.ts';

const { sha256 } = verifier;

export const SIGNATURES: Row[] = [
  ['random bytes', 'MALFORMED', async () => [await scene(), new Uint8Array(300).fill(0x81)]],
  ['an oversized announcement', 'TOO_LARGE', async () => [await scene(), new Uint8Array(20_000)]],
  [
    'an announcement with one block (signature stripped)',
    'MALFORMED',
    async () => {
      const s = await scene();
      return [s, await altered(s, (parts) => ({ ...parts, envelope: stripped(parts.envelope) }))];
    },
  ],
  [
    'both signatures by the collection key',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'collection', 'collection')];
    },
  ],
  [
    'both signatures by the distribution key (a stolen D)',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'distribution', 'distribution')];
    },
  ],
  [
    'a first signature by a stranger',
    'UNKNOWN_KEY',
    async () => {
      const s = await scene();
      return [s, await withBlocks(s, 'stranger', 'distribution')];
    },
  ],
  [
    'a flipped bit in the first signature',
    'BAD_SIGNATURE',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => ({ ...parts, envelope: flipped(parts.envelope, s.second.leaf.subarray(-32)) })),
      ];
    },
  ],
  [
    'a flipped bit in the second signature',
    'BAD_SIGNATURE',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => ({ ...parts, envelope: flipped(parts.envelope, s.second.block2.subarray(-32)) })),
      ];
    },
  ],
  [
    'a second signature that confirms another block 1',
    'BAD_CHAIN',
    async () => {
      const s = await scene();
      const { size, root } = s.server.head();
      const releaseLeaf = s.first.releaseLeaf;
      const block2 = await signBlock2(
        sha256,
        s.second.manifestBytes,
        { releaseLeaf, size, root },
        s.server.signers.distribution,
      );
      const envelope = encodeEnvelope(sha256, s.second.manifestBytes, s.second.leaf, block2);
      return [s, await altered(s, (parts) => ({ ...parts, envelope }))];
    },
  ],
];

const stranger = nodeKeyStore(-19, new Uint8Array(32).fill(99));

async function withBlocks(
  s: Scene,
  one: 'collection' | 'distribution' | 'stranger',
  two: 'collection' | 'distribution' | 'stranger',
) {
  const signer = (name: string) => (name === 'stranger' ? stranger : s.server.signers[name as 'collection']);
  const { manifestBytes, leafIndex } = s.second;
  const leaf = await signBlock1(sha256, manifestBytes, s.first.releaseLeaf, signer(one));
  s.server.entries[leafIndex] = leaf;
  const releaseLeaf = leafHash(sha256, leaf);
  const { size, root } = s.server.head();
  const block2 = await signBlock2(sha256, manifestBytes, { releaseLeaf, size, root }, signer(two));
  const release = { ...s.second, leaf, releaseLeaf, block2 };
  await s.server.roll(release);
  return s.server.announcement(release);
}

function stripped(envelope: Uint8Array): Uint8Array {
  const tagged = decode(envelope) as Tagged;
  const map = tagged.value as Map<number, Value>;
  const wrapper = decode(map.get(2) as Uint8Array) as Value[];
  map.set(2, encode(wrapper.slice(0, 2)));
  return encode(tagged);
}

/** Flips a bit inside the place where `needle` stands. */
function flipped(haystack: Uint8Array, needle: Uint8Array): Uint8Array {
  const at = Buffer.from(haystack).indexOf(Buffer.from(needle));
  const out = haystack.slice();
  out[at]! ^= 1;
  return out;
}
