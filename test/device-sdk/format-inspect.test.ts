/** `inspect` on envelopes of our own, on damaged ones, and on what the base specification allows beyond them. */
import { generateKeyPairSync } from 'node:crypto';
import {
  coseKey,
  decodeSign1,
  encode,
  encodeSign1,
  fromHexText,
  hex,
  inspectEnvelope,
  kidOf,
  type PublicKey,
  publicKeyOf,
  Tagged,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair } from '@countersign/device-sdk/host/crypto';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import test from 'ava';
import { codeOfRefusal } from '../support/refused.ts';
import { bytesOf, makeWorld, sha256, signers, verifier } from '../support/world.ts';

const w = await makeWorld();
const collection = publicKeyOf(signers.collection);

test('an envelope of ours shows both roles, and each key proves its own block', (t) => {
  const seen = (key?: PublicKey) => inspectEnvelope(w.envelope, { sha256, verifier, key });
  const kids = [signers.collection, signers.distribution].map((s) => hex(kidOf(sha256, publicKeyOf(s))));
  const rows = (first: boolean | null, second: boolean | null) => [
    { tag: 18, alg: -19, kid: kids[0], role: 'collection', valid: first },
    { tag: 18, alg: -19, kid: kids[1], role: 'distribution', valid: second },
  ];
  t.deepEqual(seen().signatures, rows(null, null));
  t.deepEqual(seen(collection).signatures, rows(true, null));
  t.deepEqual(seen(publicKeyOf(signers.distribution)).signatures, rows(null, true));
  const { digestOk, sequence, components, refusal, profileRefusal } = seen();
  t.deepEqual([digestOk, sequence, refusal, profileRefusal], [true, 7, null, null]);
  t.deepEqual(components, [['617070', '01'], ['617070', '00'], ['7061746368']]);
});

test('our private directive and parameters are shown by name', (t) => {
  const { commands } = inspectEnvelope(w.envelope, { sha256 });
  t.deepEqual(Object.keys(commands).sort(), ['install', 'invoke', 'shared-sequence', 'validate']);
  const branches = commands.install![0]!.args as { label: number; name: string; args: unknown }[][];
  t.deepEqual(branches[0]!.at(-1), { label: -257, name: 'directive-patch', args: [2, 9216, 1] });
  const { 'fetch-arguments': frames } = branches[0]![4]!.args as Record<string, unknown>;
  t.like(frames, { frameBytes: 1024, frameCount: 3 });
  const { release } = commands['shared-sequence']![1]!.args as Record<string, unknown>;
  t.deepEqual(release, { version: '1.4.0', policy: 7 });
});

test('a changed signature is shown as not valid', (t) => {
  const at = w.envelope.length - w.manifest.length - 10; // inside block 2's signature, before the manifest
  const changed = w.envelope.slice();
  changed[at]! ^= 1;
  const { signatures, digestOk } = inspectEnvelope(changed, {
    sha256,
    verifier,
    key: publicKeyOf(signers.distribution),
  });
  t.true(digestOk);
  t.is(signatures[1]!.valid, false);
});

/** The smallest manifest, with these members and envelope members added. */
function envelope(
  members: [number, Value][] = [],
  outer: [number | string, Value][] = [],
  blocks: Uint8Array[] = [],
): Uint8Array {
  const common = encode(new Map<number, Value>([[2, [[Uint8Array.of(0)]]]]));
  const manifest = encode(new Map<number, Value>([[1, 1], [2, 1], [3, common], ...members]));
  const wrapper = encode([encode([-16, sha256(encode(manifest))]), ...blocks]);
  return encode(new Map<number | string, Value>([[2, wrapper], [3, manifest], ...outer]));
}

test('the specification’s rules are refused with a code, and reading goes on', (t) => {
  const rows: [string, Uint8Array, string | null][] = [
    ['nothing wrong', envelope(), null],
    ['an unknown command', envelope([[20, encode([99, 0])]]), 'UNSUPPORTED'],
    ['a private command', envelope([[20, encode([-300, 0])]]), 'UNSUPPORTED'],
    ['an unknown parameter', envelope([[20, encode([20, new Map([[99, 1]])])]]), 'UNSUPPORTED'],
    ['an unknown manifest member', envelope([[99, 1]]), 'UNSUPPORTED'],
    ['a label without argument', envelope([[20, encode([3])]]), 'MALFORMED'],
    ['a component that does not exist', envelope([[20, encode([12, 1])]]), 'MALFORMED'],
    ['all components', envelope([[20, encode([12, true])]]), null],
    ['a reporting policy that is none', envelope([[7, encode([3, 'all'])]]), 'MALFORMED'],
    ['a severed member that is absent', envelope([[20, [-16, bytesOf('x')]]]), null],
    ['a severed validate', envelope([[7, [-16, bytesOf('x')]]]), 'MALFORMED'],
    ['an envelope member that is not severed', envelope([], [[20, new Uint8Array(1)]]), 'MALFORMED'],
    ['an integrated payload', envelope([], [['#image', new Uint8Array(9)]]), null],
    ['a block that is not COSE', envelope([], [], [encode(new Tagged(99, [1]))]), 'UNSUPPORTED'],
    ['a block without tag', envelope([], [], [encode([1])]), 'MALFORMED'],
    ['a block with its payload', envelope([], [], [w.leaf]), 'MALFORMED'],
  ];
  for (const [name, bytes, code] of rows) {
    const seen = inspectEnvelope(bytes, { sha256 });
    t.is(seen.refusal, code as typeof seen.refusal, name);
    t.is(seen.sequence, 1, name);
    t.true(seen.digestOk, name);
  }
  t.deepEqual(inspectEnvelope(rows[12]![1], { sha256 }).payloads, [{ name: '#image', bytes: 9 }]);
  t.deepEqual(inspectEnvelope(rows[1]![1], { sha256 }).commands.install, [{ label: 99, name: 'unknown', args: 0 }]);
});

