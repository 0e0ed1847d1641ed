/** Making reports: each counted and chained to the one before it, and kept until its acknowledgement arrives. */
import type { Code } from '../errors.ts';
import { placesOf, runsPending, type Slots } from '../fetch/target.ts';
import { equal } from '../format/bytes.ts';
import { leafHash } from '../format/merkle.ts';
import { readAck } from '../format/messages.ts';
import {
  REASON_COMMAND_UNSUPPORTED,
  REASON_COMPONENT_UNSUPPORTED,
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
} from '../format/report.ts';
import { signStatement } from '../format/statement.ts';
import type { BootControl, KeyStore, Verifier } from '../ports.ts';
import { digestSlot } from '../store/slots.ts';
import { type Missed, OUTBOX_MAX, type QueuedReport, type ReportChain, type State } from '../store/state.ts';
import type { Store } from '../store/store.ts';
import { verifyStatement } from '../verify/signed.ts';

/** What a report says, before counter, chain and the digest of what runs are filled in. */
export type Finding = Missed;

export interface ReportPorts {
  store: Store;
  keys: KeyStore;
  slots: Slots;
  boot: BootControl;
}

/** The parts of the device's state that a new report changes; commit them together with what is reported. */
export interface Reported {
  reports?: ReportChain;
  outbox?: QueuedReport[];
  missed: Missed | undefined;
}

/**
 * Signs the next report of the chain. A full outbox keeps its oldest, which the chain needs first: the finding is then
 * kept as the newest that was missed, the chain does not move, and it is reported when there is room again.
 */
export async function makeReport(p: ReportPorts, finding: Finding): Promise<Reported> {
  const { store } = p;
  const { identity, reports, head } = store.state;
  if (isFull(store.state)) return { missed: finding };
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
    ...codesOf(finding),
    code: finding.code,
    stages: finding.stages.slice(-STAGES_MAX),
    ...digestsOf(p, finding),
  };
  const bytes = await signStatement(sha256, 'report', reportValue(report), p.keys);
  return {
    reports: { epoch: reports.epoch, counter, previous: sha256(bytes) },
    // Read again: an acknowledgement may have come while the key store was signing.
    outbox: [...store.state.outbox, { counter, bytes }],
    missed: undefined,
  };
}

/** Every report has a place of its own in the store, by its counter: two that are that far apart would share one. */
export function isFull({ outbox, reports }: Readonly<State>): boolean {
  const [oldest] = outbox;
  return outbox.length >= OUTBOX_MAX || (oldest !== undefined && reports.counter + 1 - oldest.counter >= OUTBOX_MAX);
}

/** Read from the slots themselves at the moment of the report: a report speaks of what is there. */
function digestsOf(p: ReportPorts, { code, manifestDigest }: Finding): Pick<Report, 'slotDigest' | 'components'> {
  const { store, slots, boot } = p;
  const { pending, running } = store.state;
  const { image } = pending && runsPending(p) ? pending : running;
  // What the release names, where it is still known; a finding that waited for room may speak of one that is forgotten.
  const wanted = [pending, running].find((item) => item && equal(item.manifestDigest, manifestDigest))?.image
    .components;
  // OK of a report says that a trial begins, or how one ended: of a component that runs another image it would not be true.
  const otherwise = code === 'OK' ? 'NOT_CURRENT' : code;
  const [own, ...further] = placesOf(slots, boot.running(), image).map(({ id, flash, bytes }) => {
    const digest = digestSlot(flash, bytes, store.verifier.hash());
    const good = wanted?.some((item) => item.id === id && equal(item.digest, digest));
    return { id: id ?? '', digest, code: good ? ('OK' as const) : otherwise };
  });
  return { slotDigest: own!.digest, ...(further.length > 0 && { components: further }) };
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
  WRONG_COMPONENTS: [RESULT_UNSUPPORTED, REASON_COMPONENT_UNSUPPORTED],
  VETO: [RESULT_DEFERRED, REASON_CONDITION_FAILED],
};

/**
 * Takes a signed acknowledgement: the report it names leaves the outbox, whatever was sent or lost before. It must name
 * that very report: counters begin anew with every epoch, and an acknowledgement of an earlier one may be replayed.
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
  const { sha256 } = verifier;
  const isNamed = ({ counter, bytes: report }: QueuedReport) =>
    counter === ack.counter && equal(leafHash(sha256, report), ack.leafHash);
  const outbox = state.outbox.filter((item) => !isNamed(item));
  return outbox.length === state.outbox.length ? undefined : { outbox };
}
