/** The shapes that answers are made of. Field by field what ledger/contract/views.ts and the servers' own types say. */
import { CODES } from '@countersign/device-sdk';
import {
  FLAG,
  hexText,
  list,
  nullable,
  number,
  object,
  oneOf,
  record,
  ref,
  type Schema,
  SECONDS,
  text,
  whole,
} from './schema.ts';

/** Who changed an object last, as the contract keeps it beside the object. */
const STAMP = { entry: hexText(32, 'leaf of the last change'), action: text(), signer: text() };
const STAMPED = Object.keys(STAMP);
const PREVIOUS = hexText(32, 'leaf hash of the entry that last changed this object; 64 zeros for none');

/** An object of the ledger, with what stands beside each. */
function kept(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  return object({ ...properties, previous: PREVIOUS, ...STAMP }, [...optional, ...STAMPED]);
}

const BRANCH = object({
  baseDigest: nullable(hexText(32)),
  baseBytes: nullable(whole()),
  payloadBytes: whole(),
  chainHead: hexText(32),
});
const FORMER_KEY = { alg: { type: 'integer' }, publicKey: hexText(), thumbprint: hexText(32) };
const BRANCHES = list(ref('Branch'));
const WAVE = object({
  cohorts: list({ anyOf: [object({ threshold: whole() }), object({ root: hexText(32) })] }),
  failurePercentMax: whole(),
  reportedPercentMin: whole(),
  devices: whole(),
});
const WINDOW = object({ start: SECONDS, end: nullable(SECONDS) });
const OUTCOMES = { trial: whole(), updated: whole(), reverted: whole(), refused: whole() };

const LEDGER: Record<string, Schema> = {
  Problem: {
    ...object({
      type: text('where it says what this means, on this server', { format: 'uri-reference' }),
      title: text('what the code means'),
      status: whole(),
      detail: text('what was expected, and what came'),
      code: oneOf(...CODES),
    }),
    description: 'RFC 9457. The code is for machines, the detail for people.',
  },
  Committed: object({
    leafIndex: whole(),
    leafHash: hexText(32),
    blockNumber: whole(),
    size: whole('first head over it'),
  }),
  Head: object({
    origin: text(),
    size: whole('entries under it'),
    root: hexText(32),
    indexRoot: hexText(32),
    time: SECONDS,
    rootVersion: whole(),
    cosignatures: whole('how many peers signed it'),
    signed: hexText(undefined, 'the signed head, COSE_Sign1'),
  }),
  LedgerHead: object({
    head: object({
      origin: text(),
      size: whole(),
      root: hexText(32),
      indexRoot: hexText(32),
      time: SECONDS,
      rootVersion: whole(),
    }),
    signed: hexText(),
    cosignatures: list(object({ kid: hexText(), alg: { type: 'integer' }, signature: hexText() })),
  }),
  Quorum: object({
    needed: whole('signatures that a head needs'),
    peers: whole(),
    size: whole('entries of the newest head'),
    published: nullable(whole('entries of the newest head with a quorum')),
    signers: list(hexText()),
    waitingWith: list(hexText()),
    waitingSeconds: number(),
    cosignedSecondsAgo: record(whole(), 'by key id of the peer; absent where it has not cosigned since the start'),
  }),
  HistoryItem: object({
    leafHash: hexText(32),
    leafIndex: { type: 'integer' },
    time: SECONDS,
    action: text(),
    signer: text('a person, `service`, `command`, or a device id'),
    value: { type: 'object', description: 'the object as it stood then' },
  }),
  Person: kept(
    {
      name: text(),
      roles: list(text()),
      products: list(hexText(16)),
      thumbprint: text('of the key, RFC 9679'),
      publicKey: hexText(),
      alg: { type: 'integer' },
      kid: hexText(undefined, 'of the key'),
      state: oneOf('proposed', 'active', 'revoked'),
      proposedBy: nullable(text()),
      revocation: nullable(object({ by: text(), reason: text() })),
      newKey: object({ ...FORMER_KEY, kid: hexText(), by: text('who proposed it') }),
      formerKeys: list(object(FORMER_KEY)),
    },
    ['alg', 'kid', 'products', 'newKey', 'formerKeys'],
  ),
};

