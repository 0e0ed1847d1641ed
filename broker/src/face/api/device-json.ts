/** One device with all that a server knows of it: the ledger's view, its last report, what operators noted, what it owes. */
import { readReport, readStatement, unhex } from '@countersign/device-sdk/format';
import type { CloneVerdict } from '../../distribution/clones.ts';
import type { Unanswered } from '../../distribution/rollouts/driver.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { DeviceState } from '../../ledger/contract/state.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';

/** What operators call a device and group it by: never in the ledger, so not every server knows it. */
export interface DeviceNotes {
  labels: Record<string, string>;
  name?: string;
}

/** What a distribution server knows beside the ledger. */
export interface DeviceKnowledge {
  notes(deviceId: string): DeviceNotes | undefined;
  clone(deviceId: string, epoch: number): CloneVerdict | undefined;
  unanswered(deviceId: string, classId: string): Promise<Unanswered | undefined>;
}

export interface DeviceJson extends DeviceView, DeviceNotes, Suspected {
  /** LwM2M object 5, resources 3 and 5, and the SUIT reason, as the last report has them; null where none is known. */
  updateState: number | null;
  updateResult: number | null;
  reason: number | null;
  /** Null where nothing is offered, where it has spoken, and on a server that does not know. */
  unanswered: Unanswered | null;
}

/** Where two devices were seen with one key. */
export interface Suspected {
  clone?: CloneVerdict;
}

export function withNotes(
  device: DeviceView,
  known: DeviceKnowledge | undefined,
): DeviceView & DeviceNotes & Suspected {
  const clone = device.state === 'enrolled' ? known?.clone(device.deviceId, device.epoch) : undefined;
  return { ...device, labels: {}, ...known?.notes(device.deviceId), ...(clone && { clone }) };
}

export async function deviceJson(
  ledger: LedgerClient,
  device: DeviceView,
  known: DeviceKnowledge | undefined,
): Promise<DeviceJson> {
  const offered = device.state === 'enrolled' && (await known?.unanswered(device.deviceId, device.classId));
  return {
    ...withNotes(device, known),
    ...(await lastWord(ledger, device as DeviceState)),
    unanswered: offered || null,
  };
}

/** Read from the report itself: the contract keeps what rollouts are judged by. */
async function lastWord(ledger: LedgerClient, { action, entry }: DeviceState) {
  if (action !== 'report') return { updateState: null, updateResult: null, reason: null };
  const { payload } = readStatement(await ledger.entry(unhex(entry)!), 'report');
  const { state, result, reason } = readReport(payload);
  return { updateState: state, updateResult: result, reason };
}
