/** One-time codes of six digits, as telephones show them. Sources: RFC 4226 section 5, RFC 6238 section 4, RFC 4648. */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** Seconds of a step: what every authenticator has. */
export const STEP_SECONDS = 30;
export const DIGITS = 6;
/** Steps before and after the present one whose codes count: telephones' clocks, and the time that typing takes. */
export const WINDOW_STEPS = 1;
/** RFC 4226, R6, asks for at least 128 bits; this is what is sealed everywhere else. */
export const SECRET_BYTES = 32;

/**
 * @param counter 0 to 2^53
 * @returns the code in decimal digits, RFC 4226 section 5.3
 */
export function hotp(secret: Uint8Array, counter: number, digits = DIGITS, hash = 'sha1'): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac(hash, secret).update(message).digest();
  const value = mac.readUInt32BE(mac.at(-1)! & 0x0f) & 0x7fffffff;
  return String(value % 10 ** digits).padStart(digits, '0');
}

export function stepAt(seconds: number): number {
  return Math.floor(seconds / STEP_SECONDS);
}

/**
 * The step around the present one whose code this is. All are computed and compared in constant time.
 * @returns undefined for a code of none of them
 */
export function stepOf(secret: Uint8Array, code: string, seconds: number): number | undefined {
  const given = Buffer.from(code);
  let found: number | undefined;
  for (let step = Math.max(0, stepAt(seconds) - WINDOW_STEPS); step <= stepAt(seconds) + WINDOW_STEPS; step++) {
    const expected = Buffer.from(hotp(secret, step));
    // Of two equal codes the later step: the earlier one might count as used.
    if (given.length === expected.length && timingSafeEqual(given, expected)) found = step;
  }
  return found;
}

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Without padding: authenticators want none. */
export function base32(bytes: Uint8Array): string {
  let [text, value, bits] = ['', 0, 0];
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + BASE32[(value << (5 - bits)) & 31];
}

/** What an authenticator reads, from a QR code or typed in. @param issuer the ledger's origin */
export function otpauthUri(secret: Uint8Array, person: string, issuer: string): string {
  const label = `${encodeURIComponent(issuer)}:${encodeURIComponent(person)}`;
  const rest = `issuer=${encodeURIComponent(issuer)}&algorithm=SHA1&digits=${DIGITS}&period=${STEP_SECONDS}`;
  return `otpauth://totp/${label}?secret=${base32(secret)}&${rest}`;
}
