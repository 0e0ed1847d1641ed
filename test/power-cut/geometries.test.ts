/**
 * Every path on every geometry, cut at one operation each, from geometry to geometry another. The long suite cuts at every
 * operation, in every phase, and twice.
 */
import { CUT_PHASES } from '@countersign/device-sdk/rig';
import test from 'ava';
import { CUT_GEOMETRIES, PATHS } from '../support/cut-paths.ts';

const geometries = Object.entries(CUT_GEOMETRIES);

for (const [name, path] of Object.entries(PATHS)) {
  test(`${name}: a cut on each of ${geometries.length} geometries`, async (t) => {
    for (const [number, [where, geometry]] of geometries.entries()) {
      const life = await path(geometry);
      const operation = life.from + Math.floor(((life.to - life.from) * number) / geometries.length);
      const phase = CUT_PHASES[number % CUT_PHASES.length]!;
      const { wrong, cuts } = await life.cut(operation, phase, number % 2 === 0 ? 2 : undefined);
      t.is(wrong, undefined, `${where}, operation ${operation}, ${phase}`);
      t.true(cuts >= 1, `${where}, operation ${operation}`);
    }
  });
}
