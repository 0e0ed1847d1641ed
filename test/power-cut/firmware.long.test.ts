/**
 * Devices with two slots and with one on the same firmware, there and back: a cut before, during and after every operation
 * with the samples, and all over the updates of published releases.
 */
import test from 'ava';
import { firmwarePair } from '../support/firmware.ts';
import { cutPair, LAYOUTS, pairOn, SAMPLE_PAIRS, samplePair } from '../support/firmware-cuts.ts';

const PUBLISHED = ['m4-pybv11-1line', 'esp8266-upy-1.9.4-1.10', 'esp32-wled-0.14.1-0.14.2'];
/** Of a published release: an update of a megabyte takes seconds, and thousands of operations. */
const CUTS = 60;

for (const layout of LAYOUTS) {
  for (const back of [false, true]) {
    const where = `on ${layout}, ${back ? 'back' : 'there'}`;
    for (const sample of SAMPLE_PAIRS) {
      test(`${sample[0]} ${where}: a cut at every operation`, async (t) => {
        await cutPair(t, pairOn(layout, ...samplePair(sample, back)));
      });
    }
    for (const name of PUBLISHED) {
      const pair = firmwarePair(name);
      (pair ? test : test.skip)(`${name} ${where}: cuts all over the update`, async (t) => {
        const { old, fresh } = pair!;
        await cutPair(t, back ? pairOn(layout, fresh, old) : pairOn(layout, old, fresh), CUTS);
      });
    }
  }
}
