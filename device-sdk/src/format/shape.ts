/** From a decoded value to an expected shape, or a Refusal MALFORMED that names the field. */
import { demand } from '../errors.ts';
import { equal, hex } from './bytes.ts';
import { type CborMap, decode, encode, Tagged, type Value } from './cbor.ts';

export function asArray(value: Value | undefined, what: string, length?: number): Value[] {
  demand(Array.isArray(value), 'MALFORMED', `${what} is not an array`);
  if (length !== undefined) {
    demand(value.length === length, 'MALFORMED', `${what} has ${value.length} elements, expected ${length}`);
  }
  return value;
}

export function asBytes(value: Value | undefined, what: string, length?: number): Uint8Array {
  demand(value instanceof Uint8Array, 'MALFORMED', `${what} is not a byte string`);
  if (length !== undefined) {
    demand(value.length === length, 'MALFORMED', `${what} has ${value.length} bytes, expected ${length}`);
  }
  return value;
}

export function asUint(value: Value | undefined, what: string, max = Number.MAX_SAFE_INTEGER): number {
  demand(typeof value === 'number' && value >= 0, 'MALFORMED', `${what} is not an unsigned integer`);
  demand(value <= max, 'MALFORMED', `${what} is ${value}, at most ${max} is possible`);
  return value;
}

export function asInt(value: Value | undefined, what: string): number {
  demand(typeof value === 'number', 'MALFORMED', `${what} is not an integer`);
  return value;
}

/**
 * Text of at most `max` UTF-16 units without control characters: texts end in logs, in terminals (where an escape
 * sequence rewrites the screen) and, for origins, in lines of a checkpoint (where a line feed would forge one).
 */
export function asText(value: Value | undefined, what: string, max = 64): string {
  demand(typeof value === 'string', 'MALFORMED', `${what} is not a text`);
  demand(value.length <= max, 'MALFORMED', `${what} is longer than ${max} characters`);
  demand(isPlainText(value), 'MALFORMED', `${what} has control characters`);
  return value;
}

/** True for a text without control characters (Unicode category Cc). */
export function isPlainText(text: string): boolean {
  return !/\p{Cc}/u.test(text);
}

/** A value of the sender's choice as it may stand in a refusal's sentence: short and without control characters. */
export function shown(value: Value | undefined): string {
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (typeof value !== 'string') return value === undefined ? 'nothing' : 'something else';
  return isPlainText(value) ? `"${value.slice(0, 64)}"` : 'a text with control characters';
}

export function asMap(value: Value | undefined, what: string): CborMap {
  demand(value instanceof Map, 'MALFORMED', `${what} is not a map`);
  return value;
}

/** A map with exactly these keys. */
export function asExactMap(value: Value | undefined, what: string, keys: readonly (number | string)[]): CborMap {
  const map = asMap(value, what);
  const same = map.size === keys.length && keys.every((key) => map.has(key));
  demand(same, 'MALFORMED', `${what} has keys ${shownKeys(map)}, expected [${keys.join(' ')}]`);
  return map;
}

/** How many keys a refusal's sentence names before it breaks off. */
const SHOWN_KEYS_MAX = 16;

/** The keys of a map of the sender's, for a refusal's sentence. */
export function shownKeys(map: CborMap): string {
  const keys = [...map.keys()].slice(0, SHOWN_KEYS_MAX).map(shown);
  return `[${keys.join(' ')}${map.size > SHOWN_KEYS_MAX ? ' …' : ''}]`;
}

export function asTagged(value: Value | undefined, what: string, tag: number): Value {
  demand(value instanceof Tagged && value.tag === tag, 'MALFORMED', `${what} does not carry tag ${tag}`);
  return value.value;
}

/** Refuses bytes that are not exactly the encoding of what was read from them: nothing unread may hide inside. */
export function sameBytes(rebuilt: Uint8Array, original: Uint8Array, what: string): void {
  demand(equal(rebuilt, original), 'MALFORMED', `${what} is not in its canonical form`);
}

/** Reads an optional value: null becomes undefined. */
export function optional<T>(value: Value | undefined, read: (value: Value) => T): T | undefined {
  return value === null || value === undefined ? undefined : read(value);
}

/** For people: JSON of any CBOR value, byte strings in hex, byte strings that hold CBOR left as they are. */
export function toPlain(value: Value): unknown {
  if (value instanceof Uint8Array) return hex(value);
  if (Array.isArray(value)) return value.map(toPlain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [String(key), toPlain(item)]));
  if (value instanceof Tagged) return { tag: value.tag, value: toPlain(value.value) };
  return value;
}

/** A byte string that wraps one CBOR item. */
export function wrap(value: Value): Uint8Array {
  return encode(value);
}

export function unwrap(value: Value | undefined, what: string): Value {
  return decode(asBytes(value, what));
}
