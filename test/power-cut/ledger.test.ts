import test from 'ava';
import { killedLedger } from './ledger.ts';

test('a ledger killed at any moment loses nothing that it acknowledged', async (t) => {
  await killedLedger(t, 4, 'kill');
});
