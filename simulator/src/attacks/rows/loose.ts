/** Values that are not what is expected, and CBOR that is not deterministic. */
import { decode, encode, hex, Tagged, type Value } from '@countersign/device-sdk/format';

export interface Twisted {
  what: string;
  value: Value;
}

/** The value with one of its parts, at every place in turn, exchanged for what has no business there. */
export function twisted(value: Value, nested = false): Twisted[] {
  const same = hex(encode(value));
  return [
    ...replacements(value)
      .slice(0, 3)
      .map((other) => ({ what: 'itself', value: other })),
    ...below(value, nested),
  ].filter((item) => hex(encode(item.value)) !== same);
}

function below(value: Value, nested: boolean): Twisted[] {
  if (value instanceof Tagged) {
    const inside = twisted(value.value, nested).map(({ what, value: item }) => ({
      what: `tag/${what}`,
      value: new Tagged(value.tag, item),
    }));
    return [{ what: 'another tag', value: new Tagged(value.tag + 1, value.value) }, ...inside];
  }
  if (Array.isArray(value)) {
    const places = value.flatMap((item, i) => [
      ...replacements(item).map((other): Twisted => ({ what: `${i}`, value: value.with(i, other) })),
      ...below(item, nested).map(({ what, value: other }) => ({ what: `${i}/${what}`, value: value.with(i, other) })),
    ]);
    const lengths = [value.slice(0, -1), [...value, 0]].map((list): Twisted => ({ what: 'length', value: list }));
    return [...places, ...lengths];
  }
  if (value instanceof Map) {
    const places = [...value].flatMap(([key, item]) => [
      ...replacements(item).map((other): Twisted => ({ what: `${key}`, value: new Map(value).set(key, other) })),
      ...below(item, nested).map(({ what, value: other }) => ({
        what: `${key}/${what}`,
        value: new Map(value).set(key, other),
      })),
      { what: `${key} gone`, value: new Map([...value].filter(([other]) => other !== key)) },
    ]);
    return [...places, { what: 'a key more', value: new Map(value).set(77, 0) }];
  }
  const inside = nested && value instanceof Uint8Array && wrapped(value);
  if (!inside) return [];
  return below(inside, nested).map(({ what, value: other }) => ({ what: `(${what})`, value: encode(other) }));
}

/** What a byte string wraps, where it is a list or a map. */
function wrapped(bytes: Uint8Array): Value | undefined {
  try {
    const value = decode(bytes);
    return Array.isArray(value) || value instanceof Map ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Of another kind, too long, too short, beyond its limit, below zero, with control characters. */
function replacements(value: Value): Value[] {
  if (typeof value === 'number')
    return [-1 - Math.min(Math.abs(value), 99), Number.MAX_SAFE_INTEGER, 'x', new Uint8Array(1)];
  if (value instanceof Uint8Array)
    return [value.slice(0, -1), Uint8Array.from([...value, 0]), 7, new Uint8Array(0), [value]];
  if (typeof value === 'string') {
    const code = /^[A-Z_]+$/.test(value) ? ['NOT_A_CODE'] : [];
    return [...code, `${value}\u001b[2J`, 'x'.repeat(65), new Uint8Array(4), 5];
  }
  if (Array.isArray(value)) return [[], 3, new Map(), Array.from({ length: 70 }, () => value[0] ?? 0)];
  if (value instanceof Map) return [[], 3, new Map()];
  return [1, 'x', [], new Uint8Array(3)];
}

export type Looseness =
  | 'indefinite'
  | 'longer'
  | 'float'
  | 'undefined'
  | 'trailing'
  | 'cut'
  | 'deep'
  | 'huge'
  | 'reserved';

/** An announcement in CBOR that a lenient reader would take. */
export function loose(bytes: Uint8Array, how: Looseness): Uint8Array {
  // An announcement is an array of 6 (0x86) whose first item is 1.
  const rest = [...bytes.subarray(1)];
  switch (how) {
    case 'indefinite':
      return Uint8Array.from([0x9f, ...rest, 0xff]);
    case 'longer':
      return Uint8Array.from([0x98, 6, ...rest]);
    case 'float':
      return Uint8Array.from([0x86, 0xf9, 0x3c, 0x00, ...rest.slice(1)]);
    case 'undefined':
      return Uint8Array.from([0x86, 0xf7, ...rest.slice(1)]);
    case 'trailing':
      return Uint8Array.from([...bytes, 0]);
    case 'cut':
      return bytes.slice(0, -1);
    case 'deep':
      return Uint8Array.from([...new Array<number>(10_000).fill(0x81), 0]);
    case 'huge':
      return Uint8Array.from([0x9b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    case 'reserved':
      return Uint8Array.from([0x9c, ...rest]);
  }
}
