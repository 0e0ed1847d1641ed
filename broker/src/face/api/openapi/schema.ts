/** JSON Schema (draft 2020-12, as OpenAPI 3.1 has it) in few words: the building blocks of routes' descriptions. */

export type Schema = Readonly<Record<string, unknown>>;

/** An object with exactly these members required; those named in `optional` may be absent. More fields may come. */
export function object(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, ...(required.length > 0 && { required }) };
}

/** What is asked: a member that is not known is refused rather than ignored. */
export function strictly(properties: Record<string, Schema>, optional: readonly string[] = []): Schema {
  return { ...object(properties, optional), additionalProperties: false };
}

export function list(items: Schema, more: Schema = {}): Schema {
  return { type: 'array', items, ...more };
}

/** Members whose names are no part of the format: labels, counts by code. */
export function record(values: Schema, description?: string): Schema {
  return { type: 'object', additionalProperties: values, ...said(description) };
}

export function nullable(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: 'string', enum: values };
}

export function text(description?: string, more: Schema = {}): Schema {
  return { type: 'string', ...more, ...said(description) };
}

/** Bytes in lower-case hex, so many or any number. */
export function hexText(bytes?: number, description?: string): Schema {
  const pattern = bytes === undefined ? '^([0-9a-f]{2})*$' : `^[0-9a-f]{${bytes * 2}}$`;
  return { type: 'string', pattern, ...said(description) };
}

export function whole(description?: string, more: Schema = {}): Schema {
  return { type: 'integer', minimum: 0, ...more, ...said(description) };
}

export function number(description?: string, more: Schema = {}): Schema {
  return { type: 'number', ...more, ...said(description) };
}

/** Seconds since the Unix epoch. */
export const SECONDS: Schema = whole('seconds since the Unix epoch');
export const FLAG: Schema = { type: 'boolean' };
/** A body that is no JSON. */
export const BYTES: Schema = { type: 'string', format: 'binary' };

/** A shape of shapes.ts, by its name. */
export function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function said(description: string | undefined): Schema {
  return description === undefined ? {} : { description };
}
