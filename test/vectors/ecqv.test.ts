/** ECQV on P-256 (SEC 4 v1.0): outside vectors, our own certificate, and points that are none. */
import { existsSync, readFileSync } from 'node:fs';
import { finishKey, issueShare } from '@countersign/broker/keys/kgc/ecqv';
import { type Code, codeOf } from '@countersign/device-sdk';
import { bigEndian } from '@countersign/device-sdk/crypto/arithmetic';
import { ecqvKeys, hashToScalar, reconstructKey } from '@countersign/device-sdk/crypto/ecqv';
import { nobleVerifier } from '@countersign/device-sdk/crypto/noble';
import { esp256Equation } from '@countersign/device-sdk/crypto/noble-esp256';
import {
  add,
  compressed,
  INFINITY,
  multiply,
  P256_ORDER,
  readPoint,
  writePoint,
} from '@countersign/device-sdk/crypto/p256-point';
import { tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import {
  ALG_ESP256,
  concat,
  hex,
  type ImplicitKey,
  implicitCertificate,
  implicitPublicKey,
  implicitThumbprint,
  kidOf,
  type PublicKey,
  thumbprint,
  unhex,
  utf8,
} from '@countersign/device-sdk/format';
import {
  generateKeyPair,
  type KeyPair,
  nodeVerifier,
  publicKeyOf,
  signWith,
} from '@countersign/device-sdk/host/crypto';
import { p256 } from '@noble/curves/nist.js';
import test from 'ava';

const verifier = nodeVerifier();
const { sha256 } = verifier;
const bytes = (digits: string) => unhex(digits)!;
const uncompressed = (x: string, y: string) => bytes(`04${x}${y}`);
const OUTSIDE = new URL('../../../../shared/vectors/ecqv-p256/implicit.json', import.meta.url);

test('the published vectors of implicit certificates come out, on both sides and for everybody else', (t) => {
  if (!existsSync(OUTSIDE)) return void t.pass('skipped: ecqv-p256 is not beside this checkout');
  const rows = JSON.parse(readFileSync(OUTSIDE, 'utf8')) as Record<string, string>[];
  t.is(rows.length, 2);
  for (const row of rows) {
    const v = (name: string) => row[name]!;
    const hashOf = (point: Uint8Array) => sha256(concat(bytes(v('tbsCert')), point));
    const centre = { secret: bytes(v('dCA')), publicKey: uncompressed(v('QCAx'), v('QCAy')) };
    const k = bytes(v('k'));
    const fresh = (): KeyPair => ({ alg: ALG_ESP256, secret: k.slice(), publicKey: publicKeyOf(ALG_ESP256, k) });
    const share = issueShare(compressed(uncompressed(v('RUx'), v('RUy'))), centre, hashOf, fresh);
    t.deepEqual(concat(bytes(v('tbsCert')), share.point), bytes(v('CertU')));
    t.is(hex(share.r), v('r'));
    t.is(hashToScalar(hashOf(share.point)), bigEndian(bytes(v('e'))));
    const key = finishKey(bytes(v('kU')), share, hashOf(share.point), centre.publicKey);
    t.is(hex(key.secret), v('dU'));
    t.deepEqual(key.publicKey, uncompressed(v('QUx'), v('QUy')));
    t.deepEqual(reconstructKey(sha256(bytes(v('CertU'))), share.point, centre.publicKey), key.publicKey);
  }
});

/** Pinned: what is hashed for e decides every implicit key that exists. */
const SECRET = sha256(utf8('key generation centre'));
const CENTRE: PublicKey = { alg: ALG_ESP256, bytes: publicKeyOf(ALG_ESP256, SECRET) };
const KEY: ImplicitKey = {
  role: 'collection',
  name: 'c1',
  epoch: 3,
  centre: thumbprint(sha256, CENTRE),
  point: compressed(publicKeyOf(ALG_ESP256, sha256(utf8('point')))),
};
const CERTIFICATE =
  '636f756e7465727369676e2f656371762f763100856a636f6c6c656374696f6e6263310358205634f2c803c853b01ee43abcef587ab6b01dc78ced8a6d7e18b112bdfc7ed1a970656371762d703235362d7368613235360287e546b7806da08a722839f401b6da6830d914921245a6d38c3add1e437d09ca';
const PRINT = '838ca666e2795425ee2281f683c2d1677b4ee7dbb511f55619419c451cac50d0';
const DERIVED =
  '0492ee0fb0f891833909e4637a3ada686b174fabe8d04affab94018f2ceefecfdaa0163de5a7ad30e2dc8888c296a6d8ae05667cbeac62b0440566c3a109773b41';

test('the certificate of an implicit key, its thumbprint, kid and public key are pinned', (t) => {
  t.is(hex(implicitCertificate(KEY)), CERTIFICATE);
  t.is(hex(implicitThumbprint(sha256, KEY)), PRINT);
  const key = implicitPublicKey(sha256, KEY, CENTRE);
  t.is(hex(thumbprint(sha256, key)), PRINT);
  t.is(hex(kidOf(sha256, key)), PRINT.slice(0, 16));
  t.is(hex(ecqvKeys(sha256).derive(key.bytes)), DERIVED);
  t.is(
    code(() => implicitPublicKey(sha256, KEY, { alg: ALG_ESP256, bytes: publicKeyOf(ALG_ESP256, sha256(SECRET)) })),
    'BAD_KEY',
  );
});

test('sums and multiples of points are those of another implementation', (t) => {
  for (let i = 0; i < 8; i++) {
    const [a, b] = [generateKeyPair(ALG_ESP256), generateKeyPair(ALG_ESP256)];
    const scalar = bigEndian(b.secret);
    const [pa, pb] = [p256.Point.fromBytes(a.publicKey), p256.Point.fromBytes(b.publicKey)];
    t.deepEqual(writePoint(multiply(readPoint(a.publicKey), scalar)), pa.multiply(scalar).toBytes(false));
    t.deepEqual(writePoint(add(readPoint(a.publicKey), readPoint(b.publicKey))), pa.add(pb).toBytes(false));
    t.deepEqual(writePoint(readPoint(compressed(a.publicKey))), a.publicKey);
  }
  const point = readPoint(CENTRE.bytes);
  const opposite = { ...point, Y: -point.Y };
  t.is(add(point, opposite).Z, 0n);
  t.is(multiply(point, P256_ORDER).Z, 0n);
  t.is(multiply(point, 0n).Z, 0n);
  t.deepEqual(writePoint(add(point, point)), writePoint(multiply(point, 2n)));
  t.is(add(INFINITY, point), point);
  t.is(add(point, INFINITY), point);
  t.is(
    code(() => writePoint(INFINITY)),
    'BAD_KEY',
  );
});

const X = KEY.point.subarray(1);
/** x = 4 is on no point of P-256. */
const OFF_CURVE = new Uint8Array(32).with(31, 4);
const PRIME = bytes('ffffffff00000001000000000000000000000000ffffffffffffffffffffffff');

test('a point that is none, or in another form, makes no key and gets no share', (t) => {
  const centre = { secret: SECRET, publicKey: CENTRE.bytes };
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { ...KEY, point });
  const rows: [why: string, point: Uint8Array][] = [
    ['infinity', Uint8Array.of(0)],
    ['infinity, padded', new Uint8Array(33)],
    ['off the curve', concat(Uint8Array.of(2), OFF_CURVE)],
    ['x = p', concat(Uint8Array.of(2), PRIME)],
    ['x above p', concat(Uint8Array.of(3), new Uint8Array(32).fill(255))],
    ['a hybrid form', concat(Uint8Array.of(6), X)],
    ['an uncompressed form', CENTRE.bytes],
    ['short', KEY.point.subarray(0, 32)],
    ['long', concat(KEY.point, Uint8Array.of(0))],
  ];
  for (const [why, point] of rows) {
    t.is(
      code(() => issueShare(point, centre, hashOf)),
      'BAD_KEY',
      why,
    );
    t.is(
      code(() => reconstructKey(hashOf(point), point, CENTRE.bytes)),
      'BAD_KEY',
      why,
    );
  }
  t.is(
    code(() => readPoint(CENTRE.bytes.with(64, CENTRE.bytes[64]! ^ 1))),
    'BAD_KEY',
    'uncompressed, off the curve',
  );
});

