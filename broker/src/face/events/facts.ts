/** What an entry of the ledger says, in short, for whoever watches. The entry itself is at `/api/v1/entries/LEAF`. */
import {
  ABORTED,
  decode,
  HEADER_PREVIOUS,
  HEADER_TYP,
  hex,
  KINDS,
  OPEN,
  outcomeOf,
  PAUSED,
  readReport,
  readRollout,
  readSign1,
  readStatement,
  readTransaction,
  typOf,
} from '@countersign/device-sdk/format';
import type { LedgerEvent } from '../../ledger/client.ts';

/** `entry` is one of a kind that this build does not know. */
export type FactKind = 'transaction' | 'release' | 'rollout' | 'report' | 'root' | 'entry';

export interface Fact {
  kind: FactKind;
  /** Position in the ledger. */
  leafIndex: number;
  leafHash: string;
  blockNumber: number;
  /** Seconds since the epoch, as the block says. */
  time: number;
  [member: string]: unknown;
}

export function factOf(event: LedgerEvent): Fact {
  const { leafIndex, leafHash, blockNumber, time } = event;
  const place = { leafIndex, leafHash: hex(leafHash), blockNumber, time };
  try {
    return { ...saidIn(event.bytes), ...place };
  } catch {
    // Every entry has its event, or positions would be missing; what it says is for the ledger's readers to refuse.
    return { kind: 'entry', ...place };
  }
}

function saidIn(bytes: Uint8Array): { kind: FactKind } & Record<string, unknown> {
  const value = decode(bytes);
  if (Array.isArray(value)) return { kind: 'root' };
  const { protected: header } = readSign1(value);
  if (header.has(HEADER_PREVIOUS)) return { kind: 'release' };
  const kind = KINDS.find((name) => typOf(name) === header.get(HEADER_TYP));
  if (kind === 'tx') {
    const { payload, kid } = readStatement(bytes, kind);
    const { action, object } = readTransaction(payload);
    return { kind: 'transaction', action, object: hex(object), signer: hex(kid) };
  }
  if (kind === 'rollout') return rolloutIn(readRollout(readStatement(bytes, kind).payload));
  if (kind === 'report') return reportIn(readReport(readStatement(bytes, kind).payload));
  return { kind: 'entry' };
}

const STATES: Record<number, string> = { [OPEN]: 'open', [PAUSED]: 'paused', [ABORTED]: 'aborted' };

function rolloutIn({
  rolloutId,
  rolloutSequence,
  releaseLeaf,
  classId,
  state,
  cohorts,
}: ReturnType<typeof readRollout>) {
  return {
    kind: 'rollout' as const,
    rolloutId: hex(rolloutId),
    rolloutSequence,
    state: STATES[state]!,
    releaseLeaf: hex(releaseLeaf),
    classId: hex(classId),
    cohorts: cohorts.length,
  };
}

function reportIn(report: ReturnType<typeof readReport>) {
  const { deviceId, rolloutId, code, attempt } = report;
  return {
    kind: 'report' as const,
    deviceId: hex(deviceId),
    rolloutId: rolloutId ? hex(rolloutId) : null,
    outcome: outcomeOf(report),
    code,
    attempt,
  };
}
