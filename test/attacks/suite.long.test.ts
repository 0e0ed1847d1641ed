/** The tries that the quick suite leaves out. */
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { runAttack } from '@countersign/simulator/attacks/run';
import { ATTACKS } from '@countersign/simulator/attacks/suite';
import test from 'ava';
import { rowsWithLongTries, sameBehindLines, sdkBehindLines, splitTries } from '../support/attack-tries.ts';

for (const { long } of rowsWithLongTries(ATTACKS).map(splitTries)) {
  for (const variant of long.variants) {
    test.serial(`row ${long.id}, ${long.name}: ${variant.how}`, async (t) => {
      t.timeout(600_000);
      const { outcome, failed } = await runAttack({ ...long, variants: [variant] }, new SdkPort());
      t.deepEqual(failed, []);
      t.true(outcome === 'refused' || outcome === 'held');
    });
  }
}

test.serial('the SDK behind JSON lines gives the same answers as in this process, in whole rows', async (t) => {
  t.timeout(600_000);
  const port = sdkBehindLines();
  t.teardown(() => port.end());
  for (const id of [1, 7, 22, 33, 46]) await sameBehindLines(t, port, ATTACKS.find((attack) => attack.id === id)!);
});