const RELEASES: Record<string, Schema> = {
  Product: kept(
    {
      classId: hexText(16),
      vendorId: hexText(16),
      vendorDomain: text(),
      name: text(),
      memoryClass: oneOf('S', 'M', 'L', 'XL', 'G'),
      frameBytes: whole(),
      slotBytes: whole(),
      imageBase: whole('0 where the encoder finds it'),
      cpu: text(),
      oneSlot: object({ pageBytes: whole(), stagingBytes: whole() }),
      requireTrial: object({ devices: whole(), successPercent: number() }),
      components: list(object({ id: text(), slotBytes: whole() })),
      approvals: whole('by distinct people that a release needs; one where absent'),
      head: hexText(32),
      sequence: whole(),
    },
    ['cpu', 'oneSlot', 'requireTrial', 'components', 'approvals'],
  ),
  Branch: BRANCH,
  Release: kept(
    {
      releaseLeaf: hexText(32, 'leaf hash of block 1: names the release everywhere'),
      classId: hexText(16),
      product: text(),
      sequence: whole(),
      version: text(),
      policy: object({ mandatory: FLAG, log: FLAG, reboot: FLAG, downgrade: FLAG }),
      manifestDigest: hexText(32),
      imageDigest: hexText(32),
      imageBytes: whole(),
      fileName: text(),
      contentId: text('CIDv1 of the image'),
      previousLeaf: hexText(32),
      branches: BRANCHES,
      components: list(
        object({ id: text(), imageDigest: hexText(32), imageBytes: whole(), contentId: text(), branches: BRANCHES }),
      ),
      state: oneOf('uploaded', 'approved', 'confirmed', 'rejected'),
      deployer: text(),
      approvals: list(text()),
      approvedWith: list(object({ name: text(), before: whole('keys that the person had had before') })),
      rejectedBy: nullable(text()),
      rejectReason: nullable(text()),
      leafIndex: nullable(whole()),
      uploadedAt: SECONDS,
      confirmedAt: nullable(SECONDS),
    },
    ['components', 'approvedWith'],
  ),
  Prepared: object({
    releaseLeaf: hexText(32),
    block1: hexText(),
    manifest: hexText(),
    contentId: text(),
    fileName: text(),
    sequence: whole(),
    branches: list(
      object(
        {
          component: text(),
          base: nullable(text('version of the base')),
          bytes: whole(),
          percent: number('of the image'),
          workspaceBytes: whole(),
          path: oneOf('direct', 'composed', 'full'),
          predictor: text(),
          coder: text(),
          seconds: number(),
          trial: object({ operations: whole(), cuts: whole(), hardware: list(text()), seconds: number() }),
        },
        ['component'],
      ),
    ),
    dropped: list(object({ component: text(), base: text(), reason: text() }, ['component'])),
  }),
  Trial: kept(
    {
      releaseLeaf: hexText(32),
      sequence: whole(),
      seed: text(),
      faults: object({ lossPpm: whole(), liePpm: whole(), powerCut: whole() }),
      profiles: list(
        object(
          {
            hardware: text(),
            baseDigest: nullable(hexText(32)),
            devices: whole(),
            outcomes: record(whole()),
            components: list(object({ id: text(), baseDigest: nullable(hexText(32)), outcomes: record(whole()) })),
          },
          ['components'],
        ),
      ),
      logDigest: hexText(32),
      by: text(),
      byBefore: whole('keys that the signer had had before'),
      records: whole(),
      recordsWithFailures: whole(),
    },
    ['byBefore'],
  ),
};

const DEVICE = {
  deviceId: hexText(16),
  classId: hexText(16),
  publicKey: hexText(),
  alg: { type: 'integer' },
  kid: hexText(undefined, 'of the key'),
  state: oneOf('enrolled', 'revoked'),
  epoch: whole(),
  counter: whole('of the last report; 0 for none'),
  lastReport: nullable(hexText(32)),
  outcome: nullable(oneOf('trial', 'updated', 'reverted', 'refused')),
  code: nullable(text()),
  manifestDigest: nullable(hexText(32)),
  slotDigest: nullable(hexText(32)),
  components: list(object({ id: text(), digest: hexText(32), code: text() })),
  rolloutId: nullable(hexText(16)),
  reportedAt: nullable(SECONDS),
};
const NOTED = {
  labels: record(text(), 'what operators group it by; never in the ledger'),
  name: text(),
  clone: object({
    code: oneOf('CLONED'),
    epoch: whole('of the key that two devices have'),
    at: SECONDS,
    images: list(hexText(32), { minItems: 2, maxItems: 2 }),
  }),
};
const SUBJECT = {
  subject: oneOf('device', 'product'),
  id: hexText(16),
  classId: hexText(16),
  serial: whole(),
  digest: hexText(32),
  by: text(),
};

