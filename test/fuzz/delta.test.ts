import test from 'ava';
import { fuzz } from './delta.ts';

const EXPECTED = ['accepted', 'BAD_DELTA', 'UNSUPPORTED', 'NO_SPACE', 'NO_MEMORY'];

test('damaged containers end in an image inside the slot or a refusal', (t) => {
  const seed = Date.now() >>> 0;
  t.log(`seed ${seed}`);
  const endings = fuzz(seed, { milliseconds: 2500 });
  t.log(endings);
  t.deepEqual(
    Object.keys(endings).filter((code) => !EXPECTED.includes(code)),
    [],
  );
  t.true(endings.BAD_DELTA! > 100);
});
