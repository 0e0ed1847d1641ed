/**
 * Removing any single check makes a row of the attack suite fail: here a sample of the checks, drawn by a seed. All of
 * them: `node test/dist/mutation/main.js`.
 */
import test from 'ava';
import { mutate } from './mutate.ts';
import { sampleOf } from './sample.ts';
import { reasonOf } from './survivors.ts';

const SAMPLE = 50;
const SEED = 'first';

test.serial('a removed check is missed by a row of the suite, or stands on the list with its reason', async (t) => {
  t.timeout(1_500_000, 'one process runs the suite and then fifty mutants');
  const { failed, results } = await mutate((checks) =>
    sampleOf(
      checks.map(({ name }) => name),
      SAMPLE,
      SEED,
    ),
  );
  t.deepEqual(failed, [], 'with every check in place nothing fails');
  t.is(results.size, SAMPLE);
  for (const [name, { outcome }] of results) {
    const missed = outcome === 'survived' || outcome === 'shadowed' || outcome === 'untried';
    t.is(missed, reasonOf(name) !== undefined, `${outcome}: ${name}`);
  }
});
