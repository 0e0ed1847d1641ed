/**
 * Two pairs of firmware, there and back, on devices with two slots and with one: cuts before, during and after
 * operations all over each update. The long suite cuts at every operation.
 */
import test from 'ava';
import { cutPair, LAYOUTS, pairOn, SAMPLE_PAIRS, samplePair } from '../support/firmware-cuts.ts';

const CUTS = 6;
/** The third is larger, and costs as much as both: the long suite has it. */
const SMALL_PAIRS = SAMPLE_PAIRS.filter(([product]) => product !== 'sensor-node');

for (const layout of LAYOUTS) {
  test(`firmware updates on ${layout} survive cuts, there and back`, async (t) => {
    const directions: (string | undefined)[] = [];
    for (const sample of SMALL_PAIRS) {
      for (const back of [false, true]) {
        directions.push(await cutPair(t, pairOn(layout, ...samplePair(sample, back)), CUTS));
      }
    }
    const met = layout === 'one slot' ? ['backward', 'forward'] : [undefined];
    t.deepEqual([...new Set(directions)].sort(), met, 'both directions are met');
  });
}