test('a sum that is infinity is drawn again, and randomness that repeats is a fault', (t) => {
  const centre = { secret: SECRET, publicKey: CENTRE.bytes };
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { ...KEY, point });
  const secret = sha256(utf8('k'));
  const pair = (): KeyPair => ({ alg: ALG_ESP256, secret: secret.slice(), publicKey: publicKeyOf(ALG_ESP256, secret) });
  const opposite = compressed(pair().publicKey);
  opposite[0] = 5 - opposite[0]!;
  let calls = 0;
  const share = issueShare(opposite, centre, hashOf, () => (calls++ === 0 ? pair() : generateKeyPair(ALG_ESP256)));
  t.is(calls, 2);
  t.is(share.point.length, 33);
  t.is(
    code(() => issueShare(opposite, centre, hashOf, pair)),
    'INTERNAL',
  );
});

test('a share that was changed on the way makes no key', (t) => {
  const request = generateKeyPair(ALG_ESP256);
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { ...KEY, point });
  const share = issueShare(compressed(request.publicKey), { secret: SECRET, publicKey: CENTRE.bytes }, hashOf);
  const finish = (change: Partial<typeof share>, secret = request.secret, point = change.point ?? share.point) =>
    code(() => finishKey(secret, { ...share, ...change }, hashOf(point), CENTRE.bytes));
  t.is(finish({}), 'accepted');
  t.is(finish({ r: share.r.with(31, share.r[31]! ^ 1) }), 'BAD_KEY');
  t.is(finish({ r: new Uint8Array(32).fill(255) }), 'BAD_KEY', 'above the order');
  t.is(finish({ point: KEY.point }), 'BAD_KEY', 'another point');
  t.is(finish({}, generateKeyPair(ALG_ESP256).secret), 'BAD_KEY', "another's share");
  const moved = implicitThumbprint(sha256, { ...KEY, point: share.point, epoch: 4 });
  t.is(
    code(() => finishKey(request.secret, share, moved, CENTRE.bytes)),
    'BAD_KEY',
    'another identity',
  );
});

