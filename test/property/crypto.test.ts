import { nobleKeyStore } from '@countersign/device-sdk/crypto/noble';
import { esp256Equation } from '@countersign/device-sdk/crypto/noble-esp256';
import { tweetnaclKeyStore, tweetnaclVerifier } from '@countersign/device-sdk/crypto/tweetnacl';
import { generateKeyPair, nodeKeyStore, nodeVerifier, publicKeyOf } from '@countersign/device-sdk/host/crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import test from 'ava';
import fc from 'fast-check';
import { backends, backendsWith, ED25519, ESP256, keyRefusal, type Name } from '../vectors/backends.ts';

const names = Object.keys(backends) as Name[];
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const message = fc.uint8Array({ maxLength: 300 });
type MakeSigner = (alg: number, secret: Uint8Array) => ReturnType<typeof nobleKeyStore>;
const signers: Record<number, MakeSigner[]> = {
  [ED25519]: [nobleKeyStore, nodeKeyStore, tweetnaclSigner],
  [ESP256]: [nobleKeyStore, nodeKeyStore],
};

for (const alg of [ED25519, ESP256]) {
  test(`algorithm ${alg}: every backend verifies what every signer signs`, async (t) => {
    await fc.assert(
      fc.asyncProperty(bytes32, message, async (secret, text) => {
        for (const signer of signers[alg]!.map((make) => make(alg, secret))) {
          const signature = await signer.sign(text);
          t.deepEqual(signer.publicKey, publicKeyOf(alg, secret));
          t.deepEqual(agreed(alg, signer.publicKey, text, signature), true);
          for (const name of backendsWith(alg)) t.is(keyRefusal(name, alg, signer.publicKey), undefined);
        }
      }),
      { numRuns: 8 },
    );
  });

  test(`algorithm ${alg}: one flipped bit of key, message or signature is refused by every backend`, async (t) => {
    const pair = generateKeyPair(alg);
    const text = new Uint8Array(64).map((_, i) => i);
    const signature = await nodeKeyStore(alg, pair.secret).sign(text);
    const parts = [pair.publicKey, text, signature] as const;
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), (part, at) => {
        const flipped = parts.map((bytes, i) => (i === part ? withFlippedBit(bytes, at) : bytes));
        t.is(agreed(alg, flipped[0]!, flipped[1]!, flipped[2]!), false);
      }),
      { numRuns: 40 },
    );
  });

  test(`algorithm ${alg}: any bytes at all end in the same boolean everywhere`, (t) => {
    const hostile = fc.oneof(fc.uint8Array({ maxLength: 70 }), exactly(32), exactly(64), exactly(65));
    fc.assert(
      fc.property(hostile, message, hostile, (key, text, signature) => {
        t.is(agreed(alg, key, text, signature), false);
      }),
      { numRuns: 60 },
    );
  });
}

test('every Ed25519 signer gives the same bytes', async (t) => {
  const secret = generateKeyPair(ED25519).secret;
  const text = new Uint8Array(200);
  const all = await Promise.all(signers[ED25519]!.map((make) => make(ED25519, secret).sign(text)));
  t.deepEqual(all[1], all[0]);
  t.deepEqual(all[2], all[0]);
});

test('the torsion check agrees with noble on honest points and on points with a torsion part', (t) => {
  const { Point } = ed25519;
  fc.assert(
    fc.property(fc.bigInt(1n, Point.Fn.ORDER - 1n), fc.boolean(), (scalar, dirty) => {
      const honest = Point.BASE.multiply(scalar);
      const point = dirty ? honest.add(Point.fromBytes(new Uint8Array(32))) : honest;
      t.is(point.isTorsionFree(), !dirty);
      t.is(keyRefusal('node', ED25519, point.toBytes()), dirty ? 'BAD_KEY' : undefined);
    }),
    { numRuns: 25 },
  );
});

test('a key drawn as random bytes is enrolled exactly when noble finds it valid and torsion-free', (t) => {
  fc.assert(
    fc.property(bytes32, (key) => {
      t.is(keyRefusal('node', ED25519, key) === undefined, nobleFindsGood(key));
    }),
    { numRuns: 60 },
  );
});

