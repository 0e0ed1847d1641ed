/** RFC 8949, appendix A, against the strict subset: each row is accepted with its value or refused with a reason. */
import {
  compare,
  decode,
  encode,
  fromUtf8,
  hex,
  Tagged,
  toPlain,
  unhex,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import test from 'ava';
import fc from 'fast-check';
import { codeOfRefusal } from '../support/refused.ts';

/** Rows of appendix A that are in the subset, and what they mean (byte strings in hex, maps as objects). */
const ACCEPTED: [string, unknown][] = [
  ['00', 0],
  ['01', 1],
  ['0a', 10],
  ['17', 23],
  ['1818', 24],
  ['1819', 25],
  ['1864', 100],
  ['1903e8', 1000],
  ['1a000f4240', 1_000_000],
  ['1b000000e8d4a51000', 1_000_000_000_000],
  ['20', -1],
  ['29', -10],
  ['3863', -100],
  ['3903e7', -1000],
  ['f4', false],
  ['f5', true],
  ['f6', null],
  ['40', ''],
  ['4401020304', '01020304'],
  ['60', ''],
  ['6161', 'a'],
  ['6449455446', 'IETF'],
  ['62225c', '"\\'],
  ['62c3bc', 'ü'],
  ['63e6b0b4', '水'],
  ['64f0908591', '\u{10151}'],
  ['80', []],
  ['83010203', [1, 2, 3]],
  ['8301820203820405', [1, [2, 3], [4, 5]]],
  ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', Array.from({ length: 25 }, (_, i) => i + 1)],
  ['a0', {}],
  ['a201020304', { 1: 2, 3: 4 }],
  ['a26161016162820203', { a: 1, b: [2, 3] }],
  ['826161a161626163', ['a', { b: 'c' }]],
  ['a56161614161626142616361436164614461656145', { a: 'A', b: 'B', c: 'C', d: 'D', e: 'E' }],
  ['c074323031332d30332d32315432303a30343a30305a', { tag: 0, value: '2013-03-21T20:04:00Z' }],
  ['c11a514b67b0', { tag: 1, value: 1_363_896_240 }],
  ['d74401020304', { tag: 23, value: '01020304' }],
  ['d818456449455446', { tag: 24, value: '6449455446' }],
  // The edges of what a JavaScript number holds, and of each length of a head.
  ['1b001fffffffffffff', Number.MAX_SAFE_INTEGER],
  ['3b001ffffffffffffe', -Number.MAX_SAFE_INTEGER],
  ['18ff', 255],
  ['190100', 256],
  ['19ffff', 65_535],
  ['1a00010000', 65_536],
  ['1affffffff', 4_294_967_295],
  ['1b0000000100000000', 4_294_967_296],
  ['a3010218190a2003', { 1: 2, 25: 10, '-1': 3 }],
];

const REFUSED: [string, string][] = [
  ['1bffffffffffffffff', '18446744073709551615 is beyond 2^53 - 1'],
  ['1b0020000000000000', '2^53'],
  ['3b001fffffffffffff', '-2^53'],
  ['3bffffffffffffffff', '-18446744073709551616'],
  ['f90000', 'a half float'],
  ['fa47c35000', 'a single float'],
  ['fb3ff199999999999a', 'a double float'],
  ['f97e00', 'NaN'],
  ['f7', 'undefined'],
  ['f0', 'an unassigned simple value'],
  ['f818', 'a reserved simple value'],
  ['f8ff', 'simple value 255'],
  ['5f42010243030405ff', 'an indefinite byte string'],
  ['7f657374726561646d696e67ff', 'an indefinite text'],
  ['9fff', 'an indefinite array'],
  ['bf61610161629f0203ffff', 'an indefinite map'],
  ['ff', 'a break without a beginning'],
  ['1800', '0 in two bytes'],
  ['1817', '23 in two bytes'],
  ['190017', '23 in three bytes'],
  ['1900ff', '255 in three bytes'],
  ['1a0000ffff', '65535 in five bytes'],
  ['1b00000000ffffffff', '4294967295 in nine bytes'],
  ['3817', '-24 in two bytes'],
  ['580401020304', 'a length of 4 in two bytes'],
  ['7803616263', 'a text length of 3 in two bytes'],
  ['980101', 'an array length of 1 in two bytes'],
  ['b8010102', 'a map length of 1 in two bytes'],
  ['d81200', 'tag 18 in two bytes'],
  ['a203040102', 'map keys out of order'],
  ['a2616201616102', 'text keys out of order'],
  ['a220010102', 'a negative key before a positive one'],
  ['a201020103', 'a key twice'],
  ['a14001', 'a byte string as map key'],
  ['a18001', 'an array as map key'],
  ['a1f501', 'true as map key'],
  ['', 'nothing'],
  ['0000', 'two items'],
  ['8201', 'an array cut off'],
  ['a101', 'a map cut off'],
  ['4401', 'a byte string cut off'],
  ['18', 'a head cut off'],
  ['1c', 'reserved additional information 28'],
  ['1f', 'an indefinite integer'],
  ['62ff41', 'a text that is not UTF-8'],
  ['62c080', 'an overlong zero'],
  ['63eda080', 'a surrogate in UTF-8'],
  ['64f4908080', 'a point past 10ffff'],
  ['61c3', 'a UTF-8 character cut off'],
  [`${'81'.repeat(16)}00`, 'an item at depth 16'],
  [`${'c1'.repeat(16)}00`, 'tags at depth 16'],
];

test('every row of the subset decodes to its value and encodes back to the same bytes', (t) => {
  for (const [input, expected] of ACCEPTED) {
    const value = decode(unhex(input)!);
    t.deepEqual(toPlain(value), expected, input);
    t.is(hex(encode(value)), input);
  }
});

test('every row outside the subset is refused as MALFORMED', (t) => {
  for (const [input, why] of REFUSED) {
    t.is(
      codeOfRefusal(() => decode(unhex(input)!)),
      'MALFORMED',
      `${why}: ${input}`,
    );
  }
});

test('a big number is a tag like any other, and no integer of ours', (t) => {
  t.true(decode(unhex('c249010000000000000000')!) instanceof Tagged);
});

test('fifteen levels are read, sixteen are not', (t) => {
  t.is(
    codeOfRefusal(() => decode(unhex(`${'81'.repeat(15)}00`)!)),
    'accepted',
  );
  t.is(
    codeOfRefusal(() => decode(unhex(`${'81'.repeat(16)}00`)!)),
    'MALFORMED',
  );
});

test('leniency is asked for by name: unsorted keys, array keys, a limit on items', (t) => {
  t.deepEqual(toPlain(decode(unhex('a203040102')!, { unsorted: true })), { 1: 2, 3: 4 });
  t.is(
    codeOfRefusal(() => decode(unhex('a201020103')!, { unsorted: true })),
    'MALFORMED',
    'a double key stays refused',
  );
  t.deepEqual(toPlain(decode(unhex('a182410001f6')!, { arrayKeys: true })), { "[h'00',1]": null });
  t.is(
    codeOfRefusal(() => decode(unhex('83010203')!, { itemsMax: 3 })),
    'TOO_LARGE',
  );
  t.is(
    codeOfRefusal(() => decode(unhex('83010203')!, { itemsMax: 4 })),
    'accepted',
  );
});

test('decoded byte strings do not change with the buffer they came from', (t) => {
  const bytes = unhex('4401020304')!;
  const value = decode(bytes) as Uint8Array;
  bytes.fill(0);
  t.is(hex(value), '01020304');
});

test('what CBOR cannot carry here is a programming error', (t) => {
  for (const value of [1.5, Number.NaN, 2 ** 53, undefined, {}, '\ud800']) {
    t.throws(() => encode(value as unknown as Value), { instanceOf: TypeError }, String(value));
  }
});

const values: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 80 }),
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 6 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string({ maxLength: 4 })), tie('value')), { maxLength: 6 })
      .map((entries) => new Map(entries)),
    fc.tuple(fc.nat(70_000), tie('value')).map(([tag, value]) => new Tagged(tag, value)),
  ),
})).value;

