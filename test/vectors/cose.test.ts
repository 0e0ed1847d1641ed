/**
 * The COSE working group's examples. Signatures are checked over our Sig_structure by every backend; the strict subset
 * (a kid of 8 bytes, exact protected labels, fully specified algorithms) refuses all of them, each for a reason below.
 */
import {
  decode,
  decodeSign1,
  encode,
  hex,
  inspectEnvelope,
  readSign1,
  readSigned,
  Tagged,
  toBeSigned,
  unhex,
  type Value,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { outsideJson, SKIPPED } from '../support/outside.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { sha256 } from '../support/world.ts';
import { backends, backendsWith } from './backends.ts';

/** A file of the COSE examples, as far as it is looked at. */
interface Example {
  input: { sign0: { key: Parameters<typeof keyOf>[0]; external?: string }; failures?: unknown };
  intermediates: { ToBeSign_hex: string };
  output: { cbor: string };
}

interface Expected {
  /** Why our strict reading of a statement refuses it: a part of the sentence. */
  strict: RegExp;
  /** Its bytes are a COSE_Sign1 that we can decode. */
  decodes: boolean;
  /** Whether the signature verifies with the file's key; undefined where we have no such algorithm. */
  verifies?: boolean;
}

const LABELS = /protected header has/;
const NO_TAG_18 = /does not carry tag 18/;

const FILES: Record<string, Expected> = {
  // COSE_Sign with several signers: tag 98 is listed by inspect and is no statement of ours.
  RFC8152__Appendix_C_1_1: { strict: NO_TAG_18, decodes: false },
  'ecdsa-examples__ecdsa-01': { strict: NO_TAG_18, decodes: false },
  'eddsa-examples__eddsa-01': { strict: NO_TAG_18, decodes: false },
  'sign-tests__ecdsa-01': { strict: NO_TAG_18, decodes: false },
  // Valid Sign1 with ES256 or EdDSA: no kid in the protected header, so the labels are not ours.
  RFC8152__Appendix_C_2_1: { strict: LABELS, decodes: true, verifies: true },
  'ecdsa-examples__ecdsa-sig-01': { strict: LABELS, decodes: true, verifies: true },
  'eddsa-examples__eddsa-sig-01': { strict: LABELS, decodes: true, verifies: true },
  'sign1-tests__sign-pass-02': { strict: LABELS, decodes: true, verifies: true },
  // The same with countersignatures of version 1 (labels 7 and 9) before the kid (4): map keys out of order.
  'countersign__signed1-01': { strict: /map keys are unsorted/, decodes: false, verifies: true },
  'countersign1__signed1-01': { strict: /map keys are unsorted/, decodes: false, verifies: true },
  // An empty protected map written as h'a0': verifies only when it counts as no bytes; alg is unprotected.
  'sign1-tests__sign-pass-01': { strict: LABELS, decodes: true, verifies: true },
  // Untagged.
  'sign1-tests__sign-pass-03': { strict: NO_TAG_18, decodes: false },
  // Algorithms that no backend here has: ECDSA with SHA-512, HSS-LMS.
  'ecdsa-examples__ecdsa-sig-04': { strict: LABELS, decodes: true },
  'hashsig__hsssig-sig-01': { strict: LABELS, decodes: true },
  // Must fail.
  'sign1-tests__sign-fail-01': { strict: NO_TAG_18, decodes: false },
  'sign1-tests__sign-fail-02': { strict: LABELS, decodes: true, verifies: false },
  'sign1-tests__sign-fail-03': { strict: LABELS, decodes: true, verifies: false },
  'sign1-tests__sign-fail-04': { strict: LABELS, decodes: true, verifies: false },
  'sign1-tests__sign-fail-06': { strict: LABELS, decodes: true, verifies: false },
  'sign1-tests__sign-fail-07': { strict: LABELS, decodes: true, verifies: false },
};

for (const [name, expected] of Object.entries(FILES)) {
  test(`COSE example ${name} verifies or is refused as listed`, (t) => {
    const file = outsideJson<Example>(`cose/${name}.json`);
    if (!file) return void t.pass(SKIPPED);
    const bytes = unhex(file.output.cbor)!;
    t.is(
      codeOfRefusal(() => decodeSign1(bytes)),
      expected.decodes ? 'accepted' : 'MALFORMED',
    );
    const error = t.throws(() => readSigned(decodeSign1(bytes), [1, 4, 16], 'statement'));
    t.regex(error!.message, expected.strict);
    if (expected.verifies === undefined) return;
    const { sign0 } = file.input;
    const key = keyOf(sign0.key);
    const sign1 = readSign1(decode(bytes, { unsorted: true }));
    const external = unhex(sign0.external ?? '')!;
    const message = toBeSigned(sign1.protectedBytes, external, sign1.payload!);
    const untouched = file.input.failures === undefined;
    if (untouched) t.is(hex(message).toUpperCase(), file.intermediates.ToBeSign_hex);
    for (const backend of backendsWith(key.alg)) {
      t.is(backends[backend].verify(key.alg, key.bytes, message, sign1.signature), expected.verifies, backend);
    }
  });
}

test('inspect lists blocks of COSE_Sign and MACs and calls none of them valid', (t) => {
  const file = outsideJson<Example>('cose/RFC8152__Appendix_C_1_1.json');
  if (!file) return void t.pass(SKIPPED);
  const sign = new Tagged(98, [
    new Uint8Array(),
    new Map(),
    null,
    [[unhex('a10126')!, new Map<number, Value>([[4, unhex('3131')!]]), new Uint8Array(64)]],
  ]);
  const mac0 = new Tagged(17, [unhex('a10105')!, new Map(), null, new Uint8Array(32)]);
  const mac = new Tagged(97, [unhex('a10105')!, new Map(), null, new Uint8Array(32), []]);
  const seen = inspectEnvelope(envelopeWith([sign, mac0, mac]), { sha256 });
  t.deepEqual(seen.signatures, [
    { tag: 98, alg: -7, kid: '3131', role: null, valid: null },
    { tag: 17, alg: 5, kid: null, role: null, valid: null },
    { tag: 97, alg: 5, kid: null, role: null, valid: null },
  ]);
  t.is(seen.refusal, null);
});

/** The smallest manifest of the base specification, with these authentication blocks. */
function envelopeWith(blocks: Tagged[]): Uint8Array {
  const common = encode(new Map<number, Value>([[2, [[Uint8Array.of(0)]]]]));
  const manifest = encode(
    new Map<number, Value>([
      [1, 1],
      [2, 1],
      [3, common],
    ]),
  );
  const digest = encode([-16, sha256(encode(manifest))]);
  const wrapper = encode([digest, ...blocks.map((block) => encode(block))]);
  return encode(
    new Tagged(
      107,
      new Map<number, Value>([
        [2, wrapper],
        [3, manifest],
      ]),
    ),
  );
}

function keyOf(key: { kty: string; x?: string; y?: string; x_hex?: string }): { alg: number; bytes: Uint8Array } {
  if (key.kty === 'OKP') return { alg: -19, bytes: unhex(key.x_hex!)! };
  const [x, y] = [key.x!, key.y!].map((part) => Buffer.from(part, 'base64url'));
  return { alg: -9, bytes: new Uint8Array([4, ...x!, ...y!]) };
}
