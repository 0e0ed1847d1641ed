/** The OpenAPI 3.1 document of a server, made from the routes that it has. Source: OpenAPI Specification 3.1.0. */
import type { FastifySchema, RouteOptions } from 'fastify';
import type { Schema } from './schema.ts';
import { SHAPES } from './shapes.ts';

export interface OpenApi {
  openapi: string;
  info: Schema;
  tags: { name: string; description: string }[];
  security: Schema[];
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Schema; responses: Schema };
}

/** One operation of the document. */
export interface Described {
  operationId: string;
  tags: readonly string[];
  summary: string;
  description?: string;
  security?: Schema[];
  parameters?: Parameter[];
  requestBody?: Content & { required: boolean };
  responses: Record<string, Schema>;
}

type Content = { content: Record<string, { schema: Schema }> };

export interface Parameter {
  name: string;
  in: 'path' | 'query';
  required: boolean;
  schema: Schema;
}

/** @param routes as they were registered; @param server what it calls itself */
export function documentOf(routes: readonly RouteOptions[], server: string, version: string): OpenApi {
  const paths: OpenApi['paths'] = {};
  for (const route of routes) {
    for (const method of [route.method].flat()) {
      // Fastify answers HEAD wherever there is GET.
      if (method === 'HEAD') continue;
      const path = templateOf(route.url);
      paths[path] = { ...paths[path], [method.toLowerCase()]: describe(method, path, route) };
    }
  }
  const used = new Set(Object.values(paths).flatMap((item) => Object.values(item).flatMap(({ tags }) => tags)));
  return {
    openapi: '3.1.0',
    info: {
      title: `Countersign: ${server}`,
      version,
      description: ABOUT,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: TAGS.filter(({ name }) => used.has(name)),
    security: [{ token: [] }],
    paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas: SHAPES,
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      responses: {
        Problem: {
          description: 'refused; `code` is one of a closed list',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

const ABOUT =
  'Byte strings are lower-case hex, times are seconds since the Unix epoch. Whatever changes the ledger is a statement signed by a person; the token in front only keeps strangers out. Answers may gain fields.';

const TAGS = [
  { name: 'Ledger', description: 'Entries, heads, receipts and proofs.' },
  { name: 'Proofs', description: 'One leaf, provably in the ledger.' },
  { name: 'Log', description: 'The log as files for auditors (c2sp.org/tlog-tiles).' },
  { name: 'Witness', description: 'Cosignatures over checkpoints (c2sp.org/tlog-witness).' },
  { name: 'Releases', description: 'Products and their releases.' },
  { name: 'Rollouts', description: 'Which devices get what, and how it goes.' },
  { name: 'Devices', description: 'Devices, their labels and their passports.' },
  { name: 'People', description: 'Who may sign what.' },
  { name: 'Content', description: 'Images and payloads by digest.' },
  { name: 'Server', description: 'The server itself: health, figures, events, this document.' },
];

/** `/a/:name` as `/a/{name}`; what a star stands for is called `path`. */
export function templateOf(url: string): string {
  return url.replace(/:(\w+)/g, '{$1}').replace(/\*/g, '{path}');
}

function describe(method: string, path: string, { schema = {}, config }: RouteOptions): Described {
  const { tags = ['Server'], summary = path, description, body } = schema as FastifySchema;
  const parameters = [...pathParameters(path, schema), ...queryParameters(schema)];
  return {
    operationId: idOf(method, path),
    tags,
    summary,
    ...(description !== undefined && { description }),
    ...(config?.public && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: true, ...(body as Content) } }),
    responses: { ...answersOf(schema), default: { $ref: '#/components/responses/Problem' } },
  };
}

function answersOf({ response }: FastifySchema): Record<string, Schema> {
  return (response as Record<string, Schema> | undefined) ?? { 200: { description: 'answered' } };
}

function pathParameters(path: string, { params }: FastifySchema): Parameter[] {
  const known = propertiesOf(params);
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => {
    const schema = known[name!] ?? known['*'] ?? { type: 'string' };
    return { name: name!, in: 'path', required: true, schema };
  });
}

function queryParameters({ querystring }: FastifySchema): Parameter[] {
  const { required = [] } = Object(querystring) as { required?: string[] };
  return Object.entries(propertiesOf(querystring)).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function propertiesOf(schema: unknown): Record<string, Schema> {
  return (Object(schema) as { properties?: Record<string, Schema> }).properties ?? {};
}

/** `GET /api/v1/rollouts/{name}/progress` as `getRolloutsNameProgress`. */
function idOf(method: string, path: string): string {
  const words = path.replace('/api/v1/', '/').match(/[A-Za-z0-9]+/g) ?? [];
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join('');
}
