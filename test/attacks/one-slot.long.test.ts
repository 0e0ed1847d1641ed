/** Every row that concerns a device, on one with a single slot. */
import { ONE_SLOT_ATTACKS } from '@countersign/simulator/attacks/one-slot';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { runAttack } from '@countersign/simulator/attacks/run';
import test from 'ava';

for (const attack of ONE_SLOT_ATTACKS) {
  test.serial(`row ${attack.id}, ${attack.name}, with one slot`, async (t) => {
    const { outcome, failed } = await runAttack(attack, new SdkPort('one slot'));
    t.deepEqual(failed, []);
    t.true(outcome === 'refused' || outcome === 'held');
  });
}