test('any value comes back equal, and its bytes are the only ones that mean it', (t) => {
  fc.assert(
    fc.property(values, (value) => {
      const bytes = encode(value);
      t.deepEqual(hex(encode(decode(bytes))), hex(bytes));
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('any bytes that decode encode to themselves', (t) => {
  let accepted = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
      if (codeOfRefusal(() => decode(bytes)) !== 'accepted') return true;
      accepted++;
      return compare(encode(decode(bytes)), bytes) === 0;
    }),
    { numRuns: 4_000, seed: 1 },
  );
  t.true(accepted > 50);
});

test('our UTF-8 agrees with the platform on every text and on every refusal', (t) => {
  const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const platform = (bytes: Uint8Array) => {
    try {
      return strict.decode(bytes);
    } catch {
      return 'MALFORMED';
    }
  };
  const ours = (bytes: Uint8Array) => {
    const code = codeOfRefusal(() => fromUtf8(bytes));
    return code === 'accepted' ? fromUtf8(bytes) : code;
  };
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 8 }), (text, bytes) => {
      t.deepEqual(utf8(text), new TextEncoder().encode(text));
      return ours(bytes) === platform(bytes);
    }),
    { numRuns: 1_000 },
  );
  for (let first = 0xc0; first < 0x100; first++) {
    for (const second of [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0]) {
      for (const bytes of [
        [first, second],
        [first, second, 0x80],
        [first, second, 0x80, 0x80],
      ]) {
        const input = Uint8Array.from(bytes);
        t.is(ours(input), platform(input), hex(input));
      }
    }
  }
});
