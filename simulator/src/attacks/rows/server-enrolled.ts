/** Row 44: devices that are enrolled and revoked as nobody may; and the server’s part of row 42. */
import { enrolDevicesArgs, objectDigest, productArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { ALG_ESP256, publicKeyOf } from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import type { Variant } from '../attack.ts';
import { otherSignature } from '../forge.ts';
import {
  act,
  CLASS,
  DEVICES_OBJECT,
  enrolDevices,
  newDevice,
  newSigner,
  nextReport,
  PRODUCT,
  sha256,
  VENDOR,
} from '../server/ledger-world.ts';
import { alice, bob, hire, OTHER } from '../server/people.ts';
import { contract } from '../server/try.ts';

export const deviceRows: Variant[] = [
  contract('takes a known device over with a server’s key', 'NOT_PERMITTED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    return () => enrolDevices(world, [{ ...device, signer: newSigner() }]);
  }),
  contract('enrols devices as an engineer', 'NOT_PERMITTED', async (world) => {
    const carol = await hire(world, 'carol', ['engineer']);
    return () => enrolDevices(world, [newDevice()], carol);
  }),
  contract('enrols devices under another object', 'BAD_STATEMENT', async (world) => {
    const args = enrolDevicesArgs({
      classId: CLASS,
      devices: [{ id: newDevice().id, key: publicKeyOf(newSigner()) }],
    });
    return () => act(world, world.keys.service, 'enrol', sha256(DEVICES_OBJECT), args);
  }),
  contract('enrols devices of a class that is not there', 'NOT_FOUND', async (world) => {
    const args = enrolDevicesArgs({ classId: OTHER, devices: [{ id: newDevice().id, key: publicKeyOf(newSigner()) }] });
    return () => act(world, world.keys.service, 'enrol', objectDigest(sha256, 'devices', OTHER), args);
  }),
  contract('enrols a revoked device again', 'REVOKED', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    await act(
      world,
      bob(world),
      'revoke',
      objectDigest(sha256, 'device', device.id),
      revokeArgs('device', device.id, 'stolen'),
    );
    return () => enrolDevices(world, [{ ...device, signer: newSigner() }], bob(world));
  }),
  contract('enrols a device of another class again', 'WRONG_CLASS', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const made = { ...PRODUCT, name: 'toaster' };
    const toasters = classId(VENDOR, made.name);
    await act(world, alice(world), 'product', objectDigest(sha256, 'product', toasters), productArgs(made));
    const args = enrolDevicesArgs({ classId: toasters, devices: [{ id: device.id, key: publicKeyOf(newSigner()) }] });
    return () => act(world, bob(world), 'enrol', objectDigest(sha256, 'devices', toasters), args);
  }),
  contract('revokes a device under another object', 'BAD_STATEMENT', async (world) => {
    const [device, other] = [newDevice(), newDevice()];
    await enrolDevices(world, [device, other]);
    return () =>
      act(world, bob(world), 'revoke', objectDigest(sha256, 'device', other.id), revokeArgs('device', device.id, 'x'));
  }),
  contract(
    'revokes a device that is not there',
    'NOT_FOUND',
    async (world) => () =>
      act(world, bob(world), 'revoke', objectDigest(sha256, 'device', OTHER), revokeArgs('device', OTHER, 'x')),
  ),
  contract('revokes a device twice', 'BAD_STATEMENT', async (world) => {
    const device = newDevice();
    await enrolDevices(world, [device]);
    const object = objectDigest(sha256, 'device', device.id);
    await act(world, bob(world), 'revoke', object, revokeArgs('device', device.id, 'x'));
    return () => act(world, bob(world), 'revoke', object, revokeArgs('device', device.id, 'x'));
  }),
];

/** Row 42, at the ledger’s door. */
export const copiedReport: Variant = contract(
  'makes a second signature for a report out of the first',
  'BAD_SIGNATURE',
  async (world) => {
    const device = { ...newDevice(), signer: nodeKeyStore(ALG_ESP256, generateKeyPair(ALG_ESP256).secret) };
    await enrolDevices(world, [device]);
    const report = otherSignature(await nextReport(device));
    return () => world.ledger.submit(report);
  },
);
