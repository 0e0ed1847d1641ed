/** Enrolling devices: id and key go into the ledger, names and labels to the distribution server alone. */
import { hex, type PublicKey, type Signer } from '@countersign/device-sdk/format';
import { ENROL_DEVICES_MAX, enrolDevicesArgs, objectDigest, revokeArgs } from '../../ledger/contract/args.ts';
import type { DeviceNotes } from '../api/device-json.ts';
import type { CommittedView } from '../api/views.ts';
import { getProduct } from './releases.ts';
import { perform, type Session } from './session.ts';

export interface NewDevice extends Partial<DeviceNotes> {
  id: Uint8Array;
  key: PublicKey;
}

/**
 * Enrols devices in batches, each one entry. Labels are stored first, so that no rollout meets a device without them.
 * @param product name or class id
 * @throws Refusal NOT_PERMITTED, EXISTS, BAD_KEY
 */
export async function enrolDevices(
  session: Session,
  signer: Signer,
  product: string,
  devices: readonly NewDevice[],
): Promise<CommittedView[]> {
  const { classId } = await getProduct(session, product);
  const classBytes = Uint8Array.from(Buffer.from(classId, 'hex'));
  const object = objectDigest(session.verifier.sha256, 'devices', classBytes);
  const committed: CommittedView[] = [];
  for (let at = 0; at < devices.length; at += ENROL_DEVICES_MAX) {
    const batch = devices.slice(at, at + ENROL_DEVICES_MAX);
    await labelDevices(session, batch);
    const args = enrolDevicesArgs({ classId: classBytes, devices: batch.map(({ id, key }) => ({ id, key })) });
    committed.push(await perform(session, signer, { action: 'enrol', object, args }));
  }
  return committed;
}

/** Devices without labels and name are left out. */
async function labelDevices({ api }: Session, devices: readonly Omit<NewDevice, 'key'>[]): Promise<void> {
  const noted = devices.filter(({ labels, name }) => name !== undefined || Object.keys(labels ?? {}).length > 0);
  if (noted.length === 0) return;
  const entries = noted.map(({ id, labels = {}, name }) => ({ deviceId: hex(id), labels, ...(name && { name }) }));
  await api.post('/api/v1/devices/labels', { devices: entries });
}

export async function revokeDevice(
  session: Session,
  signer: Signer,
  id: Uint8Array,
  reason: string,
): Promise<CommittedView> {
  const object = objectDigest(session.verifier.sha256, 'device', id);
  return perform(session, signer, { action: 'revoke', object, args: revokeArgs('device', id, reason) });
}
