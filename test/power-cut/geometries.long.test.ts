/** Every path on every geometry: a cut before, during and after every operation, and a second one soon behind it. */
import { CUT_PHASES } from '@countersign/device-sdk/rig';
import test from 'ava';
import { CUT_GEOMETRIES, PATHS } from '../support/cut-paths.ts';

/** Operations behind the first cut at which the second one comes: a start of the device does some twenty of them. */
const BEHIND_MAX = 17;

for (const [where, geometry] of Object.entries(CUT_GEOMETRIES)) {
  for (const [name, path] of Object.entries(PATHS)) {
    test(`${name}, on ${where}`, async (t) => {
      const life = await path(geometry);
      t.true(life.to - life.from > 10);
      let all = 0;
      for (let operation = life.from; operation < life.to; operation++) {
        for (const phase of CUT_PHASES) {
          const { wrong, cuts } = await life.cut(operation, phase);
          t.is(wrong, undefined, `operation ${operation}, ${phase}`);
          t.is(cuts, 1);
          all += cuts;
        }
        const again = operation % BEHIND_MAX;
        const { wrong, cuts } = await life.cut(operation, CUT_PHASES[operation % 3]!, again);
        t.is(wrong, undefined, `operation ${operation}, and ${again} behind it`);
        all += cuts;
      }
      t.log(`${all} cuts`);
    });
  }
}
