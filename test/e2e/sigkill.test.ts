import test from 'ava';
import { killServer } from '../support/server-kills.ts';

test('killed in the middle of an update, the server loses nothing that it acknowledged', async (t) => {
  t.timeout(600_000);
  await killServer(t, 4, 1);
});
