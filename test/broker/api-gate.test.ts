/** Who gets in, and what hostile requests get back. One server in this process, real sockets. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@countersign/broker/distribution/ports';
import { BODY_BYTES_MAX } from '@countersign/broker/face/api/app';
import { STREAMS_MAX } from '@countersign/broker/face/api/event-routes';
import { openToken, tokenGate } from '@countersign/broker/face/api/token';
import { type Alarm, Alarms } from '@countersign/broker/face/events/alarms';
import { EventStream } from '@countersign/broker/face/events/stream';
import { type RunningAll, startAll } from '@countersign/broker/face/up/start';
import type { LedgerClient, LedgerEvent } from '@countersign/broker/ledger/client';
import { CODES, codeOf } from '@countersign/device-sdk';
import { Validator } from '@seriousme/openapi-schema-validator';
import anyTest, { type TestFn } from 'ava';
import { parse } from 'yaml';
import { repository } from '../support/repository.ts';

const test = anyTest as TestFn<{ data: string; all: RunningAll }>;
const TOKEN = randomBytes(32).toString('base64url');

test.before(async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'countersign-test-'));
  t.context = { data, all: await startAll({ data, token: TOKEN, samples: false }) };
});

test.after.always(async (t) => {
  await t.context.all?.close();
  await rm(t.context.data, { recursive: true, force: true });
});

const NAME = 'a'.repeat(64);
const ID = 'b'.repeat(32);
/** Every route but those for everybody. */
const ROUTES: [method: string, path: string][] = [
  ['GET', '/api/v1/endpoints'],
  ['POST', '/api/v1/transactions'],
  ['GET', '/api/v1/head'],
  ['GET', '/api/v1/products'],
  ['GET', '/api/v1/products/thermostat'],
  ['GET', '/api/v1/releases'],
  ['GET', `/api/v1/releases/${NAME}`],
  ['GET', `/api/v1/releases/${NAME}/applies`],
  ['POST', '/api/v1/releases/prepare'],
  ['POST', '/api/v1/releases'],
  ['GET', '/api/v1/people'],
  ['GET', '/api/v1/people/engineer'],
  ['POST', '/api/v1/people/engineer/totp'],
  ['GET', '/api/v1/tokens'],
  ['POST', '/api/v1/tokens'],
  ['POST', `/api/v1/tokens/${ID}/revoke`],
  ['GET', '/api/v1/devices'],
  ['GET', `/api/v1/devices/${ID}`],
  ['POST', '/api/v1/devices/labels'],
  ['POST', `/api/v1/devices/${ID}/commands`],
  ['GET', '/api/v1/grants'],
  ['POST', `/api/v1/grants/${ID}/list`],
  ['GET', '/api/v1/rollouts'],
  ['GET', `/api/v1/rollouts/${ID}`],
  ['GET', `/api/v1/rollouts/${ID}/progress`],
  ['POST', '/api/v1/rollouts/plan'],
  ['GET', '/api/v1/history/engineer'],
  ['GET', '/api/v1/issued-keys'],
  ['GET', `/api/v1/previous/${NAME}`],
  ['GET', `/api/v1/blobs/${NAME}`],
  ['GET', `/api/v1/payloads/${NAME}`],
  ['GET', '/api/v1/distribution'],
  ['GET', '/provision/thermostat/1.0.0'],
  ['POST', '/api/v1/ledger/transactions'],
  ['GET', '/api/v1/ledger/queries/listPeople'],
  ['GET', `/api/v1/ledger/receipts/${NAME}`],
  ['GET', `/api/v1/ledger/announcements/${ID}`],
  ['GET', '/api/v1/ledger/entries?from=0&count=1'],
  ['GET', `/api/v1/ledger/entries/${NAME}`],
  ['GET', '/api/v1/ledger/follow?from=0'],
  ['GET', '/log/tile/entries/000.p/3'],
  ['GET', '/api/v1/ledger/blocks?from=0'],
  ['POST', '/api/v1/ledger/cosignatures'],
  ['GET', '/api/v1/ledger/quorum'],
  ['GET', '/metrics'],
  ['GET', `/proof/${NAME}`],
  ['GET', `/proof/${NAME}/receipt`],
  // A position beyond the ledger: without it the answer would not end.
  ['GET', '/events?from=999999'],
  ['GET', `/api/v1/entries/${NAME}`],
  ['GET', `/api/v1/trials/${NAME}`],
  ['GET', '/api/v1/trust-roots'],
  ['GET', '/api/v1/bundle?release=abcdefgh'],
  ['POST', '/api/v1/passports'],
  ['GET', `/api/v1/passports/device/${ID}`],
  ['GET', '/api/v1/passports/product/thermostat'],
  ['GET', '/ipfs/bafkqaaa'],
  ['GET', '/ipfs/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy?format=raw'],
  ['GET', '/api/v1/ledger/files'],
  ['GET', '/api/v1/ledger/files/0000000000.blocks'],
];

