/** Making reports: each counted and chained to the one before it, and kept until its acknowledgement arrives. */
import type { Code } from '../errors.ts';
import { equal } from '../format/bytes.ts';
import { kidOf, publicKeyOf } from '../format/cose.ts';
import { readAck } from '../format/messages.ts';
import {
  REASON_COMMAND_UNSUPPORTED,
  REASON_CONDITION_FAILED,
  REASON_INVOKE_PENDING,
  REASON_OK,
  REASON_OPERATION_FAILED,
  RESULT_CONNECTION_LOST,
  RESULT_DEFERRED,
  RESULT_FAILED,
  RESULT_INITIAL,
  RESULT_INTEGRITY,
  RESULT_NO_FLASH,
  RESULT_NO_RAM,
  RESULT_SUCCESS,
  RESULT_UNSUPPORTED,
  type Report,
  reportValue,
  STAGES_MAX,
  STATE_IDLE,
  STATE_UPDATING,
  type Stage,
  type StageCode,
} from '../format/report.ts';
import { signStatement } from '../format/statement.ts';
import { OUTBOX_MAX, type QueuedReport, type ReportChain, type State, type Store } from '../install/state.ts';
import type { KeyStore, Verifier } from '../ports.ts';
import { verifyStatement } from '../verify/signed.ts';

/** What a report says, before counter and chain are filled in. */
export interface Finding {
  kind: 'trial' | 'updated' | 'reverted' | 'refused';
  code: StageCode;
  rolloutId?: Uint8Array;
  attempt: number;
  manifestDigest: Uint8Array;
  slotDigest: Uint8Array;
  stages: [Stage, StageCode][];
}

/** The parts of the device's state that a new report changes; commit them together with what is reported. */
export interface Reported {
  reports: ReportChain;
  outbox: QueuedReport[];
}

/**
 * Signs the next report of the chain. A full outbox keeps its oldest: the new finding is dropped, and the chain does not
 * move, so that it has no gap.
 */
export async function makeReport(store: Store, keys: KeyStore, finding: Finding): Promise<Partial<Reported>> {
  const { identity, reports, outbox, head } = store.state;
  if (outbox.length >= OUTBOX_MAX) return {};
  const { sha256 } = store.verifier;
  const counter = reports.counter + 1;
  const report: Report = {
    deviceId: identity.deviceId,
    epoch: reports.epoch,
    counter,
    previous: reports.previous,
    headSize: head.size,
    rolloutId: finding.rolloutId,
    attempt: Math.min(finding.attempt, 255),
    manifestDigest: finding.manifestDigest,
    slotDigest: finding.slotDigest,
    ...codesOf(finding),
    code: finding.code,
    stages: finding.stages.slice(-STAGES_MAX),
  };
  const bytes = await signStatement(sha256, 'report', reportValue(report), keys);
  return {
    reports: { epoch: reports.epoch, counter, previous: sha256(bytes) },
    outbox: [...outbox, { counter, bytes }],
  };
}

function codesOf(finding: Finding): { state: number; result: number; reason: number } {
  if (finding.kind === 'trial') return { state: STATE_UPDATING, result: RESULT_INITIAL, reason: REASON_INVOKE_PENDING };
  if (finding.kind === 'updated') return { state: STATE_IDLE, result: RESULT_SUCCESS, reason: REASON_OK };
  const [result, reason] = RESULTS[finding.code as Code] ?? [RESULT_FAILED, REASON_OPERATION_FAILED];
  return { state: STATE_IDLE, result, reason };
}

/** LwM2M result and SUIT reason of the refusals a device reports; all others are a failed operation. */
const RESULTS: Partial<Record<Code, [number, number]>> = {
  NO_SPACE: [RESULT_NO_FLASH, REASON_CONDITION_FAILED],
  NO_STAGING: [RESULT_NO_FLASH, REASON_CONDITION_FAILED],
  NO_MEMORY: [RESULT_NO_RAM, REASON_CONDITION_FAILED],
  LINK_LOST: [RESULT_CONNECTION_LOST, REASON_OPERATION_FAILED],
  CAP_REACHED: [RESULT_CONNECTION_LOST, REASON_OPERATION_FAILED],
  BAD_FRAME: [RESULT_INTEGRITY, REASON_OPERATION_FAILED],
  BAD_DELTA: [RESULT_INTEGRITY, REASON_OPERATION_FAILED],
  RESULT_MISMATCH: [RESULT_INTEGRITY, REASON_CONDITION_FAILED],
  WRONG_BASE: [RESULT_INTEGRITY, REASON_CONDITION_FAILED],
  UNSUPPORTED: [RESULT_UNSUPPORTED, REASON_COMMAND_UNSUPPORTED],
  VETO: [RESULT_DEFERRED, REASON_CONDITION_FAILED],
};

/**
 * Takes a signed acknowledgement: the report it names leaves the outbox, whatever was sent or lost before.
 * @returns the change to commit, or undefined where it names nothing that waits
 * @throws Refusal as {@link verifyStatement}
 */
export function takeAck(
  verifier: Verifier,
  state: Readonly<State>,
  bytes: Uint8Array,
): { outbox: QueuedReport[] } | undefined {
  const statement = verifyStatement(verifier, state.root.root, bytes, 'ack', 'command');
  const ack = readAck(statement.payload);
  if (!equal(ack.deviceId, state.identity.deviceId)) return undefined;
  const outbox = state.outbox.filter((item) => item.counter !== ack.counter);
  return outbox.length === state.outbox.length ? undefined : { outbox };
}

/** The kid under which the server knows this device's key. */
export function deviceKid(verifier: Verifier, keys: KeyStore): Uint8Array {
  return kidOf(verifier.sha256, publicKeyOf(keys));
}