test('a shared sequence with a side effect is refused, one that only compares is not', (t) => {
  const shared = (commands: Value[]) => {
    const common = encode(
      new Map<number, Value>([
        [2, [[Uint8Array.of(0)]]],
        [4, encode(commands)],
      ]),
    );
    return inspectEnvelope(envelope([[3, common]]), { sha256 }).refusal;
  };
  t.is(shared([20, new Map([[14, 5]]), 1, 15, 15, [encode([5, 15]), null]]), null);
  for (const label of [18, 21, 22, 23, 29, 31, 33]) t.is(shared([label, 2]), 'MALFORMED', String(label));
  t.is(shared([32, encode([21, 2])]), 'MALFORMED', 'a fetch inside a run-sequence');
});

test('an unknown critical header makes a good signature worthless', async (t) => {
  const sign1 = decodeSign1(w.leaf);
  const critical = encode(new Map<number | string, Value>([...sign1.protected, [2, [4711]]]));
  const seen = inspectEnvelope(envelope([], [], [encodeSign1({ ...sign1, payload: null, protectedBytes: critical })]), {
    sha256,
    verifier,
    key: collection,
  });
  t.deepEqual([seen.refusal, seen.signatures[0]!.valid], ['UNSUPPORTED', false]);
});

test('an algorithm in the unprotected header alone is no algorithm', (t) => {
  const sign1 = decodeSign1(w.leaf);
  const block = { ...sign1, payload: null, protectedBytes: new Uint8Array(), unprotected: new Map([[1, -19]]) };
  const seen = inspectEnvelope(envelope([], [], [encodeSign1(block)]), { sha256, verifier, key: collection });
  t.deepEqual(seen.signatures, [{ tag: 18, alg: null, kid: null, role: null, valid: false }]);
});

test('files may be hex text with line breaks, or binary', (t) => {
  const text = hex(w.envelope).replace(/(.{64})/g, '$1\n');
  t.deepEqual(fromHexText(utf8(text)), w.envelope);
  t.deepEqual(fromHexText(w.envelope), w.envelope);
  t.deepEqual(fromHexText(new Uint8Array()), new Uint8Array());
});

test('what is no envelope is refused', (t) => {
  for (const bytes of [
    encode(1),
    encode([]),
    encode(new Map()),
    encode(
      new Map([
        [2, 1],
        [3, 1],
      ]),
    ),
    w.tx,
    w.root,
  ]) {
    t.is(
      codeOfRefusal(() => inspectEnvelope(bytes, { sha256 })),
      'MALFORMED',
    );
  }
});

test('public keys are read from PEM and COSE_Key files of both curves', (t) => {
  for (const alg of [-19, -9]) {
    const { publicKey } = generateKeyPair(alg);
    const key = { alg, bytes: publicKey };
    const map = coseKey(key);
    t.deepEqual(readPublicKeyFile(encode(map)), key);
    t.deepEqual(readPublicKeyFile(utf8(`${hex(encode(map))}\n`)), key);
    t.deepEqual(
      readPublicKeyFile(encode(new Map([...map, [3, alg], [2, new Uint8Array(8)]] as [number, Value][]))),
      key,
    );
  }
  const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ed25519 = generateKeyPairSync('ed25519');
  for (const [pair, alg] of [
    [p256, -9],
    [ed25519, -19],
  ] as const) {
    t.is(readPublicKeyFile(utf8(pair.publicKey.export({ type: 'spki', format: 'pem' }).toString())).alg, alg);
    const secret = utf8(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    t.is(
      codeOfRefusal(() => readPublicKeyFile(secret)),
      'MALFORMED',
    );
  }
});

test('a compressed P-256 COSE_Key gives the same key', (t) => {
  for (let i = 0; i < 8; i++) {
    const key = { alg: -9, bytes: generateKeyPair(-9).publicKey };
    const odd = (key.bytes[64]! & 1) === 1;
    t.deepEqual(readPublicKeyFile(encode(new Map([...coseKey(key), [-3, odd]] as [number, Value][]))), key);
  }
});

test('other keys, broken keys and private keys are refused', (t) => {
  const pem = (type: 'rsa' | 'ec') =>
    type === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' })
      : generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' });
  const code = (bytes: Uint8Array) => codeOfRefusal(() => readPublicKeyFile(bytes));
  const map = coseKey({ alg: -19, bytes: generateKeyPair(-19).publicKey });
  t.is(code(utf8(String(pem('rsa')))), 'UNSUPPORTED');
  t.is(code(utf8(String(pem('ec')))), 'UNSUPPORTED');
  t.is(code(utf8('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')), 'MALFORMED');
  t.is(code(encode(new Map([...map, [-4, new Uint8Array(32)]] as [number, Value][]))), 'MALFORMED');
  t.is(code(encode(new Map([...map, [3, -9]] as [number, Value][]))), 'UNSUPPORTED');
  t.is(
    code(encode(new Map([...map, [-2, new Uint8Array(32)]] as [number, Value][]))),
    'BAD_KEY',
    'a key of small order',
  );
  t.is(
    code(
      encode(
        new Map<number, Value>([
          [1, 2],
          [-1, 1],
          [-2, new Uint8Array(32).fill(0xff)],
          [-3, true],
        ]),
      ),
    ),
    'BAD_KEY',
  );
  t.is(code(new Uint8Array(16_385)), 'TOO_LARGE');
});
