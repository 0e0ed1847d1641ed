/** Devices, grants by which devices enrol themselves, and passports. */
import { kept } from './kept.ts';
import { FLAG, hexText, list, nullable, object, oneOf, record, type Schema, SECONDS, text, whole } from './schema.ts';

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

export const DEVICE_SHAPES: Record<string, Schema> = {
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
