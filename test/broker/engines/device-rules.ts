/** Products, devices and their reports. */
import { enrolDevicesArgs, productArgs, revokeArgs } from '@countersign/broker/ledger/contract/args';
import { hex, publicKeyOf, type Value } from '@countersign/device-sdk/format';
import { deviceObject } from '@countersign/simulator/attacks/server/grants';
import {
  act,
  addProduct,
  CLASS,
  DEVICES_OBJECT,
  enrolDevices,
  newDevice,
  nextReport,
  PRODUCT,
  PRODUCT_OBJECT,
  sha256,
  tx,
} from '../ledger-world.ts';
import { actOn, flippedEnd, type Person, refusesStatements, worldOf } from './bed.ts';
import type { NamedRule, Rule } from './rule.ts';

export const DEVICE_RULES: NamedRule[] = [];

function rule(title: string, run: Rule): void {
  DEVICE_RULES.push([title, run]);
}

rule('products and devices', async (t, engine) => {
  const world = await worldOf(t, engine);
  const { alice, bob, keys } = world;
  const device = newDevice();
  const batch = (classId: Uint8Array, list = [device]) =>
    enrolDevicesArgs({ classId, devices: list.map(({ id, signer }) => ({ id, key: publicKeyOf(signer) })) });
  const enrol = (signer: Person, args: Value, object = DEVICES_OBJECT) => actOn(world, signer, 'enrol', object, args);
  await refusesStatements(t, world, [
    [
      'a product by a service key',
      'NOT_PERMITTED',
      actOn(world, keys.service, 'product', PRODUCT_OBJECT, productArgs(PRODUCT)),
    ],
    [
      'a product under another id',
      'BAD_STATEMENT',
      actOn(world, alice, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, name: 'other' })),
    ],
    [
      'frames of 100 bytes',
      'BAD_STATEMENT',
      actOn(world, alice, 'product', PRODUCT_OBJECT, productArgs({ ...PRODUCT, frameBytes: 100 })),
    ],
    [
      'a product with an instruction set nobody knows',
      'MALFORMED',
      actOn(world, alice, 'product', PRODUCT_OBJECT, [...(productArgs(PRODUCT) as Value[]), 'z80']),
    ],
    ['devices of no product', 'NOT_FOUND', enrol(keys.service, batch(CLASS))],
  ]);
  await addProduct(world);
  const twin = { ...newDevice(), id: device.id };
  await refusesStatements(t, world, [
    ['the product again', 'EXISTS', actOn(world, bob, 'product', PRODUCT_OBJECT, productArgs(PRODUCT))],
    ['a device twice', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS, [device, device]))],
    ['two devices with one id', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS, [device, twin]))],
    ['a key of a person', 'EXISTS', enrol(keys.service, batch(CLASS, [{ ...device, signer: alice }]))],
    ['another object', 'BAD_STATEMENT', enrol(keys.service, batch(CLASS), PRODUCT_OBJECT)],
    [
      '501 devices',
      'TOO_LARGE',
      enrol(
        keys.service,
        batch(
          CLASS,
          Array.from({ length: 501 }, () => device),
        ),
      ),
    ],
  ]);
  await enrolDevices(world, [device]);
  await refusesStatements(t, world, [
    ['a known device by a service key', 'NOT_PERMITTED', enrol(keys.service, batch(CLASS, [twin]))],
    [
      'a revocation by a service key',
      'NOT_PERMITTED',
      actOn(world, keys.service, 'revoke', deviceObject(device.id), revokeArgs('device', device.id, 'x')),
    ],
    [
      'a revocation of nobody',
      'NOT_FOUND',
      actOn(world, bob, 'revoke', deviceObject(new Uint8Array(16)), revokeArgs('device', new Uint8Array(16), 'x')),
    ],
  ]);
  await enrolDevices(world, [twin], bob);
  const again = (await world.ledger.evaluate('getDevice', hex(device.id))) as { epoch: number; counter: number };
  t.deepEqual([again.epoch, again.counter], [1, 0]);
});

rule('reports are counted, chained and of one device', async (t, engine) => {
  const world = await worldOf(t, engine);
  await addProduct(world);
  const [device, other, stranger] = [newDevice(), newDevice(), newDevice()];
  await enrolDevices(world, [device, other]);
  const first = await nextReport(device);
  await world.ledger.submit(first);
  const at = { ...device };
  const variant = (change: object, signer = device.signer) => nextReport({ ...at, signer }, change);
  await refusesStatements(t, world, [
    ['the same report', 'DUPLICATE', first],
    ['an unknown device', 'NOT_FOUND', nextReport(stranger)],
    ["another device's key", 'UNKNOWN_KEY', variant({}, other.signer)],
    ['a flipped signature', 'BAD_SIGNATURE', flippedEnd(await variant({}))],
    ['the same counter with other words', 'BAD_COUNTER', variant({ counter: 1 })],
    ['a gap', 'BAD_COUNTER', variant({ counter: 3 })],
    ['another chain', 'BAD_COUNTER', variant({ previous: sha256(first.subarray(1)) })],
    ['another epoch', 'BAD_COUNTER', variant({ epoch: 1 })],
    ['a transaction by a device', 'WRONG_ROLE', tx(device.signer, { action: 'product', object: PRODUCT_OBJECT })],
  ]);
  await act(world, world.bob, 'revoke', deviceObject(device.id), revokeArgs('device', device.id, 'stolen'));
  await refusesStatements(t, world, [['a revoked device', 'REVOKED', nextReport(device)]]);
});
