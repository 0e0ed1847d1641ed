/** A device's report: counted, chained, and touching that device's keys alone, so that a fleet reports side by side. */
import { demand, Refusal } from '@countersign/device-sdk';
import { checkStatement, outcomeOf } from '@countersign/device-sdk/format';
import { type Call, stampOf, timeOf } from './call.ts';
import type { ReportEntry } from './entry.ts';
import { type DeviceState, fromHex, NONE, read, toHex, write } from './state.ts';

/**
 * A report does not move the device's `previous`: a device that reports without pause could otherwise outrun every
 * revocation of itself.
 * @throws Refusal NOT_FOUND, UNKNOWN_KEY, REVOKED, BAD_SIGNATURE, DUPLICATE, BAD_COUNTER
 */
export async function report(call: Call, entry: ReportEntry): Promise<void> {
  const { report: said, statement } = entry;
  const id = toHex(said.deviceId);
  const device = await read(call.stub, 'device', id);
  if (!device) throw new Refusal('NOT_FOUND', `there is no device ${id}`);
  demand(toHex(statement.kid) === device.kid, 'UNKNOWN_KEY', `key ${toHex(statement.kid)} is not device ${id}'s`);
  checkStatement(call.verifier, statement, { alg: device.alg, bytes: fromHex(device.publicKey) });
  demand(device.state === 'enrolled', 'REVOKED', `device ${id} is revoked`);
  const digest = toHex(call.verifier.sha256(entry.bytes));
  checkContinues(entry, device, digest);
  const outcome = outcomeOf(said);
  const rolloutId = said.rolloutId ? toHex(said.rolloutId) : null;
  await write(call.stub, 'device', [id], {
    ...device,
    counter: said.counter,
    lastReport: digest,
    outcome,
    code: said.code,
    manifestDigest: toHex(said.manifestDigest),
    slotDigest: toHex(said.slotDigest),
    components: said.components?.map(({ id: name, digest: runs, code }) => ({ id: name, digest: toHex(runs), code })),
    rolloutId,
    reportedAt: timeOf(call),
    ...stampOf(entry, 'report', id),
  });
  // Under its own class: which rollout it names is the device's word, and another class's counts must not hear it.
  if (rolloutId) await write(call.stub, 'attempt', [rolloutId, device.classId, id], { outcome, code: said.code });
}

function checkContinues({ report: said }: ReportEntry, device: DeviceState, digest: string): void {
  demand(digest !== device.lastReport, 'DUPLICATE', `report ${said.counter} of ${device.deviceId} is logged already`);
  const { epoch, counter, lastReport } = device;
  demand(said.epoch === epoch, 'BAD_COUNTER', `expected epoch ${epoch}, got ${said.epoch}`);
  demand(said.counter === counter + 1, 'BAD_COUNTER', `expected report ${counter + 1}, got ${said.counter}`);
  const before = toHex(said.previous);
  demand(before === (lastReport ?? NONE), 'BAD_COUNTER', `report ${said.counter} does not follow the one before it`);
}
