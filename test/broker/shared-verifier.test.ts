/** One process, several servers: what is computed once, and what never is. */
import { sharedVerifier } from '@countersign/broker/face/up/shared-verifier';
import type { Verifier } from '@countersign/device-sdk';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import test from 'ava';

const ED25519 = -19;
const bytes = (...values: number[]) => Uint8Array.from(values);

function counting(answer?: boolean): { verifier: Verifier; calls: () => number } {
  const node = nodeVerifier();
  let calls = 0;
  const verify: Verifier['verify'] = (...args) => {
    calls++;
    return answer ?? node.verify(...args);
  };
  return { verifier: { ...node, verify }, calls: () => calls };
}

test('a signature that holds is computed once, and everything that differs from it by a bit is computed', async (t) => {
  const { verifier, calls } = counting();
  const shared = sharedVerifier(verifier);
  const { secret, publicKey } = generateKeyPair(ED25519);
  const message = bytes(1, 2, 3);
  const signature = await nodeKeyStore(ED25519, secret).sign(message);
  for (let i = 0; i < 3; i++) t.true(shared.verify(ED25519, publicKey, message, signature));
  t.is(calls(), 1);
  const flipped = (from: Uint8Array, bit: number) => {
    const copy = from.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    return copy;
  };
  let expected = 1;
  for (let bit = 0; bit < 8 * signature.length; bit++) {
    t.false(shared.verify(ED25519, publicKey, message, flipped(signature, bit)));
    expected++;
  }
  for (let bit = 0; bit < 8 * publicKey.length; bit++) {
    t.false(shared.verify(ED25519, flipped(publicKey, bit), message, signature));
    expected++;
  }
  for (let bit = 0; bit < 8 * message.length; bit++) {
    t.false(shared.verify(ED25519, publicKey, flipped(message, bit), signature));
    expected++;
  }
  t.false(shared.verify(-9, publicKey, message, signature));
  t.is(calls(), expected + 1);
});

test('bytes that move between key, signature and message are another question', (t) => {
  const { verifier, calls } = counting(true);
  const shared = sharedVerifier(verifier);
  const rows: [Uint8Array, Uint8Array, Uint8Array][] = [
    [bytes(1, 2), bytes(3), bytes(4)],
    [bytes(1), bytes(2, 3), bytes(4)],
    [bytes(1), bytes(2), bytes(3, 4)],
    [bytes(1, 2, 3, 4), bytes(), bytes()],
    [bytes(), bytes(1, 2, 3, 4), bytes()],
    [bytes(), bytes(), bytes(1, 2, 3, 4)],
  ];
  for (const [key, signature, message] of rows) shared.verify(ED25519, key, message, signature);
  t.is(calls(), rows.length);
  for (const [key, signature, message] of rows) shared.verify(ED25519, key, message, signature);
  t.is(calls(), rows.length);
});

test('a signature that does not hold is computed each time and pushes nothing out', (t) => {
  let holds = true;
  let calls = 0;
  const verify = () => {
    calls++;
    return holds;
  };
  const shared = sharedVerifier({ ...nodeVerifier(), verify }, 4);
  const ask = (n: number) => shared.verify(ED25519, bytes(n), bytes(), bytes());
  ask(0);
  holds = false;
  for (let n = 1; n < 100; n++) t.false(ask(n));
  t.false(ask(1));
  t.is(calls, 101);
  t.true(ask(0));
  t.is(calls, 101);
});

test('what is remembered is bounded, and the newest stays', (t) => {
  const { verifier, calls } = counting(true);
  const shared = sharedVerifier(verifier, 4);
  const ask = (n: number) => shared.verify(ED25519, bytes(n), bytes(), bytes());
  for (let n = 0; n < 9; n++) ask(n);
  t.is(calls(), 9);
  for (let n = 5; n < 9; n++) ask(n);
  t.is(calls(), 9);
  ask(0);
  t.is(calls(), 10, 'the oldest was forgotten');
});