const DEVICES: Record<string, Schema> = {
  Device: kept({ ...DEVICE, ...NOTED }, ['components', 'name', 'clone', 'kid']),
  DeviceWithReport: kept(
    {
      ...DEVICE,
      ...NOTED,
      updateState: nullable(whole('LwM2M object 5, resource 3')),
      updateResult: nullable(whole('LwM2M object 5, resource 5')),
      reason: nullable({ type: 'integer', description: 'SUIT report reason' }),
      unanswered: nullable(object({ rolloutId: hexText(16), releaseLeaf: hexText(32), since: SECONDS, due: SECONDS })),
    },
    ['components', 'name', 'clone', 'kid'],
  ),
  Grant: kept({
    grantId: hexText(16),
    classId: hexText(16),
    kind: oneOf('code', 'list', 'authority'),
    content: nullable(hexText(32)),
    publicKey: hexText(),
    alg: { type: 'integer', description: 'COSE algorithm' },
    kid: hexText(8),
    devices: whole('so many at most'),
    used: whole('enrolled so far'),
    expires: SECONDS,
    state: oneOf('open', 'revoked'),
    by: text('the operator who granted'),
  }),
  Passport: kept({
    ...SUBJECT,
    document: hexText(undefined, 'the signed document'),
    agreement: object({ state: oneOf('unreported', 'agrees', 'outdated', 'differs'), text: text() }),
    releases: list(
      object({
        releaseLeaf: hexText(32),
        version: text(),
        sequence: whole(),
        applies: FLAG,
        code: text('OK, or why not'),
        reason: text(),
      }),
    ),
  }),
};

const ROLLOUT = {
  rolloutId: hexText(16),
  classId: hexText(16),
  releaseLeaf: hexText(32),
  sequence: whole(),
  rolloutSequence: whole(),
  state: oneOf('planned', 'open', 'paused', 'aborted'),
  pending: nullable(oneOf('open', 'pause', 'resume', 'abort', 'advance')),
  wave: whole(),
  waves: list(ref('Wave')),
  window: nullable(WINDOW),
  jitterSeconds: whole(),
  attemptsMax: whole(),
  block2Digest: nullable(hexText(32)),
  rolloutDigest: nullable(hexText(32)),
  statementLeaf: nullable(hexText(32)),
  openedBy: text(),
  reason: nullable(text()),
};

const ROLLOUTS: Record<string, Schema> = {
  Wave: WAVE,
  Totals: object({ rolloutId: hexText(16), ...OUTCOMES, codes: record(whole()) }),
  Rollout: kept(ROLLOUT),
  RolloutWithTotals: kept({ ...ROLLOUT, totals: ref('Totals') }),
  Plan: object({
    rolloutId: hexText(16),
    releaseLeaf: hexText(32),
    waves: list(ref('Wave')),
    window: nullable(WINDOW),
    jitterSeconds: whole(),
    attemptsMax: whole(),
    args: hexText(undefined, 'what an operator signs'),
  }),
  Progress: object({
    rollout: ref('Rollout'),
    totals: ref('Totals'),
    waves: list(object({ devices: whole(), finished: whole(), failed: whole(), silent: whole() })),
    pause: nullable(object({ wave: whole(), finished: whole(), failed: whole(), reason: text(), at: SECONDS })),
    problem: nullable(object({ code: text(), text: text(), at: SECONDS })),
  }),
  Distribution: object({
    size: nullable(whole('entries of the newest head it knows')),
    rootVersion: whole(),
    followed: whole(),
    releases: whole(),
    announced: list(
      object({
        classId: hexText(16),
        version: text(),
        sequence: whole(),
        rolloutId: hexText(16),
        rolloutState: whole(),
        size: whole(),
      }),
    ),
    connected: FLAG,
    delivery: object({ received: whole(), dropped: whole(), failed: whole(), sent: whole(), connects: whole() }),
    intake: object({
      logged: whole(),
      acknowledged: whole(),
      repeated: whole(),
      dropped: whole(),
      refused: record(whole()),
    }),
    requests: object({
      answered: whole(),
      refused: whole(),
      dropped: whole(),
      reasons: record(whole()),
      frames: whole(),
      frameBytes: whole(),
    }),
    queues: list(object({ name: text(), length: whole(), limit: whole(), dropped: whole() })),
  }),
};

const SERVERS: Record<string, Schema> = {
  Endpoints: object(
    {
      servers: list(text()),
      origin: text(),
      ledger: nullable(text()),
      collection: nullable(text()),
      distribution: nullable(text()),
      mqtt: nullable(text()),
      devices: nullable(text()),
      brokerId: nullable(text()),
      orderer: text(),
    },
    ['orderer'],
  ),
  Peer: object({
    state: oneOf('following', 'FORK', 'stopped'),
    holdsBack: nullable(text()),
    blocks: whole(),
    entries: whole(),
    cosigned: nullable(whole()),
    kid: hexText(),
    quorum: ref('Quorum'),
    sources: list(object({ url: text(), reachable: FLAG, problem: nullable(text()) })),
    evidence: whole(),
  }),
  BlockFiles: object({ head: hexText(), files: list(object({ name: text(), bytes: whole() })), cosigned: hexText() }, [
    'cosigned',
  ]),
};

export const SHAPES: Record<string, Schema> = { ...LEDGER, ...RELEASES, ...DEVICES, ...ROLLOUTS, ...SERVERS };
