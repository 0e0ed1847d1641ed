/**
 * A device's signed word about one attempt: counted, chained to its previous report, bound to the slot's digest. States
 * and results are those of LwM2M object 5, reasons those of a SUIT report. It is the device's word, not attestation.
 */
import { CODES, type Code, demand } from '../errors.ts';
import { decode, type Value } from './cbor.ts';
import { HASH_BYTES } from './merkle.ts';
import { ID_BYTES } from './rollout.ts';
import { asArray, asBytes, asText, asUint, optional } from './shape.ts';
import { COMPONENT_ID_CHARS_MAX, COMPONENTS_MAX } from './suit.ts';

/** LwM2M object 5, resource 3. */
export const STATE_IDLE = 0;
export const STATE_UPDATING = 3;
/** LwM2M object 5, resource 5. */
export const RESULT_INITIAL = 0;
export const RESULT_SUCCESS = 1;
export const RESULT_NO_FLASH = 2;
export const RESULT_NO_RAM = 3;
export const RESULT_CONNECTION_LOST = 4;
export const RESULT_INTEGRITY = 5;
export const RESULT_UNSUPPORTED = 6;
export const RESULT_FAILED = 8;
export const RESULT_CANCELLED = 10;
export const RESULT_DEFERRED = 11;
/** SUIT report reasons (draft-ietf-suit-report-18). */
export const REASON_OK = 0;
export const REASON_UNAUTHORISED = 4;
export const REASON_COMMAND_UNSUPPORTED = 5;
export const REASON_COMPONENT_UNSUPPORTED = 6;
export const REASON_CONDITION_FAILED = 10;
export const REASON_OPERATION_FAILED = 11;
export const REASON_INVOKE_PENDING = 12;

/** Stages of an attempt, in order. */
export const STAGES = ['announce', 'verify', 'fetch', 'apply', 'trial', 'confirm', 'revert'] as const;
export type Stage = (typeof STAGES)[number];
export const STAGES_MAX = 16;
/** What a stage ended with: OK or a refusal's code. */
export type StageCode = 'OK' | Code;

/** The largest report that the limits below allow, with every number at its longest, has 821 bytes. */
export const REPORT_BYTES_MAX = 848;

export interface Report {
  deviceId: Uint8Array;
  /** Rises when a device loses its counter (a replaced store) and is enrolled anew. */
  epoch: number;
  counter: number;
  /** SHA-256 of the whole previous report, 32 zero bytes for the first of an epoch. */
  previous: Uint8Array;
  /** Tree size of the head the device holds. */
  headSize: number;
  rolloutId?: Uint8Array;
  attempt: number;
  manifestDigest: Uint8Array;
  /** SHA-256 of the image in the running slot when the report was made. */
  slotDigest: Uint8Array;
  state: number;
  result: number;
  reason: number;
  code: StageCode;
  stages: [Stage, StageCode][];
  /** Further components, in the product's order. The application's are the slot digest and the code. */
  components?: ComponentReport[];
}

export interface ComponentReport {
  id: string;
  /** SHA-256 of its image that runs. */
  digest: Uint8Array;
  /** OK where that is the image which the release names; else the report's code, or NOT_CURRENT where that is OK. */
  code: StageCode;
}

export function reportValue(r: Report): Value {
  return [
    r.deviceId,
    r.epoch,
    r.counter,
    r.previous,
    r.headSize,
    r.rolloutId ?? null,
    r.attempt,
    r.manifestDigest,
    r.slotDigest,
    [r.state, r.result],
    [r.reason, r.code],
    r.stages.map(([stage, code]): Value => [STAGES.indexOf(stage), code]),
    ...(r.components ? [r.components.map(({ id, digest, code }): Value => [id, digest, code])] : []),
  ];
}

/** @param payload of a report statement. @throws Refusal MALFORMED */
export function readReport(payload: Uint8Array): Report {
  const items = asArray(decode(payload), 'report');
  demand(items.length === 12 || items.length === 13, 'MALFORMED', `a report of ${items.length} fields`);
  const [state, result] = asArray(items[9], 'report state', 2);
  const [reason, code] = asArray(items[10], 'report reason', 2);
  return {
    deviceId: asBytes(items[0], 'device id', ID_BYTES),
    epoch: asUint(items[1], 'epoch'),
    counter: asUint(items[2], 'counter'),
    previous: asBytes(items[3], 'previous report', HASH_BYTES),
    headSize: asUint(items[4], 'head size'),
    rolloutId: optional(items[5], (value) => asBytes(value, 'rollout id', ID_BYTES)),
    attempt: asUint(items[6], 'attempt', 255),
    manifestDigest: asBytes(items[7], 'manifest digest', HASH_BYTES),
    slotDigest: asBytes(items[8], 'slot digest', HASH_BYTES),
    state: asUint(state, 'state', 3),
    result: asUint(result, 'result', 11),
    reason: asUint(reason, 'reason', 12),
    code: readCode(code),
    stages: readStages(items[11]),
    ...(items.length > 12 && { components: readComponents(items[12]) }),
  };
}

function readComponents(value: Value | undefined): ComponentReport[] {
  const items = asArray(value, 'components');
  demand(items.length > 0 && items.length < COMPONENTS_MAX, 'MALFORMED', `${items.length} further components`);
  return items.map((item) => {
    const [id, digest, code] = asArray(item, 'component', 3);
    return {
      id: asText(id, 'component id', COMPONENT_ID_CHARS_MAX),
      digest: asBytes(digest, 'image digest', HASH_BYTES),
      code: readCode(code),
    };
  });
}

function readStages(value: Value | undefined): [Stage, StageCode][] {
  const stages = asArray(value, 'stages');
  demand(stages.length <= STAGES_MAX, 'MALFORMED', `${stages.length} stages`);
  return stages.map((item) => {
    const [stage, code] = asArray(item, 'stage', 2);
    return [STAGES[asUint(stage, 'stage', STAGES.length - 1)]!, readCode(code)];
  });
}

const KNOWN = new Set<string>(['OK', ...CODES]);

function readCode(value: Value | undefined): StageCode {
  const code = asText(value, 'code', 32);
  demand(KNOWN.has(code), 'MALFORMED', 'a code is not in the closed list');
  return code as StageCode;
}

/** Trial started, updated, reverted or refused: what a report says in one word. */
export function outcomeOf(r: Report): 'trial' | 'updated' | 'reverted' | 'refused' {
  if (r.state === STATE_UPDATING) return 'trial';
  if (r.result === RESULT_SUCCESS) return 'updated';
  return r.stages.some(([stage]) => stage === 'revert') ? 'reverted' : 'refused';
}
