/**
 * Every decoder of hostile bytes with valid samples of its input. The fuzz tests mutate them; whoever adds a decoder
 * adds a row.
 */
import {
  coseKey,
  decode,
  decodeSign1,
  encode,
  encodeAnswer,
  encodeRequest,
  fromUtf8,
  inspectEnvelope,
  type Kind,
  openFrame,
  publicKeyOf,
  readAck,
  readAnnouncement,
  readAnswer,
  readBlock1,
  readBlock2,
  readCommand,
  readCoseKey,
  readEnvelope,
  readFresh,
  readHead,
  readIndexEntry,
  readLogin,
  readManifest,
  readProvision,
  readReceipt,
  readReport,
  readRequest,
  readRollout,
  readSignedRoot,
  readStatement,
  readTransaction,
  utf8,
} from '@countersign/device-sdk/format';
import { bytesOf, makeWorld, sha256, signers, verifier } from './world.ts';

/** A name, valid input, and the decoder: it returns anything or throws a Refusal. */
export type Sample = readonly [name: string, valid: Uint8Array, decoder: (bytes: Uint8Array) => unknown];

export async function formatSamples(): Promise<Sample[]> {
  const w = await makeWorld();
  const seven = await makeWorld(7);
  const statement = (kind: Kind, read: (payload: Uint8Array) => unknown) => (bytes: Uint8Array) =>
    read(readStatement(bytes, kind).payload);
  const payloadOf = (bytes: Uint8Array) => decodeSign1(bytes).payload!;
  const inspect = (bytes: Uint8Array) =>
    inspectEnvelope(bytes, { sha256, verifier, key: publicKeyOf(signers.collection) });
  const frame = { bytes: 40, chainHead: bytesOf('frame'), frameBytes: 256, frameCount: 1 };
  return [
    ['decode', w.announcement, (bytes) => decode(bytes)],
    ['decode, leniently', w.manifest, (bytes) => decode(bytes, { unsorted: true, arrayKeys: true, itemsMax: 1000 })],
    ['fromUtf8', utf8('délta ☃ 𝄞 text'), fromUtf8],
    ['decodeSign1', w.tx, decodeSign1],
    ['readCoseKey', encode(coseKey(publicKeyOf(signers.log))), (bytes) => readCoseKey(decode(bytes))],
    ['readManifest', w.manifest, readManifest],
    ['readManifest, seven bases', seven.manifest, readManifest],
    ['readBlock1', w.leaf, readBlock1],
    ['readBlock2', w.block2, readBlock2],
    ['readEnvelope', w.envelope, (bytes) => readEnvelope(sha256, bytes)],
    ['inspectEnvelope', w.envelope, inspect],
    ['readHead', w.head, readHead],
    ['readReceipt', w.receipt, readReceipt],
    ['readIndexEntry', w.indexEntry, readIndexEntry],
    ['readAnnouncement', w.announcement, readAnnouncement],
    ['readRollout', w.rollout, statement('rollout', readRollout)],
    ['readRollout, payload', payloadOf(w.rollout), readRollout],
    ['readReport', w.report, statement('report', readReport)],
    ['readReport, payload', payloadOf(w.report), readReport],
    ['readSignedRoot', w.root, (bytes) => readSignedRoot(sha256, bytes)],
    ['readTransaction', w.tx, statement('tx', readTransaction)],
    ['readTransaction, payload', payloadOf(w.tx), readTransaction],
    ['readLogin', w.login, statement('login', readLogin)],
    ['readAck', w.ack, statement('ack', readAck)],
    ['readFresh', w.fresh, statement('fresh', readFresh)],
    ['readCommand', w.cmd, statement('cmd', readCommand)],
    ['readLogin, payload', payloadOf(w.login), readLogin],
    ['readAck, payload', payloadOf(w.ack), readAck],
    ['readFresh, payload', payloadOf(w.fresh), readFresh],
    ['readCommand, payload', payloadOf(w.cmd), readCommand],
    ['readProvision', w.provision, readProvision],
    ...requests().map((bytes, i): Sample => [`readRequest, kind ${i + 1}`, bytes, readRequest]),
    ...answers(w.announcement, w.root).map((bytes, i): Sample => [`readAnswer, kind ${i}`, bytes, readAnswer]),
    ['openFrame', new Uint8Array(40), (bytes) => openFrame(sha256, frame, 0, frame.chainHead, bytes)],
  ];
}

/** One request of each kind, kind 1 first. */
export function requests(): Uint8Array[] {
  return [
    encodeRequest({ id: 1, kind: 1, chainHead: bytesOf('chain head'), first: 4, count: 8 }),
    encodeRequest({ id: 2, kind: 2, from: 4, to: 900 }),
    encodeRequest({ id: 3, kind: 3, leafHash: bytesOf('leaf'), count: 3 }),
    encodeRequest({ id: 4, kind: 4, from: 2 }),
    encodeRequest({ id: 5, kind: 5, nonce: bytesOf('nonce', 16) }),
    encodeRequest({ id: 6, kind: 6 }),
    encodeRequest({ id: 8, kind: 8, thumbprint: bytesOf('thumbprint') }),
  ];
}

/** One answer of each kind, the refusal (kind 0) first. */
export function answers(announcement: Uint8Array, root: Uint8Array): Uint8Array[] {
  const membership = { salt: bytesOf('salt', 16), index: 1, size: 3, path: [bytesOf('sibling'), bytesOf('uncle')] };
  return [
    encodeAnswer({ id: 1, kind: 0, code: 'BUSY', retrySeconds: 30 }),
    encodeAnswer({ id: 1, kind: 1, index: 4, frame: new Uint8Array(288).fill(7) }),
    encodeAnswer({ id: 2, kind: 2, path: [bytesOf('node 1'), bytesOf('node 2')] }),
    encodeAnswer({ id: 3, kind: 3, entries: [new Uint8Array(180).fill(1), new Uint8Array(180).fill(2)] }),
    encodeAnswer({ id: 4, kind: 4, roots: [root] }),
    encodeAnswer({ id: 5, kind: 5, statement: new Uint8Array(170).fill(3) }),
    encodeAnswer({ id: 6, kind: 6, announcement, membership }),
    encodeAnswer({ id: 8, kind: 8, entry: new Uint8Array(420).fill(4), receipt: new Uint8Array(560).fill(5) }),
  ];
}