/** Heads, growth, trust roots, hashes: what devices and auditors are shown. No entry is among them. */
const EVERYBODY = [
  '/healthz',
  ...['/api/v1/ledger/head', '/api/v1/ledger/consistency?from=1&to=2', '/api/v1/ledger/roots?from=1'],
  ...['/log/checkpoint', '/log/tile/0/000.p/2', '/openapi.json', '/docs', '/docs/refusals'],
];

test('what everybody may read is given without a token', async (t) => {
  for (const path of EVERYBODY) t.is((await fetch(new URL(path, t.context.all.url))).status, 200, path);
});

for (const [method, path] of ROUTES) {
  test(`${method} ${path.replace(NAME, 'DIGEST').replace(ID, 'ID')} without the token is UNAUTHORIZED`, async (t) => {
    const { url } = t.context.all;
    for (const authorization of [undefined, 'Bearer ', `Bearer ${TOKEN}x`, `Basic ${TOKEN}`, TOKEN, 'Bearer a b']) {
      const headers = { ...(authorization !== undefined && { authorization }) };
      const answer = await fetch(new URL(path, url), { method, headers });
      t.is(answer.status, 401, authorization);
      const body = (await answer.json()) as Record<string, unknown>;
      t.deepEqual(Object.keys(body), ['type', 'title', 'status', 'detail', 'code']);
      t.is(body.code, 'UNAUTHORIZED');
    }
  });
  test(`${method} ${path.replace(NAME, 'DIGEST').replace(ID, 'ID')} is a route`, async (t) => {
    const { status, body } = await ask(t.context.all.url, method, path);
    t.not(status, 401);
    t.false(/has no (GET|POST)/.test(String(body.detail)), 'this path has no route: correct the table');
    t.true(status < 500, JSON.stringify(body));
  });
}

test('a path that does not exist is UNAUTHORIZED without the token, and NOT_FOUND with it', async (t) => {
  const { url } = t.context.all;
  t.is((await fetch(new URL('/api/v1/secret', url))).status, 401);
  const { status, body } = await ask(url, 'GET', '/api/v1/secret');
  t.deepEqual([status, body.code], [404, 'NOT_FOUND']);
});

test('/healthz answers anybody, and says nothing but that it is well', async (t) => {
  const answer = await fetch(new URL('/healthz', t.context.all.url));
  t.deepEqual(Object.keys((await answer.json()) as object), ['ok', 'server']);
});

test('answers allow no other origin, no caching, no framing and no guessing', async (t) => {
  const answer = await fetch(new URL('/api/v1/people', t.context.all.url), {
    headers: { authorization: `Bearer ${TOKEN}`, origin: 'https://evil.example' },
  });
  t.is(answer.headers.get('access-control-allow-origin'), null);
  t.is(answer.headers.get('cache-control'), 'no-store');
  t.is(answer.headers.get('x-content-type-options'), 'nosniff');
  t.regex(answer.headers.get('content-security-policy')!, /default-src 'none'/);
});

interface Document {
  tags: { name: string }[];
  paths: Record<string, Record<string, Described>>;
}
interface Described {
  summary: string;
  tags: string[];
  security?: unknown[];
  responses: Record<string, { description?: string }>;
}

async function operationsOf(url: string): Promise<{ method: string; path: string; described: Described }[]> {
  const { paths } = (await (await fetch(new URL('/openapi.json', url))).json()) as Document;
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, described]) => ({ method: method.toUpperCase(), path, described })),
  );
}

