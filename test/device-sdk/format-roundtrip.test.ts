/** Everything that is written reads back as it was meant, and every accepted byte string is the only one for its meaning. */
import {
  announceTopic,
  CHANNELS,
  compare,
  decodeSign1,
  deviceTopic,
  EVERYONE,
  encode,
  encodeAnnouncement,
  encodeAnswer,
  encodeIndexEntry,
  encodeManifest,
  encodeProvision,
  encodeRequest,
  encodeRoot,
  encodeSign1,
  frameLength,
  hex,
  isInCohort,
  leafHash,
  leafIsOf,
  makeFrames,
  memberLeaf,
  nodeHash,
  openFrame,
  outcomeOf,
  parseDeviceTopic,
  placeOf,
  type Rollout,
  readAnnouncement,
  readAnswer,
  readBlock1,
  readEnvelope,
  readHead,
  readIndexEntry,
  readManifest,
  readProvision,
  readReceipt,
  readReport,
  readRequest,
  readRollout,
  readSignedRoot,
  readTransaction,
  reportValue,
  rolloutValue,
  rootFromInclusion,
  transactionValue,
} from '@countersign/device-sdk/format';
import test from 'ava';
import fc from 'fast-check';
import { codeOfRefusal } from '../support/refused.ts';
import { answers, requests } from '../support/samples.ts';
import {
  bytesOf,
  classId,
  deviceId,
  makeWorld,
  manifestOf,
  ORIGIN,
  rolloutId,
  sha256,
  trustRoot,
} from '../support/world.ts';

const w = await makeWorld();

test('a manifest of one to eight branches reads back as it was written', (t) => {
  for (let bases = 0; bases <= 7; bases++) {
    const manifest = manifestOf(bases);
    t.deepEqual(readManifest(encodeManifest(manifest)), manifest);
  }
});

test('an envelope gives back its manifest, its leaf and both blocks', (t) => {
  const envelope = readEnvelope(sha256, w.envelope);
  t.deepEqual(envelope.manifest, w.manifest);
  t.deepEqual(envelope.block1.leaf, w.leaf);
  t.deepEqual(envelope.block1.previousLeaf, bytesOf('leaf of release 6'));
  t.deepEqual(envelope.block2.bytes, w.block2);
  t.deepEqual(envelope.block2.releaseLeaf, leafHash(sha256, w.leaf));
  t.is(envelope.block2.size, 3);
  t.true(leafIsOf(sha256, readBlock1(w.leaf), w.manifest));
  t.false(leafIsOf(sha256, readBlock1(w.leaf), encodeManifest(manifestOf(1))));
});

test('a head and its receipt carry the same fields, and the receipt leads to the root', (t) => {
  const { root, ...fields } = w.headFields;
  t.deepEqual(readHead(w.head).fields, fields);
  const receipt = readReceipt(w.receipt);
  t.deepEqual(receipt.signed.fields, fields);
  const led = rootFromInclusion(sha256, receipt.leafIndex, fields.size, w.releaseLeaf, receipt.path);
  t.deepEqual(led, root);
});

test('announcement, index entry, rollout, report, trust root and provisioning read back', (t) => {
  t.deepEqual(readAnnouncement(w.announcement), w.announcementFields);
  t.deepEqual(encodeAnnouncement(readAnnouncement(w.announcement)), w.announcement);
  t.deepEqual(readIndexEntry(w.indexEntry), w.indexEntryFields);
  t.deepEqual(encodeIndexEntry(readIndexEntry(w.indexEntry)), w.indexEntry);
  t.deepEqual(readRollout(payload(w.rollout)), w.rolloutFields);
  t.deepEqual(readReport(payload(w.report)), w.reportFields);
  const restart = { size: 9, root: bytesOf('root'), indexRoot: bytesOf('index root') };
  for (const root of [w.rootFields, trustRoot({ restart })]) {
    const signed = encode([encodeRoot(root), [signatureOver(w.root)]]);
    t.deepEqual(readSignedRoot(sha256, signed).root, { restart: undefined, ...root });
  }
  const provision = readProvision(w.provision);
  t.deepEqual(encodeProvision(provision), w.provision);
  t.is(readProvision(encodeProvision({ ...provision, deviceId: undefined })).deviceId, undefined);
});

