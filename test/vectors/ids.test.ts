/** COSE Key thumbprints (RFC 9679) that another implementation published as kids. */
import { hex, type PublicKey, thumbprint, unhex } from '@countersign/device-sdk/format';
import test from 'ava';
import { outsideJson, SKIPPED } from '../support/outside.ts';
import { sha256 } from '../support/world.ts';

interface Print {
  x: string;
  y: string;
  sha256: string;
}

test('P-256 keys have the published thumbprints', (t) => {
  const prints = outsideJson<{ coseKeyThumbprints: Print[] }>('ids/ids.json')?.coseKeyThumbprints;
  if (!prints) return void t.pass(SKIPPED);
  t.is(prints.length, 2);
  for (const { x, y, sha256: expected } of prints) {
    const key: PublicKey = { alg: -9, bytes: unhex(`04${x}${y}`)! };
    t.is(hex(thumbprint(sha256, key)), expected);
  }
});
