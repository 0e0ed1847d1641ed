import { existsSync, readFileSync } from 'node:fs';
import test from 'ava';
import { backends, backendsWith, ED25519, ESP256, keyRefusal, type Name, unhex } from './backends.ts';

/**
 * Project Wycheproof's vectors. They stand beside the checkout, not in it; without them these tests say so.
 * Our rules are stricter than RFC 8032 in one point, keys of small or mixed order, and Wycheproof's keys are all of
 * prime order: no test of it is an exception here, every result is expected as published.
 */
const folder = new URL('../../../../shared/vectors/wycheproof/', import.meta.url);
const suites = [
  { alg: ED25519, file: 'ed25519_test.json', tests: 151, valid: 88 },
  { alg: ESP256, file: 'ecdsa_secp256r1_sha256_p1363_test.json', tests: 262, valid: 173 },
];

interface Group {
  publicKey: { pk?: string; uncompressed?: string };
  tests: { tcId: number; msg: string; sig: string; result: string }[];
}

for (const suite of suites) {
  for (const name of backendsWith(suite.alg)) {
    test(`${name} agrees with every result of Wycheproof's ${suite.file}`, (t) => {
      const groups = read(suite.file);
      if (!groups) return void t.pass(`skipped: ${suite.file} is not beside this checkout`);
      const all = groups.flatMap((group) => group.tests.map((each) => ({ ...each, key: keyOf(group) })));
      const wrong = all.filter((v) => verifies(name, suite.alg, v.key, v.msg, v.sig) !== (v.result === 'valid'));
      t.deepEqual(wrong, []);
      t.deepEqual([all.length, all.filter((v) => v.result === 'valid').length], [suite.tests, suite.valid]);
    });

    test(`${name} enrols every key of Wycheproof's ${suite.file}`, (t) => {
      const groups = read(suite.file);
      if (!groups) return void t.pass(`skipped: ${suite.file} is not beside this checkout`);
      const refused = groups.map((group) => keyRefusal(name, suite.alg, keyOf(group))).filter((code) => code);
      t.deepEqual(refused, []);
    });
  }
}

function read(file: string): Group[] | undefined {
  const url = new URL(file, folder);
  if (existsSync(url)) return JSON.parse(readFileSync(url, 'utf8')).testGroups;
  console.log(`skipped: ${file} is not beside this checkout`);
  return undefined;
}

function keyOf(group: Group): Uint8Array {
  return unhex(group.publicKey.pk ?? group.publicKey.uncompressed ?? '');
}

function verifies(name: Name, alg: number, key: Uint8Array, msg: string, sig: string): boolean {
  return backends[name].verify(alg, key, unhex(msg), unhex(sig));
}
