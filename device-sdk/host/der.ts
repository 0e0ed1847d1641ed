/** ECDSA signatures as notes and signing services write them: a DER sequence of two integers, where COSE has r || s. */
import { demand } from '../src/errors.ts';
import { concat } from '../src/format/index.ts';

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const NUMBER_BYTES = 32;

/** @param signature r || s, 64 bytes */
export function derOf(signature: Uint8Array): Uint8Array {
  const body = concat(integer(signature.subarray(0, NUMBER_BYTES)), integer(signature.subarray(NUMBER_BYTES)));
  return concat(Uint8Array.of(SEQUENCE, body.length), body);
}

/** @returns r || s. @throws Refusal MALFORMED for anything but the one encoding of two numbers of at most 32 bytes */
export function rawOf(der: Uint8Array): Uint8Array {
  const [sequence, length, tagR, lengthR = 0] = der;
  const at = 4 + lengthR;
  const [tagS, lengthS = 0] = der.subarray(at, at + 2);
  const shaped =
    sequence === SEQUENCE &&
    length === der.length - 2 &&
    tagR === INTEGER &&
    tagS === INTEGER &&
    at + 2 + lengthS === der.length;
  demand(shaped, 'MALFORMED', 'an ECDSA signature is a DER sequence of two integers');
  return concat(unsigned(der.subarray(4, at)), unsigned(der.subarray(at + 2)));
}

function integer(number: Uint8Array): Uint8Array {
  let first = 0;
  while (first < number.length - 1 && number[first] === 0) first++;
  const digits = number.subarray(first);
  // A leading bit would make it negative.
  const bytes = digits[0]! >= 0x80 ? concat(Uint8Array.of(0), digits) : digits;
  return concat(Uint8Array.of(INTEGER, bytes.length), bytes);
}

function unsigned(bytes: Uint8Array): Uint8Array {
  const [first = 0x80, second = 0] = bytes;
  const padded = first === 0 && bytes.length > 1;
  const shortest = first < 0x80 && (!padded || second >= 0x80);
  const digits = padded ? bytes.subarray(1) : bytes;
  demand(
    shortest && digits.length <= NUMBER_BYTES,
    'MALFORMED',
    'an integer of an ECDSA signature is not in its one form',
  );
  return concat(new Uint8Array(NUMBER_BYTES - digits.length), digits);
}
