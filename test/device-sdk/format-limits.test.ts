/** Every limit is reached by something valid, and the next step is refused. */
import {
  ANNOUNCEMENT_BYTES_MAX,
  ANSWER_BYTES_MAX,
  BRANCHES_MAX,
  type Branch,
  COHORTS_MAX,
  COMPONENTS_MAX,
  COSIGNATURES_MAX,
  ENVELOPE_BYTES_MAX,
  encode,
  encodeAnnouncement,
  encodeAnswer,
  encodeEnvelope,
  encodeManifest,
  encodeProvision,
  encodeReceipt,
  encodeRequest,
  HEAD_BYTES_MAX,
  INSPECT_BYTES_MAX,
  inspectEnvelope,
  loginValue,
  MANIFEST_BYTES_MAX,
  PATH_MAX,
  PROVISION_BYTES_MAX,
  RECEIPT_BYTES_MAX,
  REPORT_BYTES_MAX,
  REQUEST_BYTES_MAX,
  ROLLOUT_BYTES_MAX,
  ROOT_BYTES_MAX,
  readAnnouncement,
  readAnswer,
  readEnvelope,
  readHead,
  readManifest,
  readProvision,
  readReceipt,
  readReport,
  readRequest,
  readRollout,
  readSignedRoot,
  readStatement,
  reportValue,
  rolloutValue,
  STAGES_MAX,
  signBlock1,
  signBlock2,
  signHead,
  signStatement,
  statementBytesMax,
  TX_BYTES_MAX,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { codeOfRefusal } from '../support/refused.ts';
import { answers, requests } from '../support/samples.ts';
import { bytesOf, makeWorld, manifestOf, sha256, signers } from '../support/world.ts';

const MOST = Number.MAX_SAFE_INTEGER;
const w = await makeWorld();
/** 64 UTF-16 units that take the most bytes: three each. */
const LONG_TEXT = '水'.repeat(64);

/** Eight branches with every number at its longest and a version label of 32 three-byte characters. */
function largestManifest(): Uint8Array {
  const payload = { bytes: 0xffff_ffff, chainHead: bytesOf('chain'), frameBytes: 4096, frameCount: 2 ** 20 };
  const branch: Branch = { payload, memoryClass: 'G', workspaceBytes: 0xffff_ffff };
  const base = { digest: bytesOf('base'), bytes: 0xffff_ffff };
  const branches = [...Array.from({ length: BRANCHES_MAX - 1 }, () => ({ base, ...branch })), branch];
  const image = { digest: bytesOf('image'), bytes: 0xffff_ffff };
  return encodeManifest({ ...manifestOf(0), sequence: MOST, image, version: '水'.repeat(32), policy: 15, branches });
}

/** The same eight branches over four components with names of 16 characters. */
function manifestOfMostComponents(): Uint8Array {
  const image = { digest: bytesOf('image'), bytes: 0xffff_ffff };
  const payload = (name: string) => ({
    bytes: 0xffff_ffff,
    chainHead: bytesOf(name),
    frameBytes: 4096,
    frameCount: 2 ** 20,
  });
  const pair = (name: string): Branch[] => {
    const branch = { memoryClass: 'G', workspaceBytes: 0xffff_ffff } as const;
    return [
      { base: image, payload: payload(`${name} delta`), ...branch },
      { payload: payload(name), ...branch },
    ];
  };
  const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(16));
  const components = ids.map((id) => ({ id, ...image, branches: pair(id) }));
  const rest = { sequence: MOST, image, version: '水'.repeat(32), policy: 15 };
  return encodeManifest({ ...manifestOf(0), ...rest, branches: pair('app'), components });
}

test('the largest manifest of the most components is under the limit, and its reader gives it back', (t) => {
  const manifest = manifestOfMostComponents();
  t.log(`${manifest.length} bytes`);
  t.true(manifest.length <= MANIFEST_BYTES_MAX, `${manifest.length}`);
  const read = readManifest(manifest);
  t.is(read.components!.length, COMPONENTS_MAX - 1);
  t.deepEqual(encodeManifest(read), manifest);
});

async function largestEnvelope(): Promise<Uint8Array> {
  const manifest = largestManifest();
  const leaf = await signBlock1(sha256, manifest, bytesOf('previous'), signers.collection);
  const confirmed = { releaseLeaf: bytesOf('leaf'), size: MOST, root: bytesOf('root') };
  const block2 = await signBlock2(sha256, manifest, confirmed, signers.distribution);
  return encodeEnvelope(sha256, manifest, leaf, block2);
}

async function largestHead(): Promise<Uint8Array> {
  const head = {
    origin: LONG_TEXT,
    size: MOST,
    root: bytesOf('root'),
    indexRoot: bytesOf('index'),
    time: MOST,
    rootVersion: MOST,
  };
  return signHead(sha256, head, signers.log);
}

