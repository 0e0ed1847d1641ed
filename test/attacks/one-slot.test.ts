/** Devices with one slot under the attacks: the rows where they differ; the long suite has all of them. */
import { DIFFERENCES, ONE_SLOT_ATTACKS } from '@countersign/simulator/attacks/one-slot';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { runAttack } from '@countersign/simulator/attacks/run';
import { ATTACKS } from '@countersign/simulator/attacks/suite';
import test from 'ava';

test('whatever is tried otherwise on one slot is named, with its reason, and no row is left without a try', (t) => {
  for (const { id, how, why } of DIFFERENCES) {
    const { variants } = ATTACKS.find((attack) => attack.id === id)!;
    t.true(
      variants.some((variant) => variant.how === how),
      `row ${id}: ${how}`,
    );
    t.true(why.length > 10);
  }
  t.deepEqual(
    ONE_SLOT_ATTACKS.map(({ id }) => id),
    ATTACKS.filter(({ against }) => against.includes('device')).map(({ id }) => id),
  );
  for (const { id, variants } of ONE_SLOT_ATTACKS) t.true(variants.length > 0, `row ${id}`);
});

for (const id of [1, 20, 22, 46]) {
  const attack = ONE_SLOT_ATTACKS.find((item) => item.id === id)!;
  test.serial(`row ${id}, ${attack.name}: none of ${attack.variants.length} tries succeeds on one slot`, async (t) => {
    const { outcome, failed } = await runAttack(attack, new SdkPort('one slot'));
    t.deepEqual(failed, []);
    t.true(outcome === 'refused' || outcome === 'held');
  });
}
