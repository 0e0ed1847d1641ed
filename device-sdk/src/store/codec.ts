/**
 * How parts of the state become CBOR and again parts: each shape is said once. These bytes are our own, under the
 * journal's check; whoever finds them damaged can only say so.
 */
import type { Value } from '../format/cbor.ts';
import { asArray, asBytes, asText, asUint, optional } from '../format/shape.ts';

export interface Codec<T> {
  write(part: T): Value;
  /** @throws Refusal MALFORMED */
  read(value: Value | undefined): T;
}

/** An array of the fields in the order in which they are named here. */
export function record<T extends object>(fields: { [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  return {
    write: (part) => names.map((name) => fields[name].write(part[name])),
    read: (value) => {
      const items = asArray(value, 'a record', names.length);
      return Object.fromEntries(names.map((name, i) => [name, fields[name].read(items[i])])) as T;
    },
  };
}

export function list<T>({ write, read }: Codec<T>): Codec<T[]> {
  return { write: (items) => items.map(write), read: (value) => asArray(value, 'a list').map(read) };
}

/** Undefined is null. */
export function maybe<T>({ write, read }: Codec<T>): Codec<T | undefined> {
  return { write: (part) => (part === undefined ? null : write(part)), read: (value) => optional(value, read) };
}

/** One of a few values, by its place among them. */
export function oneOf<T>(values: readonly T[]): Codec<T> {
  return {
    write: (part) => values.indexOf(part),
    read: (value) => values[asUint(value, 'a choice', values.length - 1)]!,
  };
}

export function bytes(length?: number): Codec<Uint8Array> {
  return { write: same, read: (value) => asBytes(value, 'bytes', length) };
}

export function text<T extends string = string>(): Codec<T> {
  return { write: same, read: (value) => asText(value, 'a text') as T };
}

export const uint: Codec<number> = { write: same, read: (value) => asUint(value, 'a number') };
export const digest = bytes(32);
export const id = bytes(16);

function same<T>(part: T): T {
  return part;
}
