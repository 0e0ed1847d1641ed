import { readFileSync } from 'node:fs';
import { ed25519 } from '@noble/curves/ed25519.js';
import test from 'ava';
import nacl from 'tweetnacl';
import { backends, backendsWith, ED25519, keyRefusal, type Name, unhex } from './backends.ts';
import { type EdgeVector, edgeVectors } from './make-ed25519-edge.ts';

const file = new URL('../../vectors/ed25519-edge.json', import.meta.url);
const vectors: EdgeVector[] = JSON.parse(readFileSync(file, 'utf8'));

for (const name of backendsWith(ED25519)) {
  test(`${name} says of every edge case of Ed25519 exactly what the rule says`, (t) => {
    const said = vectors.map((v) => ({ id: v.id, verifies: verdict(name, v) }));
    t.deepEqual(
      said,
      vectors.map((v) => ({ id: v.id, verifies: v.verifies })),
    );
  });

  test(`${name} enrols exactly the keys of prime order in their canonical encoding`, (t) => {
    const said = vectors.map((v) => ({ id: v.id, refusal: keyRefusal(name, ED25519, unhex(v.key)) }));
    t.deepEqual(
      said,
      vectors.map((v) => ({ id: v.id, refusal: v.enrols ? undefined : 'BAD_KEY' })),
    );
  });
}

test('the committed vectors are the ones that the script makes', (t) => {
  t.deepEqual(vectors, edgeVectors());
  t.is(new Set(vectors.map((v) => v.id)).size, vectors.length);
});

test('a cofactored verifier would say something else, as the vectors claim', (t) => {
  for (const v of vectors.filter(wellSized)) {
    const said = ed25519.verify(unhex(v.signature), unhex(v.message), unhex(v.key), { zip215: true });
    t.is(said, v.cofactored, v.id);
  }
  t.is(vectors.filter((v) => v.cofactored && !v.verifies && v.enrols).length, 21);
});

test('tweetnacl without the guard accepts s beyond L and every small-order key', (t) => {
  const accepted = vectors.filter((v) => wellSized(v) && !v.verifies && bareTweetnacl(v)).map((v) => v.id);
  t.true(accepted.includes('s-plus-1L'));
  t.is(accepted.filter((id) => id.startsWith('key-small-order')).length, 14);
});

function verdict(name: Name, v: EdgeVector): boolean {
  return backends[name].verify(ED25519, unhex(v.key), unhex(v.message), unhex(v.signature));
}

function bareTweetnacl(v: EdgeVector): boolean {
  return nacl.sign.detached.verify(unhex(v.message), unhex(v.signature), unhex(v.key));
}

function wellSized(v: EdgeVector): boolean {
  return v.key.length === 64 && v.signature.length === 128;
}
