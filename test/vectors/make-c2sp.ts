/**
 * Writes test/vectors/c2sp.json: `node test/dist/vectors/make-c2sp.js`. Keys come from fixed seeds; ECDSA draws a nonce,
 * so the row with it is another one after each run, and is kept.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encodeBundle } from '@countersign/broker/ledger/c2sp/bundle';
import { checkpointText } from '@countersign/broker/ledger/c2sp/checkpoint';
import { encodeNote } from '@countersign/broker/ledger/c2sp/note';
import { cosignText, signText } from '@countersign/broker/ledger/c2sp/note-signatures';
import { encodeProof } from '@countersign/broker/ledger/c2sp/proof';
import { entriesPath, hashTilePath } from '@countersign/broker/ledger/c2sp/tile-path';
import { COSIGNATURE_V1, ECDSA_NOTE, ED25519_NOTE, encodeVkey, noteKey } from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest } from '@countersign/broker/ledger/c2sp/witness';
import { Tiles } from '@countersign/broker/ledger/log/tiles';
import { ALG_ED25519, ALG_ESP256, leafHash, publicKeyOf } from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

const { sha256 } = nodeVerifier();
const seed = (name: string) => new Uint8Array(createHash('sha256').update(`c2sp vectors ${name}`).digest());
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const ORIGIN = 'example.com/pumps';
const WITNESS = 'example.com/pumps/peer/0123456789abcdef';

const log = nodeKeyStore(ALG_ED25519, seed('log'));
const log256 = nodeKeyStore(ALG_ESP256, seed('log p256'));
const peer = nodeKeyStore(ALG_ED25519, seed('peer'));
const entries = Array.from({ length: 300 }, (_, i) => new TextEncoder().encode(`entry ${i}`));
const full = new Map<string, Uint8Array>();
const tiles = Tiles.empty(sha256, {
  tile: (level, n) => full.get(`${level}/${n}`),
  putTile: (level, n, hashes) => void full.set(`${level}/${n}`, hashes),
});
const roots: Uint8Array[] = [];
for (const entry of entries) {
  tiles.append(leafHash(sha256, entry));
  roots.push(tiles.root());
}

async function checkpoint(size: number) {
  const body = checkpointText({ origin: ORIGIN, size, root: roots[size - 1]! });
  const own = await signText(sha256, ORIGIN, log, body);
  const cosigned = await cosignText(sha256, WITNESS, peer, body, 1_800_000_000);
  return { body, own, cosigned };
}

const [before, now] = [await checkpoint(200), await checkpoint(300)];
const signed256 = await signText(sha256, ORIGIN, log256, now.body);
const note = encodeNote({ text: now.body, signatures: [now.own] });
const cosigned = encodeNote({ text: now.body, signatures: [now.own, now.cosigned] });

const vectors = {
  why: 'the formats of c2sp.org for one log of 300 entries, `entry 0` to `entry 299`',
  vkeys: {
    log: encodeVkey(noteKey(sha256, ORIGIN, ED25519_NOTE, publicKeyOf(log))),
    logP256: encodeVkey(noteKey(sha256, ORIGIN, ECDSA_NOTE, publicKeyOf(log256))),
    peer: encodeVkey(noteKey(sha256, WITNESS, COSIGNATURE_V1, publicKeyOf(peer))),
  },
  checkpoint: text(note),
  checkpointP256: text(encodeNote({ text: now.body, signatures: [signed256] })),
  cosigned: text(cosigned),
  request: text(encodeRequest(200, tiles.consistency(200, 300), note)),
  before: text(encodeNote({ text: before.body, signatures: [before.own] })),
  proof: text(encodeProof({ index: 7, path: tiles.inclusion(7, 300), checkpoint: cosigned })),
  bundle: Buffer.from(encodeBundle(entries.slice(256))).toString('hex'),
  paths: [
    [0, 0, 256],
    [0, 1, 44],
    [1, 0, 1],
    [2, 1_234_067, 256],
    [0, 999, 255],
    [0, 1000, 1],
  ].map(([level, n, width]) => ({
    level,
    n,
    width,
    hashes: hashTilePath({ level: level!, n: n!, width: width! }),
    entries: entriesPath({ n: n!, width: width! }),
  })),
};
const file = fileURLToPath(new URL('../../vectors/c2sp.json', import.meta.url));
writeFileSync(file, `${JSON.stringify(vectors, null, 2)}\n`);
