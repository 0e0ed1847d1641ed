/** Numbers and hashes in lines of text, read so strictly that each has one form only. */
import { demand } from '@countersign/device-sdk';
import { HASH_BYTES } from '@countersign/device-sdk/format';

/** Standard base64 with padding (RFC 4648 section 4). */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}

/**
 * Node takes other alphabets, missing padding and loose bits as well: what does not encode again to itself is refused.
 * @throws Refusal MALFORMED
 */
export function unbase64(text: string, what: string, length?: number): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  const exact = text.length > 0 && base64(bytes) === text && (length === undefined || bytes.length === length);
  demand(exact, 'MALFORMED', `${what} is not base64${length === undefined ? '' : ` of ${length} bytes`}`);
  return bytes;
}

/** @throws Refusal MALFORMED */
export function readHash(line: string, what: string): Uint8Array {
  return unbase64(line, what, HASH_BYTES);
}

/**
 * An ASCII decimal without leading zeros.
 * @throws Refusal MALFORMED, also beyond 2^53 - 1, which no log of ours reaches
 */
export function readDecimal(text: string, what: string): number {
  const value = Number(text);
  const exact = /^(0|[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(value);
  demand(exact, 'MALFORMED', `${what} is no decimal number without leading zeros`);
  return value;
}
