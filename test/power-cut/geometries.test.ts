/**
 * Every path on every geometry, cut at a few operations each. The long suite cuts at every operation, in every phase, and
 * twice.
 */
import { CUT_PHASES } from '@countersign/device-sdk/rig';
import test from 'ava';
import { CUT_GEOMETRIES, PATHS } from '../support/cut-paths.ts';

const CUTS = 2;

for (const [name, path] of Object.entries(PATHS)) {
  test(`${name}: a few cuts on each of ${Object.keys(CUT_GEOMETRIES).length} geometries`, async (t) => {
    for (const [number, [where, geometry]] of Object.entries(CUT_GEOMETRIES).entries()) {
      const life = await path(geometry);
      for (let i = 0; i < CUTS; i++) {
        const operation = life.from + Math.floor(((life.to - life.from) * (i + number / 10)) / CUTS);
        const phase = CUT_PHASES[(i + number) % CUT_PHASES.length]!;
        const { wrong, cuts } = await life.cut(operation, phase, number % 2 === 0 ? 2 + i : undefined);
        t.is(wrong, undefined, `${where}, operation ${operation}, ${phase}`);
        t.true(cuts >= 1, `${where}, operation ${operation}`);
      }
    }
  });
}
