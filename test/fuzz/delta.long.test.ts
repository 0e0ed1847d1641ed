import test from 'ava';
import { EXPECTED, fuzz } from './delta.ts';

test('100,000 damaged containers: no other error, nothing outside the slot, no growth of memory', (t) => {
  fuzz(1, { count: 5000 });
  const before = process.memoryUsage();
  const endings = fuzz(2, { count: 100_000 });
  const after = process.memoryUsage();
  t.log(endings);
  t.true(after.rss - before.rss < 64 << 20, `${after.rss - before.rss} bytes more`);
  t.deepEqual(
    Object.keys(endings).filter((code) => !EXPECTED.includes(code)),
    [],
  );
});
