import test from 'ava';
import { killedLedger } from './ledger.ts';

for (const seed of ['one', 'two', 'three']) {
  test(`a ledger killed forty times loses nothing, seed ${seed}`, async (t) => {
    t.timeout(600_000);
    await killedLedger(t, 40, seed);
  });
}