test('every backend with the part verifies under an implicit key, and none without it', (t) => {
  const request = generateKeyPair(ALG_ESP256);
  const hashOf = (point: Uint8Array) => implicitThumbprint(sha256, { ...KEY, point });
  const share = issueShare(compressed(request.publicKey), { secret: SECRET, publicKey: CENTRE.bytes }, hashOf);
  const pair = finishKey(request.secret, share, hashOf(share.point), CENTRE.bytes);
  const key = implicitPublicKey(sha256, { ...KEY, point: share.point }, CENTRE).bytes;
  const message = utf8('a release');
  const signature = signWith(ALG_ESP256, pair.secret)(message);
  const implicit = ecqvKeys(sha256);
  const backends = {
    node: verifier,
    noble: nobleVerifier({ implicit }),
    tweetnacl: tweetnaclVerifier({ esp256: esp256Equation, implicit }),
  };
  for (const [name, backend] of Object.entries(backends)) {
    t.is(
      code(() => backend.checkKey(ALG_ESP256, key)),
      'accepted',
      name,
    );
    t.true(backend.verify(ALG_ESP256, key, message, signature), name);
    t.false(backend.verify(ALG_ESP256, key, utf8('another'), signature), name);
    t.false(backend.verify(-19, key, message, signature), name);
    // Any changed byte of thumbprint, point or centre is another key, or none.
    for (const at of [0, 30, 33, 64, 70, 129])
      t.false(backend.verify(ALG_ESP256, key.with(at, key[at]! ^ 1), message, signature), `${name}, byte ${at}`);
    t.is(
      code(() => backend.checkKey(ALG_ESP256, key.with(40, key[40]! ^ 1).fill(0, 32, 65))),
      'BAD_KEY',
      name,
    );
  }
  t.false(nobleVerifier().verify(ALG_ESP256, key, message, signature));
  t.is(
    code(() => nobleVerifier().checkKey(ALG_ESP256, key)),
    'UNSUPPORTED',
  );
});

function code(run: () => unknown): Code | 'accepted' {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return codeOf(error);
  }
}