test('SHA-256 is one function in every backend, whole or in pieces', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.nat(500), (bytes, cut) => {
      const digests = names.flatMap((name) => {
        const state = backends[name].hash();
        state.update(bytes.subarray(0, cut));
        state.update(bytes.subarray(cut));
        return [backends[name].sha256(bytes), state.digest()];
      });
      for (const digest of digests) t.deepEqual(digest, digests[0]);
      t.is(digests[0]?.length, 32);
    }),
  );
});

test('verification leaves a Node Buffer as it was', async (t) => {
  let { secret, publicKey } = generateKeyPair(ED25519);
  // The sign bit is the one that a check of y has to mask out: a key without it would prove nothing.
  while ((publicKey[31]! & 0x80) === 0) ({ secret, publicKey } = generateKeyPair(ED25519));
  const key = Buffer.from(publicKey);
  const text = Buffer.from('bytes of the caller');
  const signature = Buffer.from(await nodeKeyStore(ED25519, secret).sign(text));
  const before = [key, text, signature].map((bytes) => bytes.toString('hex'));
  t.true(agreed(ED25519, key, text, signature));
  for (const name of names) backends[name].checkKey(ED25519, key);
  t.deepEqual(
    [key, text, signature].map((bytes) => bytes.toString('hex')),
    before,
  );
});

test('tweetnacl offers ESP256 only where an equation is handed in', async (t) => {
  const { secret, publicKey } = generateKeyPair(ESP256);
  const text = new Uint8Array(10);
  const signature = await nodeKeyStore(ESP256, secret).sign(text);
  t.deepEqual(tweetnaclVerifier().algorithms, [ED25519]);
  t.false(tweetnaclVerifier().verify(ESP256, publicKey, text, signature));
  t.is(keyRefusal('tweetnacl', ESP256, publicKey), 'UNSUPPORTED');
  t.deepEqual(tweetnaclVerifier({ esp256: esp256Equation }).algorithms, [ED25519, ESP256]);
  t.true(tweetnaclVerifier({ esp256: esp256Equation }).verify(ESP256, publicKey, text, signature));
});

test('a node verifier that keeps two imported keys verifies under five', async (t) => {
  const verifier = nodeVerifier({ importedKeysMax: 2 });
  const pairs = [ED25519, ESP256, ED25519, ESP256, ED25519].map(generateKeyPair);
  const text = new Uint8Array(10);
  for (let round = 0; round < 2; round++) {
    for (const { alg, secret, publicKey } of pairs) {
      t.true(verifier.verify(alg, publicKey, text, await nodeKeyStore(alg, secret).sign(text)));
    }
  }
});

test('a secret that is no secret is wrong use, in every signer', (t) => {
  const order = Uint8Array.from(Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex'));
  for (const make of [nobleKeyStore, nodeKeyStore, publicKeyOf]) {
    for (const scalar of [new Uint8Array(32), order, new Uint8Array(31)]) {
      t.throws(() => make(ESP256, scalar), { instanceOf: RangeError });
    }
    t.throws(() => make(ED25519, new Uint8Array(33)), { instanceOf: RangeError });
    t.throws(() => make(-7, new Uint8Array(32)), { instanceOf: RangeError });
  }
  t.throws(() => generateKeyPair(-8), { instanceOf: RangeError });
});

/** What all backends with this algorithm say; a disagreement ends the test. */
function agreed(alg: number, key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  const said = backendsWith(alg).map((name) => backends[name].verify(alg, key, text, signature));
  if (new Set(said).size !== 1) throw new Error(`${backendsWith(alg)} say ${said}`);
  return said[0]!;
}

function tweetnaclSigner(_alg: number, secret: Uint8Array) {
  return tweetnaclKeyStore(secret);
}

function withFlippedBit(bytes: Uint8Array, at: number): Uint8Array {
  const flipped = new Uint8Array(bytes);
  const bit = at % (8 * bytes.length);
  flipped[bit >> 3]! ^= 1 << (bit & 7);
  return flipped;
}

function exactly(length: number) {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

function nobleFindsGood(key: Uint8Array): boolean {
  try {
    const point = ed25519.Point.fromBytes(key);
    return point.isTorsionFree() && !point.isSmallOrder();
  } catch {
    return false;
  }
}