async function largestReceipt(): Promise<Uint8Array> {
  return encodeReceipt(readHead(await largestHead()), MOST - 1, new Array(PATH_MAX).fill(bytesOf('node')));
}

async function largestRollout(): Promise<Uint8Array> {
  const cohorts = new Array(COHORTS_MAX).fill({ root: bytesOf('group') });
  const window = { start: MOST, end: MOST };
  const rollout = {
    ...w.rolloutFields,
    rolloutSequence: MOST,
    cohorts,
    window,
    jitterSeconds: 86_400,
    attemptsMax: 255,
  };
  return signStatement(sha256, 'rollout', rolloutValue(rollout), signers.command);
}

test('the largest manifest, envelope, head, receipt and rollout are under their limits', async (t) => {
  const manifest = largestManifest();
  t.true(manifest.length <= MANIFEST_BYTES_MAX, `${manifest.length}`);
  t.is(readManifest(manifest).branches.length, BRANCHES_MAX);
  const envelope = await largestEnvelope();
  t.true(envelope.length <= ENVELOPE_BYTES_MAX, `${envelope.length}`);
  t.notThrows(() => readEnvelope(sha256, envelope));
  const head = await largestHead();
  t.true(head.length <= HEAD_BYTES_MAX, `${head.length}`);
  const receipt = await largestReceipt();
  t.true(receipt.length <= RECEIPT_BYTES_MAX, `${receipt.length}`);
  t.is(readReceipt(receipt).path.length, PATH_MAX);
  const rollout = await largestRollout();
  t.true(rollout.length <= ROLLOUT_BYTES_MAX, `${rollout.length}`);
  t.is(readRollout(readStatement(rollout, 'rollout').payload).cohorts.length, COHORTS_MAX);
});

test('the largest announcement of the largest parts is under its limit, and an answer can carry it', async (t) => {
  const cosignature = { kid: bytesOf('kid', 8), alg: -19, signature: new Uint8Array(64) };
  const path = new Array(PATH_MAX).fill(bytesOf('node'));
  const announcement = encodeAnnouncement({
    envelope: await largestEnvelope(),
    receipt: await largestReceipt(),
    cosignatures: new Array(COSIGNATURES_MAX).fill(cosignature),
    indexProof: { floor: MOST, index: MOST - 1, size: MOST, path },
    rollout: await largestRollout(),
  });
  t.true(announcement.length <= ANNOUNCEMENT_BYTES_MAX, `${announcement.length}`);
  t.notThrows(() => readAnnouncement(announcement));
  const membership = { salt: bytesOf('salt', 16), index: MOST - 1, size: MOST, path };
  const answer = encodeAnswer({ id: 0xffff_ffff, kind: 6, announcement, membership });
  t.true(answer.length <= ANSWER_BYTES_MAX, `${answer.length}`);
  const more = encodeAnnouncement({ ...readAnnouncement(announcement), cosignatures: new Array(17).fill(cosignature) });
  t.is(
    codeOfRefusal(() => readAnnouncement(more)),
    'MALFORMED',
  );
});

test('the largest report that its own limits allow is under the limit of a report', async (t) => {
  const stages = new Array(STAGES_MAX).fill(['trial', 'SELF_TEST_FAILED']);
  const numbers = { epoch: MOST, counter: MOST, headSize: MOST, attempt: 255, state: 3, result: 11, reason: 12 };
  const further = { id: 'a'.repeat(16), digest: bytesOf('radio'), code: 'SELF_TEST_FAILED' } as const;
  const components = new Array(COMPONENTS_MAX - 1).fill(further);
  const value = reportValue({ ...w.reportFields, ...numbers, code: 'SELF_TEST_FAILED', stages, components });
  const report = await signStatement(sha256, 'report', value, signers.device);
  t.log(`${report.length} bytes`);
  t.true(report.length <= REPORT_BYTES_MAX, `${report.length}`);
  t.is(readReport(readStatement(report, 'report').payload).stages.length, STAGES_MAX);
});

test('answers with the most frames, entries and roots that may be asked are under the limit', (t) => {
  const root = new Uint8Array(ROOT_BYTES_MAX);
  const entry = new Uint8Array(256);
  const largest = [
    encodeAnswer({ id: 0xffff_ffff, kind: 4, roots: [root, root, root, root] }),
    encodeAnswer({ id: 0xffff_ffff, kind: 3, entries: new Array(16).fill(entry) }),
    encodeAnswer({ id: 0xffff_ffff, kind: 1, index: 0xffff_ffff, frame: new Uint8Array(4096 + 32) }),
  ];
  for (const bytes of largest) {
    t.true(bytes.length <= ANSWER_BYTES_MAX, `${bytes.length}`);
    t.notThrows(() => readAnswer(bytes));
  }
  t.is(
    codeOfRefusal(() => readAnswer(encodeAnswer({ id: 1, kind: 4, roots: new Array(5).fill(root.slice(0, 9)) }))),
    'MALFORMED',
  );
  t.is(
    codeOfRefusal(() => readAnswer(encodeAnswer({ id: 1, kind: 3, entries: new Array(17).fill(entry.slice(0, 9)) }))),
    'MALFORMED',
  );
  for (const bytes of requests()) t.true(bytes.length <= REQUEST_BYTES_MAX);
});