test('a transaction carries any arguments', (t) => {
  const transaction = {
    channel: ORIGIN,
    action: 'upload',
    object: bytesOf('object'),
    previous: bytesOf('previous'),
    args: ['text', 1, null, new Uint8Array(3), new Map([[1, [true]]])],
  };
  t.deepEqual(readTransaction(encode(transactionValue(transaction))), transaction);
});

test('every kind of request and answer reads back', (t) => {
  for (const bytes of requests()) t.deepEqual(encodeRequest(readRequest(bytes)), bytes);
  const all = [
    ...answers(w.announcement, w.root),
    encodeAnswer({ id: 9, kind: 6, announcement: null, membership: null }),
  ];
  for (const bytes of all) t.deepEqual(encodeAnswer(readAnswer(bytes)), bytes);
});

test('rollouts without a window or end, and reports without a rollout, read back', (t) => {
  for (const window of [undefined, { start: 5, end: null }, { start: 5, end: 9 }]) {
    const rollout: Rollout = { ...w.rolloutFields, window };
    t.deepEqual(readRollout(encode(rolloutValue(rollout))), rollout);
  }
  const report = { ...w.reportFields, rolloutId: undefined };
  t.deepEqual(readReport(encode(reportValue(report))), report);
});

test('an accepted message is the only encoding of its meaning, whatever was changed in it', (t) => {
  const cases: [string, Uint8Array, (bytes: Uint8Array) => Uint8Array][] = [
    ['manifest', w.manifest, (bytes) => encodeManifest(readManifest(bytes))],
    ['announcement', w.announcement, (bytes) => encodeAnnouncement(readAnnouncement(bytes))],
    ['index entry', w.indexEntry, (bytes) => encodeIndexEntry(readIndexEntry(bytes))],
    ['rollout', payload(w.rollout), (bytes) => encode(rolloutValue(readRollout(bytes)))],
    ['report', payload(w.report), (bytes) => encode(reportValue(readReport(bytes)))],
    ['provisioning', w.provision, (bytes) => encodeProvision(readProvision(bytes))],
    ['answer', answers(w.announcement, w.root)[6]!, (bytes) => encodeAnswer(readAnswer(bytes))],
    ['request', requests()[0]!, (bytes) => encodeRequest(readRequest(bytes))],
  ];
  for (const [name, valid, again] of cases) {
    let accepted = 0;
    for (let at = 0; at < valid.length; at++) {
      for (const change of [1, 0x20, 0x80, 0xff]) {
        const bytes = valid.slice();
        bytes[at]! ^= change;
        if (codeOfRefusal(() => again(bytes)) !== 'accepted') continue;
        accepted++;
        t.is(compare(again(bytes), bytes), 0, `${name}, byte ${at}`);
      }
    }
    t.true(accepted > 0, name);
  }
});

test('frames of any payload and size put the payload together again, and any changed bit is refused', (t) => {
  const sizes = fc.integer({ min: 1, max: 5_000 });
  fc.assert(
    fc.property(sizes, fc.constantFrom(256, 512, 1024, 4096), fc.nat(), (bytes, frameBytes, flip) => {
      const content = Uint8Array.from({ length: bytes }, (_, i) => i * 7);
      const { frames, payload: p } = makeFrames(sha256, content, frameBytes);
      const read: number[] = [];
      let expected = p.chainHead;
      for (const [i, frame] of frames.entries()) {
        t.is(frame.length, frameLength(p, i));
        const broken = frame.slice();
        broken[flip % broken.length]! ^= 1 << (flip & 7);
        t.is(
          codeOfRefusal(() => openFrame(sha256, p, i, expected, broken)),
          'BAD_FRAME',
        );
        const opened = openFrame(sha256, p, i, expected, frame);
        read.push(...opened.bytes);
        if (opened.next) expected = opened.next;
        else t.is(i, frames.length - 1);
      }
      t.deepEqual(Uint8Array.from(read), content);
    }),
    { numRuns: 30 },
  );
});

