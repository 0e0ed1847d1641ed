/**
 * Devices with two slots and with one on the same firmware, there and back, with cuts all over the updates of samples and
 * published releases; in full, before, during and after every operation with the samples.
 */
import test from 'ava';
import { effort, FULL } from '../support/effort.ts';
import { firmwarePair } from '../support/firmware.ts';
import { cutPair, LAYOUTS, pairOn, SAMPLE_PAIRS, samplePair } from '../support/firmware-cuts.ts';

const PUBLISHED = ['m4-pybv11-1line', 'esp8266-upy-1.9.4-1.10', 'esp32-wled-0.14.1-0.14.2'];
/** Of a published release: an update of a megabyte takes seconds, and thousands of operations. */
const CUTS = effort(12, 60);
/** Of a sample; in full, every operation in each of its phases. */
const SAMPLE_CUTS = FULL ? undefined : 100;

for (const layout of LAYOUTS) {
  for (const back of [false, true]) {
    const where = `on ${layout}, ${back ? 'back' : 'there'}`;
    for (const sample of SAMPLE_PAIRS) {
      test(`${sample[0]} ${where}: cuts ${FULL ? 'at every operation' : 'all over the update'}`, async (t) => {
        await cutPair(t, pairOn(layout, ...samplePair(sample, back)), SAMPLE_CUTS);
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
