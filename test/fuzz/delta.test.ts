import test from 'ava';
import { EXPECTED, fuzz } from './delta.ts';

test('damaged containers end in an image inside the slot or a refusal', (t) => {
  const seed = Date.now() >>> 0;
  t.log(`seed ${seed}`);
  const endings = fuzz(seed, { count: 800 });
  t.log(endings);
  t.deepEqual(
    Object.keys(endings).filter((code) => !EXPECTED.includes(code)),
    [],
  );
  t.true(endings.BAD_DELTA! > 100);
  t.true(endings['wrong digest']! > 10);
});
