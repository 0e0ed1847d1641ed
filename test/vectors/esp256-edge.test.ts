import { publicKeyOf, signWith } from '@countersign/device-sdk/host/crypto';
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import test from 'ava';
import { backends, backendsWith, ESP256, keyRefusal, unhex } from './backends.ts';

const { Point } = p256;
const N = Point.Fn.ORDER;
const message = new Uint8Array(Buffer.from('edge cases of ESP256'));
const secret = sha256(message);
const key = publicKeyOf(ESP256, secret);
const { r, s } = lowS(signWith(ESP256, secret)(message));

const signatures = [
  { title: 'a signature with low s', bytes: pair(r, s), verifies: true },
  { title: 'the same signature with high s', bytes: pair(r, N - s), verifies: true },
  { title: 'r and s exchanged', bytes: pair(s, r), verifies: false },
  { title: 'r = 0', bytes: pair(0n, s), verifies: false },
  { title: 's = 0', bytes: pair(r, 0n), verifies: false },
  { title: 'r = n', bytes: pair(N, s), verifies: false },
  { title: 's = n', bytes: pair(r, N), verifies: false },
  { title: 's all ones', bytes: pair(r, 2n ** 256n - 1n), verifies: false },
  { title: 'r = n - 1 and s = n - 1', bytes: pair(N - 1n, N - 1n), verifies: false },
  { title: '63 bytes', bytes: pair(r, s).subarray(1), verifies: false },
  { title: '65 bytes', bytes: Uint8Array.of(...pair(r, s), 0), verifies: false },
  { title: 'DER', bytes: p256.sign(message, secret, { format: 'der' }), verifies: false },
  { title: 'no bytes', bytes: new Uint8Array(), verifies: false },
];

const [x, y] = [key.subarray(1, 33), key.subarray(33)];
const keys = [
  { title: 'compressed', bytes: Uint8Array.of(2 + (y[31]! & 1), ...x) },
  { title: 'hybrid', bytes: Uint8Array.of(6 + (y[31]! & 1), ...x, ...y) },
  { title: 'without its first byte', bytes: key.subarray(1) },
  { title: 'with one byte more', bytes: Uint8Array.of(...key, 0) },
  { title: 'off the curve', bytes: Uint8Array.of(4, ...x, ...y.map((byte, i) => (i === 31 ? byte ^ 1 : byte))) },
  { title: 'all zero', bytes: Uint8Array.of(4, ...new Uint8Array(64)) },
  { title: 'the point at infinity', bytes: Uint8Array.of(0) },
  { title: 'no bytes', bytes: new Uint8Array() },
  // x = 5 lies on the curve and x + p still fits 32 bytes: a second name for one key.
  { title: 'with x not below p', bytes: beyondPrime(5n) },
];

for (const name of backendsWith(ESP256)) {
  for (const { title, bytes, verifies } of signatures) {
    test(`${name} ${verifies ? 'accepts' : 'refuses'} ${title}`, (t) => {
      t.is(backends[name].verify(ESP256, key, message, bytes), verifies);
    });
  }

  for (const { title, bytes } of keys) {
    test(`${name} refuses a P-256 key that is ${title}`, (t) => {
      t.is(keyRefusal(name, ESP256, bytes), 'BAD_KEY');
      t.false(backends[name].verify(ESP256, bytes, message, pair(r, s)));
    });
  }

  test(`${name} refuses a signature whose sum is the point at infinity`, (t) => {
    // With Q = -(e/r)G the two terms cancel for every s: no point, hence no x to compare with r.
    const e = BigInt(`0x${Buffer.from(sha256(message)).toString('hex')}`) % N;
    const q = Point.BASE.multiply(Point.Fn.create(-e * Point.Fn.inv(r))).toBytes(false);
    t.is(keyRefusal(name, ESP256, q), undefined);
    t.false(backends[name].verify(ESP256, q, message, pair(r, s)));
  });
}

function pair(first: bigint, second: bigint): Uint8Array {
  return unhex([first, second].map((value) => value.toString(16).padStart(64, '0')).join(''));
}

function lowS(signature: Uint8Array): { r: bigint; s: bigint } {
  const [first, second] = [signature.subarray(0, 32), signature.subarray(32)];
  const value = BigInt(`0x${Buffer.from(second).toString('hex')}`);
  return { r: BigInt(`0x${Buffer.from(first).toString('hex')}`), s: value > N / 2n ? N - value : value };
}

function beyondPrime(small: bigint): Uint8Array {
  const point = Point.fromBytes(unhex(`02${small.toString(16).padStart(64, '0')}`));
  return Uint8Array.of(4, ...pair(small + Point.Fp.ORDER, point.y));
}
