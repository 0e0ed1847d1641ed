/** What came with a request, read strictly: one text per name, no objects, no surprises. */
import { demand, Refusal } from '@countersign/device-sdk';

const TEXT_CHARS_MAX = 512;

export type Fields = Record<string, unknown>;

/** @throws Refusal BAD_REQUEST */
export function fieldsOf(value: unknown, what: string, known: readonly string[]): Fields {
  demand(typeof value === 'object' && value !== null && !Array.isArray(value), 'BAD_REQUEST', `${what} is no object`);
  const strange = Object.keys(value).find((name) => !known.includes(name));
  demand(strange === undefined, 'BAD_REQUEST', `${what}: ${String(strange).slice(0, 32)} is not known here`);
  return value as Fields;
}

export function textOf(fields: Fields, name: string): string {
  const value = fields[name];
  const good = typeof value === 'string' && value.length >= 1 && value.length <= TEXT_CHARS_MAX;
  demand(good, 'BAD_REQUEST', `${name} is a text of 1 to ${TEXT_CHARS_MAX} characters`);
  return value;
}

export function optionalText(fields: Fields, name: string): string | undefined {
  return fields[name] === undefined ? undefined : textOf(fields, name);
}

/** `true` or `false`, as JSON or as text in a query. */
export function flagOf(fields: Fields, name: string, otherwise: boolean): boolean {
  const value = fields[name];
  if (value === undefined) return otherwise;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new Refusal('BAD_REQUEST', `${name} is true or false`);
}

export function numberOf(fields: Fields, name: string, min: number, max: number): number | undefined {
  const value = fields[name];
  if (value === undefined) return undefined;
  const good = typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max;
  demand(good, 'BAD_REQUEST', `${name} is a number from ${min} to ${max}`);
  return value;
}

/** A body that travels as it is. @throws Refusal BAD_REQUEST for JSON or nothing */
export function bytesOf(body: unknown, what: string): Uint8Array {
  demand(body instanceof Uint8Array, 'BAD_REQUEST', `send ${what} as application/octet-stream`);
  return new Uint8Array(body.buffer, body.byteOffset, body.length);
}
