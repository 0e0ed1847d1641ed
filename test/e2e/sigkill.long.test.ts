import test from 'ava';
import { killServer } from '../support/server-kills.ts';

test('killed at 25 seeded moments of an update of 100 devices, the server loses nothing that it acknowledged', async (t) => {
  t.timeout(900_000);
  await killServer(t, 100, 25);
});
