/** Vectors of what stands between a device and the network: the local link, and bundles. */
import { encode, leafHash } from '@countersign/device-sdk/format';
import { type BundleHead, encodeStart, START_BYTES } from '@countersign/device-sdk/host/bundle/format';
import { peaksOf } from '@countersign/device-sdk/host/bundle/growth';
import type { BundledIssue } from '@countersign/device-sdk/host/bundle/issued';
import { encodeHello, encodeMessage, HELLO, PING } from '@countersign/device-sdk/host/local/format';
import { bytesOf, classId, payloadOf, sha256, type World } from '../support/world.ts';
import { accepted, type FormatVector, refused } from './format-vector.ts';

const deviceId = bytesOf('device', 16);

export function localVectors(): FormatVector[] {
  const hello = encodeHello({ deviceId, classId, login: bytesOf('login') });
  return [
    accepted('hello', 'hello', 'who, of which class, and a login', hello),
    accepted(
      'local',
      'local-two',
      'a hello and a ping',
      Buffer.concat([encodeMessage(HELLO, hello), encodeMessage(PING)]),
    ),
    refused(
      'hello',
      'hello-version',
      'another version',
      'UNSUPPORTED',
      encode([2, deviceId, classId, bytesOf('login')]),
    ),
    refused('hello', 'hello-short', 'three elements', 'MALFORMED', encode([1, deviceId, classId])),
    refused('local', 'local-kind', 'a kind that nobody sends', 'MALFORMED', Uint8Array.of(0, 0, 0, 0, 13)),
    refused('local', 'local-length', 'one byte too long', 'TOO_LARGE', Uint8Array.of(0, 0, 0x80, 1, 6)),
  ];
}

export function bundleVectors(w: World): FormatVector[] {
  return [...plainBundles(w), ...issuedBundles(w)];
}

/** Under implicit keys: a tenth element, which no other bundle has. */
function issuedBundles(w: World): FormatVector[] {
  const one = (name: string): BundledIssue => ({
    ...{ thumbprint: sha256(bytesOf(`key ${name}`)), entry: new Uint8Array(300).fill(name.length) },
    ...{ leafIndex: 3, path: [sha256(bytesOf('left')), sha256(bytesOf('right'))] },
  });
  const both = [one('first'), one('second')];
  const head: BundleHead = {
    ...{ origin: 'example/log', classId, sequence: 7, version: '1.2.0', roots: [w.root], announcement: w.announcement },
    ...{ growth: null, entries: [], payloads: [payloadOf('one', 2_000, 256)], issued: both },
  };
  const start = (change: Partial<BundleHead>) => encodeStart(sha256, { ...head, ...change });
  const longer = { ...both[0]!, entry: new Uint8Array(1_025) };
  return [
    accepted('bundle', 'bundle-issued', 'both signers have implicit keys', start({})),
    accepted('bundle', 'bundle-issued-one', 'one of them has', start({ issued: both.slice(0, 1) })),
    refused('bundle', 'bundle-issued-none', 'an element for no key', 'MALFORMED', start({ issued: [] })),
    refused('bundle', 'bundle-issued-many', 'three keys', 'MALFORMED', start({ issued: [...both, one('third')] })),
    refused('bundle', 'bundle-issued-twice', 'one key twice', 'MALFORMED', start({ issued: [both[0]!, both[0]!] })),
    refused('bundle', 'bundle-issued-long', 'an entry of 1,025 bytes', 'TOO_LARGE', start({ issued: [longer] })),
    refused(
      'bundle',
      'bundle-issued-head',
      'no announcement whose head the proofs are under',
      'MALFORMED',
      start({ announcement: w.announcement.slice(0, -1) }),
    ),
  ];
}

function plainBundles(w: World): FormatVector[] {
  const leaves = [...'abcdefg'].map((letter) => leafHash(sha256, bytesOf(letter)));
  const head: BundleHead = {
    ...{ origin: 'example/log', classId, sequence: 7, version: '1.2.0' },
    ...{ roots: [w.root], announcement: w.announcement, entries: [] },
    growth: { from: 5, peaks: peaksOf(sha256, leaves.slice(0, 5)), leaves: Buffer.concat(leaves.slice(5)) },
    payloads: [payloadOf('one', 2_000, 256)],
  };
  const start = (change: Partial<BundleHead> = {}) => encodeStart(sha256, { ...head, ...change });
  const growth = head.growth!;
  const changed = start().map((byte, i) => (i === START_BYTES + 20 ? byte ^ 1 : byte));
  const older = encode([2, ...(head.payloads.length > 0 ? ['x'] : [])]);
  const other = start().slice(0, START_BYTES - 36);
  const length = Uint8Array.of(0, 0, 0, older.length);
  return [
    accepted('bundle', 'bundle', 'a log of five leaves that has grown by two, one payload', start()),
    accepted('bundle', 'bundle-peers', 'no growth: peers stand in for it', start({ growth: null })),
    refused('bundle', 'bundle-digest', 'one bit of the head part', 'MALFORMED', changed),
    refused(
      'bundle',
      'bundle-magic',
      'another first byte',
      'MALFORMED',
      start().map((byte, i) => byte ^ (i === 0 ? 1 : 0)),
    ),
    refused('bundle', 'bundle-cut', 'one byte less than it says', 'MALFORMED', start().slice(0, -1)),
    refused(
      'bundle',
      'bundle-version',
      'version 2',
      'UNSUPPORTED',
      Buffer.concat([other, length, sha256(older), older]),
    ),
    refused(
      'bundle',
      'bundle-peaks',
      'one peak for a tree of five',
      'MALFORMED',
      start({ growth: { ...growth, peaks: growth.peaks.slice(1) } }),
    ),
    refused(
      'bundle',
      'bundle-leaves',
      'half a leaf',
      'MALFORMED',
      start({ growth: { ...growth, leaves: growth.leaves.slice(16) } }),
    ),
    refused(
      'bundle',
      'bundle-twice',
      'a payload twice',
      'MALFORMED',
      start({ payloads: [...head.payloads, ...head.payloads] }),
    ),
    refused(
      'bundle',
      'bundle-sizes',
      'nine frames of a payload that has eight',
      'MALFORMED',
      start({ payloads: head.payloads.map((payload) => ({ ...payload, frameCount: payload.frameCount + 1 })) }),
    ),
  ];
}