test('requests ask for at most a window of frames and sixteen entries, answers delay for at most a day', (t) => {
  const frames = (count: number) => encodeRequest({ id: 1, kind: 1, chainHead: bytesOf('chain'), first: 0, count });
  const entries = (count: number) => encodeRequest({ id: 1, kind: 3, leafHash: bytesOf('leaf'), count });
  const delay = (retrySeconds: number) => encodeAnswer({ id: 1, kind: 0, code: 'BUSY', retrySeconds });
  t.is(
    codeOfRefusal(() => readRequest(frames(32))),
    'accepted',
  );
  t.is(
    codeOfRefusal(() => readRequest(frames(33))),
    'MALFORMED',
  );
  t.is(
    codeOfRefusal(() => readRequest(entries(16))),
    'accepted',
  );
  t.is(
    codeOfRefusal(() => readRequest(entries(17))),
    'MALFORMED',
  );
  t.is(
    codeOfRefusal(() => readAnswer(delay(86_400))),
    'accepted',
  );
  t.is(
    codeOfRefusal(() => readAnswer(delay(86_401))),
    'MALFORMED',
  );
});

test('one byte over a limit is TOO_LARGE before anything is parsed', (t) => {
  const rows: [string, number, (bytes: Uint8Array) => unknown][] = [
    ['manifest', MANIFEST_BYTES_MAX, readManifest],
    ['envelope', ENVELOPE_BYTES_MAX, (bytes) => readEnvelope(sha256, bytes)],
    ['head', HEAD_BYTES_MAX, readHead],
    ['receipt', RECEIPT_BYTES_MAX, readReceipt],
    ['announcement', ANNOUNCEMENT_BYTES_MAX, readAnnouncement],
    ['request', REQUEST_BYTES_MAX, readRequest],
    ['answer', ANSWER_BYTES_MAX, readAnswer],
    ['trust root', ROOT_BYTES_MAX, (bytes) => readSignedRoot(sha256, bytes)],
    ['provisioning', PROVISION_BYTES_MAX, readProvision],
    ['tx', TX_BYTES_MAX, (bytes) => readStatement(bytes, 'tx')],
    ['report', REPORT_BYTES_MAX, (bytes) => readStatement(bytes, 'report')],
    ['rollout', ROLLOUT_BYTES_MAX, (bytes) => readStatement(bytes, 'rollout')],
    ['login', statementBytesMax('login'), (bytes) => readStatement(bytes, 'login')],
    ['inspect', INSPECT_BYTES_MAX, (bytes) => inspectEnvelope(bytes, { sha256 })],
  ];
  for (const [name, limit, read] of rows) {
    t.is(
      codeOfRefusal(() => read(new Uint8Array(limit + 1))),
      'TOO_LARGE',
      name,
    );
    t.is(
      codeOfRefusal(() => read(new Uint8Array(limit))),
      'MALFORMED',
      name,
    );
  }
});

test('the largest login and provisioning record are under their limits', async (t) => {
  const value = loginValue({ deviceId: bytesOf('device', 16), brokerId: LONG_TEXT, counter: MOST });
  const login = await signStatement(sha256, 'login', value, signers.device);
  t.true(login.length <= statementBytesMax('login'), `${login.length}`);
  const provision = encodeProvision({
    ...readProvision(w.provision),
    trustRoot: new Uint8Array(ROOT_BYTES_MAX),
    head: { ...w.headFields, origin: LONG_TEXT, size: MOST, time: MOST, rootVersion: MOST },
    sequence: MOST,
    version: '水'.repeat(32),
    brokerId: LONG_TEXT,
  });
  t.true(provision.length <= PROVISION_BYTES_MAX, `${provision.length}`);
  t.is(readProvision(provision).sequence, MOST);
});

test('writers refuse what readers would refuse', (t) => {
  const manifest = manifestOf(1);
  for (const change of [
    { branches: [] },
    { branches: new Array(9).fill(manifest.branches[1]) },
    { version: 'x'.repeat(33) },
    { version: 'a\nb' },
  ]) {
    t.throws(() => encodeManifest({ ...manifest, ...change }), { instanceOf: RangeError });
  }
  t.is(answers(w.announcement, w.root).length, 8);
  t.throws(() => encode([0.5]), { instanceOf: TypeError });
});