test('a frame of another place, a shorter one and one past the end are refused', (t) => {
  const { frames, payload: p } = makeFrames(sha256, new Uint8Array(600), 256);
  t.is(
    codeOfRefusal(() => openFrame(sha256, p, 0, p.chainHead, frames[1]!)),
    'BAD_FRAME',
  );
  t.is(
    codeOfRefusal(() => openFrame(sha256, p, 0, p.chainHead, frames[0]!.subarray(1))),
    'BAD_FRAME',
  );
  t.is(
    codeOfRefusal(() => openFrame(sha256, p, 3, p.chainHead, frames[2]!)),
    'BAD_FRAME',
  );
  t.throws(() => makeFrames(sha256, new Uint8Array(), 256), { instanceOf: RangeError });
});

test('topics hold lower-case hex and nothing else', (t) => {
  t.is(announceTopic(classId), `ota/v1/c/${hex(classId)}/announce`);
  for (const channel of CHANNELS) {
    t.deepEqual(parseDeviceTopic(deviceTopic(deviceId, channel)), { deviceId, channel });
  }
  const id = hex(deviceId);
  for (const topic of [
    `ota/v1/d/${id.toUpperCase()}/req`,
    `ota/v1/d/${id}/announce`,
    `ota/v1/d/${id}/req/x`,
    `ota/v1/d/${id}/req\n`,
    `ota/v1/d/${id.slice(2)}/req`,
    `ota/v1/d/${id}${id}/req`,
    'ota/v1/d/+/req',
    `/ota/v1/d/${id}/req`,
  ]) {
    t.is(parseDeviceTopic(topic), undefined, topic);
  }
});

test('a cohort by share lets in the devices whose place is below the threshold', (t) => {
  const place = placeOf(sha256, rolloutId, deviceId);
  const lets = (threshold: number) => isInCohort(sha256, { ...w.rolloutFields, cohorts: [{ threshold }] }, deviceId);
  t.deepEqual([lets(0), lets(place), lets(place + 1), lets(EVERYONE)], [false, false, true, true]);
});

test('a group lets in its members, and a broken proof of membership shuts no other door', (t) => {
  const salt = bytesOf('salt', 16);
  const sibling = bytesOf('sibling');
  const root = nodeHash(sha256, memberLeaf(sha256, salt, deviceId), sibling);
  const group: Rollout = { ...w.rolloutFields, cohorts: [{ root }] };
  const member = { salt, index: 0, size: 2, path: [sibling] };
  t.true(isInCohort(sha256, group, deviceId, member));
  t.false(isInCohort(sha256, group, deviceId));
  t.false(isInCohort(sha256, group, bytesOf('other', 16), member));
  for (const broken of [
    { ...member, path: [] },
    { ...member, path: [sibling, sibling] },
    { ...member, index: 2 },
    { ...member, size: 0 },
    { ...member, path: [new Uint8Array(31)] },
  ]) {
    t.false(isInCohort(sha256, group, deviceId, broken));
    const both: Rollout = { ...group, cohorts: [{ root }, { threshold: EVERYONE }] };
    t.true(isInCohort(sha256, both, deviceId, broken));
  }
});

test('a report says in one word what happened', (t) => {
  const base = w.reportFields;
  t.is(outcomeOf({ ...base, state: 3, result: 0 }), 'trial');
  t.is(outcomeOf({ ...base, result: 1 }), 'updated');
  t.is(outcomeOf(base), 'reverted');
  t.is(outcomeOf({ ...base, stages: [['verify', 'ROLLBACK']] }), 'refused');
});

function payload(statement: Uint8Array): Uint8Array {
  return decodeSign1(statement).payload!;
}

/** Some root signature: shape is read before any signature is checked. */
function signatureOver(root: Uint8Array): Uint8Array {
  return encodeSign1(readSignedRoot(sha256, root).signatures[0]!.sign1);
}
