/** Rollouts: what is planned, what an operator signs, and how far it is. */
import { kept } from './kept.ts';
import { hexText, list, nullable, object, oneOf, record, ref, type Schema, SECONDS, text, whole } from './schema.ts';

const WAVE = object({
  cohorts: list({ anyOf: [object({ threshold: whole() }), object({ root: hexText(32) })] }),
  failurePercentMax: whole(),
  reportedPercentMin: whole(),
  devices: whole(),
});
const WINDOW = object({ start: SECONDS, end: nullable(SECONDS) });
const OUTCOMES = { trial: whole(), updated: whole(), reverted: whole(), refused: whole() };

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

export const ROLLOUT_SHAPES: Record<string, Schema> = {
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
    applies: ref('FleetApplies'),
  }),
  FleetApplies: object({
    releaseLeaf: hexText(32),
    devices: whole('enrolled ones of the class'),
    applies: whole('to so many it applies, by their passports and reports'),
    refused: list(object({ code: text(), devices: whole(), reason: text('of one of them') })),
    withoutPassport: whole('neither their own nor their class’s'),
    unread: whole('have one whose document could not be read'),
  }),
  Progress: object({
    rollout: ref('Rollout'),
    totals: ref('Totals'),
    waves: list(object({ devices: whole(), finished: whole(), failed: whole(), silent: whole() })),
    pause: nullable(object({ wave: whole(), finished: whole(), failed: whole(), reason: text(), at: SECONDS })),
    problem: nullable(object({ code: text(), text: text(), at: SECONDS })),
  }),
};