/** Whether an address is one of a template's. */
function fits(template: string, address: string): boolean {
  const pattern = template
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{path\}/g, '.+')
    .replace(/\{\w+\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(address.split('?')[0]!);
}

test('the document is valid OpenAPI 3.1, and each route in it is described', async (t) => {
  const answer = await fetch(new URL('/openapi.json', t.context.all.url));
  const document = (await answer.json()) as Document;
  const { valid, errors } = await new Validator().validate(structuredClone(document) as never);
  t.true(valid, JSON.stringify(errors));
  const tags = new Set(document.tags.map(({ name }) => name));
  const ids = new Set<unknown>();
  for (const { path, described } of await operationsOf(t.context.all.url)) {
    t.not(described.summary, path, 'a route without a description');
    for (const tag of described.tags) t.true(tags.has(tag), `${path} has the tag ${tag}`);
    t.true(Object.values(described.responses).length > 1, path);
    const { operationId } = described as unknown as { operationId: string };
    t.false(ids.has(operationId), operationId);
    ids.add(operationId);
  }
});

test('the document has exactly the routes that are tried here, each as open or closed as it is', async (t) => {
  const operations = await operationsOf(t.context.all.url);
  const known = (method: string, address: string) =>
    operations.filter(({ method: own, path }) => own === method && fits(path, address));
  for (const [method, path] of ROUTES) {
    const found = known(method, path);
    t.true(found.length > 0, `${method} ${path} is not in the document`);
    t.true(
      found.some(({ described }) => described.security === undefined),
      `${path} is said to be for everybody`,
    );
  }
  for (const path of EVERYBODY)
    t.true(
      known('GET', path).some(({ described }) => described.security?.length === 0),
      path,
    );
  for (const { method, path, described } of operations) {
    const tried = described.security === undefined ? ROUTES : EVERYBODY.map((open) => ['GET', open] as const);
    const found = tried.some(([own, address]) => own === method && fits(path, address));
    t.true(found, `${method} ${path} is tried nowhere here`);
  }
});

test('/metrics are in the text format of Prometheus, and agree with what the server says elsewhere', async (t) => {
  const { url } = t.context.all;
  await fetch(new URL('/api/v1/people', url)); // refused for want of a token
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(new URL('/metrics', url), { headers });
  t.regex(answer.headers.get('content-type')!, /^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  const value = (series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );
  const { head } = (await (await fetch(new URL('/api/v1/ledger/head', url))).json()) as { head: { size: number } };
  t.is(value('countersign_ledger_entries'), head.size);
  t.true(value('countersign_refusals_total{where="api",code="UNAUTHORIZED"}') >= 1);
  t.true(value('countersign_ledger_head_age_seconds') >= 0);
  t.is(value('countersign_queue_limit{queue="ledger"}'), 10_000);
  for (const queue of ['requests', 'reports', 'announcements', 'intake', 'ledger'])
    t.true(value(`countersign_queue_length{queue="${queue}"}`) <= 1, queue);
  for (const part of ['ledger', 'content', 'distribution', 'rollouts', 'api'])
    t.is(value(`countersign_scrape_ok{part="${part}"}`), 1, part);
  t.true(value('process_resident_memory_bytes') > 1e6);
  for (const line of text.split('\n')) t.regex(line, /^(#.*|[a-z0-9_]+(\{[^}]*\})? \S+|)$/);
});

test('each alert rule names metrics that a server or a peer has, and says what to do', async (t) => {
  const rules = parse(readFileSync(join(repository, 'docs/prometheus/countersign.rules.yml'), 'utf8')) as {
    groups: {
      rules: { alert: string; expr: string; labels: { severity: string }; annotations: Record<string, string> }[];
    }[];
  };
  const answer = await fetch(new URL('/metrics', t.context.all.url), { headers: { authorization: `Bearer ${TOKEN}` } });
  const known = new Set([...(await answer.text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const name of ['up', 'countersign_peer_state', 'countersign_peer_evidence']) known.add(name);
  const all = rules.groups.flatMap((group) => group.rules);
  t.true(all.length >= 10);
  for (const { alert, expr, labels, annotations } of all) {
    const names = expr.match(/\b(countersign_\w+|up)\b/g) ?? [];
    t.true(names.length > 0, alert);
    for (const name of names) if (name !== 'countersign') t.true(known.has(name), `${alert} asks for ${name}`);
    t.true(['page', 'ticket'].includes(labels.severity), alert);
    t.true(annotations.summary!.length > 10 && annotations.action!.length > 10, alert);
  }
});

test('/docs and /docs/refusals are pages that load and run nothing', async (t) => {
  for (const path of ['/docs', '/docs/refusals']) {
    const answer = await fetch(new URL(path, t.context.all.url));
    t.regex(answer.headers.get('content-security-policy')!, /^default-src 'none'; style-src 'unsafe-inline';/);
    const page = await answer.text();
    t.notRegex(page, /<script|<img|<link|https?:|\son\w+=|url\(/i, path);
    t.true(page.length > 10_000);
  }
  const codes = await (await fetch(new URL('/docs/refusals', t.context.all.url))).text();
  for (const code of CODES) t.true(codes.includes(`id="${code}"`), code);
});

test('a refusal is a problem of RFC 9457 whose type is a page of this server', async (t) => {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(new URL('/api/v1/ledger/entries?from=x&count=1', t.context.all.url), { headers });
  t.is(answer.status, 400);
  t.regex(answer.headers.get('content-type')!, /^application\/problem\+json(;|$)/);
  const { type, detail, ...problem } = (await answer.json()) as Record<string, string>;
  t.deepEqual(problem, {
    ...{ status: 400 as unknown as string, code: 'BAD_REQUEST' },
    title: 'Arguments are missing or out of range.',
  });
  t.is(detail, 'the query.from: must be integer');
  const page = await fetch(new URL(type!, t.context.all.url));
  t.true((await page.text()).includes(`id="${new URL(type!, 'http://x').hash.slice(1)}"`));
});

const JSON_TYPE = 'application/json';
const BYTES_TYPE = 'application/octet-stream';
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
/** What is sent, and the code that comes back. Whatever it is, it is never a fault of the server. */
const HOSTILE: [name: string, path: string, type: string, body: string | Uint8Array, code: string][] = [
  ['half a JSON', '/api/v1/rollouts/plan', JSON_TYPE, '{"release":', 'BAD_REQUEST'],
  ['deep JSON', '/api/v1/rollouts/plan', JSON_TYPE, deep, 'BAD_REQUEST'],
  ['__proto__', '/api/v1/rollouts/plan', JSON_TYPE, '{"__proto__":{"release":"x"}}', 'BAD_REQUEST'],
  ['constructor', '/api/v1/rollouts/plan', JSON_TYPE, '{"constructor":{"prototype":{"a":1}}}', 'BAD_REQUEST'],
  ['null', '/api/v1/rollouts/plan', JSON_TYPE, 'null', 'BAD_REQUEST'],
  ['a number', '/api/v1/rollouts/plan', JSON_TYPE, '1e999', 'BAD_REQUEST'],
  ['an unknown field', '/api/v1/rollouts/plan', JSON_TYPE, '{"release":"x","admin":true}', 'BAD_REQUEST'],
  ['a release that is a list', '/api/v1/rollouts/plan', JSON_TYPE, '{"release":["x"]}', 'BAD_REQUEST'],
  ['a release by 4 digits', '/api/v1/rollouts/plan', JSON_TYPE, '{"release":"abcd"}', 'BAD_REQUEST'],
  ['labels of a device that is a text', '/api/v1/devices/labels', JSON_TYPE, '{"devices":["x"]}', 'BAD_REQUEST'],
  [
    'labels that are a list',
    '/api/v1/devices/labels',
    JSON_TYPE,
    '{"devices":[{"deviceId":"x","labels":[]}]}',
    'BAD_REQUEST',
  ],
  [
    'a label that is an object',
    '/api/v1/devices/labels',
    JSON_TYPE,
    `{"devices":[{"deviceId":"${ID}","labels":{"a":{}}}]}`,
    'BAD_REQUEST',
  ],
  ['no devices', '/api/v1/devices/labels', JSON_TYPE, '{"devices":[]}', 'BAD_REQUEST'],
  ['an XML document', '/api/v1/rollouts/plan', 'application/xml', '<a/>', 'BAD_REQUEST'],
  ['a form', '/api/v1/transactions', 'application/x-www-form-urlencoded', 'a=b', 'BAD_REQUEST'],
  ['JSON for a statement', '/api/v1/transactions', JSON_TYPE, '{}', 'BAD_REQUEST'],
  ['nothing for a statement', '/api/v1/transactions', BYTES_TYPE, '', 'MALFORMED'],
  ['noise for a statement', '/api/v1/transactions', BYTES_TYPE, randomBytes(300), 'MALFORMED'],
  ['noise for an upload', '/api/v1/releases', BYTES_TYPE, randomBytes(300), 'MALFORMED'],
  ['an image for nobody', '/api/v1/releases/prepare', BYTES_TYPE, randomBytes(300), 'BAD_REQUEST'],
  [
    'an image for a product that is not there',
    '/api/v1/releases/prepare?product=x&version=1&fileName=f',
    BYTES_TYPE,
    randomBytes(9),
    'NOT_FOUND',
  ],
  [
    'a version twice',
    '/api/v1/releases/prepare?product=x&version=1&version=2&fileName=f',
    BYTES_TYPE,
    randomBytes(9),
    'BAD_REQUEST',
  ],
  [
    'a large plan',
    '/api/v1/rollouts/plan',
    JSON_TYPE,
    JSON.stringify({ release: 'x'.repeat(BODY_BYTES_MAX) }),
    'TOO_LARGE',
  ],
  ['a large statement', '/api/v1/transactions', BYTES_TYPE, new Uint8Array(BODY_BYTES_MAX + 1), 'TOO_LARGE'],
];

for (const [name, path, type, body, code] of HOSTILE) {
  test(`hostile body: ${name} to ${path.split('?')[0]} is ${code}`, async (t) => {
    const answer = await ask(t.context.all.url, 'POST', path, type, body);
    t.is(answer.body.code, code, JSON.stringify(answer.body));
    t.true(answer.status >= 400 && answer.status < 500);
  });
}

const HOSTILE_PATHS = [
  '/api/v1/releases/..%2f..%2fetc%2fpasswd',
  '/api/v1/releases/%00%00%00%00%00%00%00%00',
  `/api/v1/releases/${'a'.repeat(240)}`,
  `/api/v1/releases/${'a'.repeat(5000)}`,
  '/api/v1/releases/%ff%fe',
  '/api/v1/releases/@',
  '/api/v1/history/%7f',
  '/api/v1/history/__proto__',
  '/api/v1/devices/constructor',
  '/api/v1/ledger/files/..%2fhead',
  '/api/v1/ledger/files/head',
  '/api/v1/ledger/files/0000000000.blocks?bytes=-1',
  '/api/v1/ledger/files/0000000000.blocks?bytes=1e9',
  '/api/v1/ledger/queries/__proto__',
  '/provision/..%2f/..%2f',
  '/api/v1/blobs/abc',
  '/api/v1/releases?product=a&product=b',
  '/api/v1/releases?__proto__=x',
];

for (const path of HOSTILE_PATHS) {
  test(`hostile path of ${path.length} characters: ${path.slice(0, 60)} is refused with a code`, async (t) => {
    const { status, body } = await ask(t.context.all.url, 'GET', path);
    t.true(status >= 400 && status < 500, `${status}`);
    t.true(CODES.includes(body.code as never), JSON.stringify(body));
  });
}

test.serial('a body without end is cut off at the limit', async (t) => {
  const { hostname, port } = new URL(t.context.all.url);
  const socket = connect(Number(port), hostname);
  const head = ['POST /api/v1/transactions HTTP/1.1', `host: ${hostname}`, `authorization: Bearer ${TOKEN}`];
  socket.write(`${[...head, `content-type: ${BYTES_TYPE}`, 'transfer-encoding: chunked'].join('\r\n')}\r\n\r\n`);
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  let sent = 0;
  const timer = setInterval(() => {
    sent += 0x10000;
    socket.write(chunk);
  }, 5);
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (part) => {
      text += part;
      if (text.includes('}')) resolve(text);
    });
    socket.on('error', () => resolve(text));
    socket.on('close', () => resolve(text));
  });
  clearInterval(timer);
  socket.destroy();
  // Whoever goes on writing may have his connection reset before he reads the answer.
  t.true(answer === '' || answer.startsWith('HTTP/1.1 413 '), answer);
  t.true(sent < 40 * 0x10000, `${sent} bytes were taken`);
});

test('a token is accepted in its own header alone, and compared as a whole', (t) => {
  const gate = tokenGate(TOKEN);
  t.true(gate.accepts(`Bearer ${TOKEN}`));
  t.true(gate.accepts(`bearer ${TOKEN}`));
  for (const header of [
    undefined,
    '',
    TOKEN,
    `Bearer ${TOKEN.slice(1)}`,
    `Bearer ${TOKEN} `,
    `Bearer ${'a'.repeat(10_000)}`,
  ]) {
    t.false(gate.accepts(header), header);
  }
});

test('a token is made once, kept as a hash, and another one ends it', async (t) => {
  const path = join(t.context.data, 'another', 'token.json');
  const kept: string[] = [];
  const keep = async (token: string) => void kept.push(token);
  const first = await openToken(path, { keep });
  t.deepEqual(kept, [first.fresh]);
  const again = await openToken(path);
  t.is(again.fresh, undefined);
  t.true(again.accepts(`Bearer ${first.fresh}`));
  const renewed = await openToken(path, { renew: true });
  t.false(renewed.accepts(`Bearer ${first.fresh}`));
  t.true(renewed.accepts(`Bearer ${renewed.fresh}`));
});

test('beyond this machine a server without TLS does not start', async (t) => {
  const data = join(t.context.data, 'open');
  const error = await t.throwsAsync(startAll({ data, host: '0.0.0.0', samples: false }));
  t.is(codeOf(error), 'BAD_REQUEST');
});

async function ask(url: string, method: string, path: string, type?: string, body?: string | Uint8Array) {
  const headers = { authorization: `Bearer ${TOKEN}`, ...(type !== undefined && { 'content-type': type }) };
  const sent = body instanceof Uint8Array ? Buffer.from(body) : body;
  const answer = await fetch(new URL(path, url), { method, headers, ...(sent !== undefined && { body: sent }) });
  const text = await answer.text();
  const parsed = answer.headers.get('content-type')?.match(/^application\/(problem\+)?json/) ? JSON.parse(text) : {};
  return { status: answer.status, body: parsed as Record<string, unknown> };
}

test('a reader who takes nothing is cut off, and costs the ledger no more than his socket holds', async (t) => {
  let read = 0;
  const events = async (from: number, count: number): Promise<LedgerEvent[]> => {
    read = from + count;
    return Array.from({ length: count }, (_, i) => {
      const leafIndex = from + i;
      return { leafIndex, leafHash: randomBytes(32), bytes: Uint8Array.of(0), blockNumber: leafIndex, time: 0 };
    });
  };
  const ledger = { events, beyond: async () => undefined } as unknown as LedgerClient;
  const limits = { heartbeatMs: 3_600_000, tickMs: 3_600_000, drainMs: 100, lifeMs: 3_600_000 };
  const server = createServer((_request, response) => {
    response.writeHead(200);
    new EventStream(response, ledger, limits).begin(0);
    response.once('close', () => server.emit('cut'));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = once(server, 'cut');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').pause();
  socket.on('error', () => undefined).write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await cut;
  const then = read;
  await new Promise((resolve) => setImmediate(resolve));
  t.is(read, then, 'nothing is read for one who is gone');
  t.true(then < 1_000_000);
  socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('streams of events are bounded, begin where it is asked, and tell alarms', async (t) => {
  const { url } = t.context.all;
  const stop = new AbortController();
  const headers = { authorization: `Bearer ${TOKEN}` };
  const openOne = () => fetch(new URL('/events', url), { headers, signal: stop.signal });
  const streams = await Promise.all(Array.from({ length: STREAMS_MAX }, openOne));
  t.true(streams.every(({ status }) => status === 200));
  t.is(streams[0]!.headers.get('content-type'), 'text/event-stream');
  t.is((await openOne()).status, 503);
  stop.abort();
  const from = { ...headers, 'last-event-id': '0' };
  const end = new AbortController();
  let answer: Response;
  // The server hears of an end a moment after it.
  do answer = await fetch(new URL('/events', url), { headers: from, signal: end.signal });
  while (answer.status === 503);
  let text = '';
  const decoder = new TextDecoder();
  for await (const part of answer.body!) {
    text += decoder.decode(part, { stream: true });
    if (/^id: 1$/m.test(text)) break;
  }
  end.abort();
  t.notRegex(text, /^id: 0$/m);
  t.regex(text, /^event: begin\ndata: \{"from":1\}$/m);

  const alarms = new Alarms();
  const heard: Alarm[] = [];
  const over = alarms.listen((alarm) => heard.push(alarm));
  const log = alarms.heardIn(silentLog);
  log.info({ code: 'BUSY' }, 'is no alarm');
  log.warn({}, 'is for the log alone');
  log.warn({ code: 'NO_QUORUM' }, 'waits');
  log.error({}, 'a fault');
  over();
  log.error({}, 'after the end');
  t.deepEqual(
    heard.map(({ level, code, text }) => [level, code, text]),
    [
      ['warn', 'NO_QUORUM', 'waits'],
      ['error', 'INTERNAL', 'a fault'],
    ],
  );
});
