/**
 * Every decoder of bytes from outside, on random, mutated and truncated input: a value or a Refusal, nothing else, and
 * soon. COUNTERSIGN_FUZZ_SECONDS lengthens the run (default 1.5, shared by all decoders); COUNTERSIGN_FUZZ_SEED repeats
 * one.
 */
import { Refusal } from '@countersign/device-sdk';
import { encode, hex, inspectEnvelope, Tagged, type Value } from '@countersign/device-sdk/format';
import { readPublicKeyFile } from '@countersign/device-sdk/host/public-key';
import { Prng } from '@countersign/device-sdk/rig';
import test from 'ava';
import { formatSamples, type Sample } from '../support/samples.ts';
import { sha256 } from '../support/world.ts';

const SECONDS = Number(process.env.COUNTERSIGN_FUZZ_SECONDS ?? 1.5);
const SEED = process.env.COUNTERSIGN_FUZZ_SEED ?? '1';
/** One input may cost no more than this, on a loaded machine too; a hang or a quadratic reader costs far more. */
const INPUT_MS_MAX = 1_000;

const samples = await formatSamples();
const all: Sample[] = [
  ...samples,
  [
    'readPublicKeyFile',
    encode(
      new Map<number, Value>([
        [1, 1],
        [-1, 6],
        [-2, new Uint8Array(32)],
      ]),
    ),
    readPublicKeyFile,
  ],
];

test('every sample of the registry is accepted as it stands', (t) => {
  for (const [name, valid, decoder] of samples) {
    if (name !== 'openFrame') t.notThrows(() => decoder(valid), name);
  }
});

for (const [name, valid, decoder] of all) {
  test(`${name} answers hostile bytes with a value or a Refusal`, (t) => {
    const random = new Prng(SEED, name);
    const end = performance.now() + (SECONDS * 1000) / all.length;
    let inputs = 0;
    for (const input of truncations(valid)) judge(input);
    while (performance.now() < end) for (let i = 0; i < 16; i++) judge(hostile(valid, random));
    t.true(inputs > 16);

    function judge(input: Uint8Array): void {
      inputs++;
      const start = performance.now();
      try {
        decoder(input);
      } catch (error) {
        if (!(error instanceof Refusal)) t.fail(`${String(error)} on ${hex(input)}`);
      }
      if (performance.now() - start > INPUT_MS_MAX) t.fail(`more than ${INPUT_MS_MAX} ms on ${hex(input)}`);
    }
  });
}

test('an item that claims 2^53 elements or bytes costs nothing', (t) => {
  for (const major of [0x5b, 0x7b, 0x9b, 0xbb]) {
    const bomb = Uint8Array.of(major, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    for (const [name, , decoder] of all) t.throws(() => decoder(bomb), { instanceOf: Refusal }, name);
  }
});

test('nesting of any depth ends in a Refusal, in CBOR and in command sequences', (t) => {
  const deep = new Uint8Array(100_000).fill(0x81);
  for (const [name, , decoder] of all) t.throws(() => decoder(deep), { instanceOf: Refusal }, name);
  let sequence = encode([]);
  for (let i = 0; i < 5_000; i++) sequence = encode([32, sequence]);
  const common = encode(
    new Map<number, Value>([
      [2, [[Uint8Array.of(0)]]],
      [4, sequence],
    ]),
  );
  const manifest = encode(
    new Map<number, Value>([
      [1, 1],
      [2, 1],
      [3, common],
    ]),
  );
  const wrapper = encode([encode([-16, sha256(encode(manifest))])]);
  const envelope = encode(
    new Tagged(
      107,
      new Map<number, Value>([
        [2, wrapper],
        [3, manifest],
      ]),
    ),
  );
  t.is(inspectEnvelope(envelope, { sha256 }).refusal, 'TOO_LARGE');
});

test('memory stays bounded when one byte of input claims one item each', (t) => {
  const items = new Uint8Array(8_000_005).fill(0x80);
  items.set([0x9a, 0x00, 0x7a, 0x12, 0x00]);
  const error = t.throws(() => inspectEnvelope(items, { sha256 }), { instanceOf: Refusal });
  t.is((error as Refusal).code, 'TOO_LARGE');
});

function* truncations(valid: Uint8Array): Generator<Uint8Array> {
  const step = Math.max(1, Math.floor(valid.length / 24));
  for (let length = 0; length < valid.length; length += step) yield valid.subarray(0, length);
}

function hostile(valid: Uint8Array, random: Prng): Uint8Array {
  const kind = random.below(8);
  if (kind === 0) return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  if (kind === 1) return valid.slice(0, random.below(valid.length + 1));
  let bytes: Uint8Array = valid.slice();
  const changes = 1 + random.below(4);
  for (let i = 0; i < changes; i++) bytes = mutate(bytes, random);
  return bytes;
}

/** Heads of CBOR items that decoders like to trip over. */
const TRAPS = [
  0x00, 0x1b, 0x20, 0x3b, 0x40, 0x5f, 0x60, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xd2, 0xdb, 0xf4, 0xf6, 0xf7, 0xfb, 0xff,
];

function mutate(bytes: Uint8Array, random: Prng): Uint8Array {
  if (bytes.length === 0) return Uint8Array.of(random.below(256));
  const at = random.below(bytes.length);
  switch (random.below(5)) {
    case 0:
      bytes[at]! ^= 1 << random.below(8);
      return bytes;
    case 1:
      bytes[at] = TRAPS[random.below(TRAPS.length)]!;
      return bytes;
    case 2: {
      const length = 1 + random.below(8);
      return Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)]);
    }
    case 3: {
      const from = random.below(bytes.length);
      const piece = bytes.subarray(from, from + 1 + random.below(40));
      return Uint8Array.from([...bytes.subarray(0, at), ...piece, ...bytes.subarray(at)]);
    }
    default:
      bytes[at] = random.below(256);
      return bytes;
  }
}
