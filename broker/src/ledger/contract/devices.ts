/** Devices are enrolled in batches: a random id and a key each. Names, serials and owners live outside the ledger. */
import { demand, Refusal } from '@countersign/device-sdk';
import { ID_BYTES, kidOf, type PublicKey } from '@countersign/device-sdk/format';
import { type EnrolDevices, objectDigest } from './args.ts';
import { type Call, changed, nameOf, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { checkNewKey } from './new-key.ts';
import { personWith } from './rights.ts';
import { type DeviceState, read, remove, toHex, write } from './state.ts';

/**
 * Enrols new devices, or gives a known device a new key and its next epoch after it lost its store. The latter takes
 * an operator: a stolen service key must not take over devices that exist.
 */
export async function enrolDevices(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  args: EnrolDevices,
): Promise<void> {
  const classId = toHex(args.classId);
  if (by.kind === 'person') personWith(by, ['operator'], 'enrolling devices').about(classId);
  const digest = objectDigest(call.verifier.sha256, 'devices', args.classId);
  demand(toHex(entry.tx.object) === toHex(digest), 'BAD_STATEMENT', `the object is not the devices of ${classId}`);
  demand(await read(call.stub, 'product', classId), 'NOT_FOUND', `there is no product class ${classId}`);
  const known = await checkBatch(call, by, args);
  for (const device of args.devices) {
    const id = toHex(device.id);
    await enrolOne(call, entry, by, classId, device, known.get(id));
  }
  await changed(call, entry, digest, 'devices', classId);
}

/** Everything is read before anything is written: state written in this call cannot be read in it. */
async function checkBatch(call: Call, by: Signatory, args: EnrolDevices): Promise<Map<string, DeviceState>> {
  const known = new Map<string, DeviceState>();
  const ids = new Set<string>();
  const keys = new Set<string>();
  for (const { id, key } of args.devices) {
    const name = toHex(id);
    const keyName = toHex(key.bytes);
    demand(!ids.has(name) && !keys.has(keyName), 'BAD_STATEMENT', `device ${name} or its key stands twice`);
    ids.add(name);
    keys.add(keyName);
    const device = await read(call.stub, 'device', name);
    if (device) known.set(name, checkAgain(device, by, toHex(args.classId)));
    await checkNewKey(call, key);
  }
  return known;
}

function checkAgain(device: DeviceState, by: Signatory, classId: string): DeviceState {
  demand(by.kind === 'person', 'NOT_PERMITTED', `device ${device.deviceId} is known; only an operator enrols it anew`);
  demand(device.state === 'enrolled', 'REVOKED', `device ${device.deviceId} is revoked`);
  demand(device.classId === classId, 'WRONG_CLASS', `device ${device.deviceId} is of class ${device.classId}`);
  return device;
}

async function enrolOne(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  classId: string,
  device: NewDevice,
  former: DeviceState | undefined,
): Promise<void> {
  if (former) await remove(call.stub, 'key', former.kid);
  await storeNewDevice(call, entry, by, classId, device, former ? former.epoch + 1 : 0);
}

type NewDevice = { id: Uint8Array; key: PublicKey };

/** Writes a device that has said nothing yet in this epoch. Everything was checked before. */
export async function storeNewDevice(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  classId: string,
  { id, key }: NewDevice,
  epoch = 0,
): Promise<void> {
  const { sha256 } = call.verifier;
  const deviceId = toHex(id);
  const kid = toHex(kidOf(sha256, key));
  await write(call.stub, 'key', [kid], { kind: 'device', id: deviceId });
  await write(call.stub, 'device', [deviceId], {
    deviceId,
    classId,
    publicKey: toHex(key.bytes),
    alg: key.alg,
    kid,
    state: 'enrolled',
    epoch,
    counter: 0,
    lastReport: null,
    outcome: null,
    code: null,
    manifestDigest: null,
    slotDigest: null,
    rolloutId: null,
    reportedAt: null,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'enrol', nameOf(by)),
  });
  await changed(call, entry, objectDigest(sha256, 'device', id), 'device', deviceId);
}

/** A revoked device's reports are refused from here on. One operator is enough: it takes something away. */
export async function revokeDevice(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  args: { id: Uint8Array; reason: string },
): Promise<void> {
  const permit = personWith(by, ['operator'], 'revoking a device');
  demand(args.id.length === ID_BYTES, 'MALFORMED', `a device id has ${ID_BYTES} bytes`);
  const digest = objectDigest(call.verifier.sha256, 'device', args.id);
  const deviceId = toHex(args.id);
  demand(toHex(entry.tx.object) === toHex(digest), 'BAD_STATEMENT', `the object is not device ${deviceId}`);
  const device = await read(call.stub, 'device', deviceId);
  if (!device) throw new Refusal('NOT_FOUND', `there is no device ${deviceId}`);
  const operator = permit.about(device.classId);
  demand(device.state === 'enrolled', 'BAD_STATEMENT', `device ${deviceId} is revoked already`);
  await write(call.stub, 'device', [deviceId], {
    ...device,
    state: 'revoked',
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'revoke', operator.name),
  });
  await changed(call, entry, digest, 'device', deviceId);
}
