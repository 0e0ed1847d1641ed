/**
 * The API of a real server process whose fleet updates, and which is killed twice meanwhile: its events, figures, proofs
 * and shapes, each against something that the API does not say of itself.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { followEvents, type ServerEvent } from '@countersign/broker/face/client/events';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { clientTokenPath } from '@countersign/broker/face/up/folders';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import { type BrokerProcess, startBroker } from '@countersign/simulator/scenario/broker-process';
import { firstPeople, open, type People, release } from '@countersign/simulator/scenario/people';
import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js';
import test, { type ExecutionContext } from 'ava';
import { run } from '../support/command.ts';
import { builtFleet, PRODUCT } from '../support/fleet-world.ts';

const DEVICES = 4;
const ARRIVED_MS_MAX = 180_000;

interface World {
  t: ExecutionContext;
  data: string;
  url: string;
  token: string;
  session: Session;
  people: People;
  fleet: Awaited<ReturnType<typeof builtFleet>>;
}

test('events, figures, proofs and shapes of a server that is killed while its fleet updates', async (t) => {
  t.timeout(600_000);
  const data = await mkdtemp(join(tmpdir(), 'countersign-api-'));
  let broker: BrokerProcess = await startBroker({ data });
  const { url } = broker;
  const token = (await readFile(clientTokenPath(data), 'utf8')).trim();
  const session = await openSession(apiClient(url, token));
  const people = await firstPeople(data);
  const fleet = await builtFleet(session, people, { devices: DEVICES, askSeconds: 3 });
  const w: World = { t, data, url, token, session, people, fleet };
  const watched = watch(w);
  try {
    await fleet.switchOn();
    t.true(await fleet.until(() => fleet.devices.every((device) => device.connected), ARRIVED_MS_MAX));
    const first = await roll(w, '1.0.1');
    for (const reached of [1, 2]) {
      await watched.until((seen) => seen.filter(({ event }) => event === 'report').length >= reached);
      await broker.kill();
      broker = await startBroker({ data });
      t.is(broker.url, url, 'it comes back where it was');
    }
    await arrived(w, first);
    const second = await figuresAgree(w);
    // Progress is of the moment: only of a rollout without a kill is the last of it certain to be heard.
    await watched.until((seen) => seen.some(({ data }) => data.rolloutId === second && data.updated === DEVICES));
    await eventsAgree(w, watched.seen);
    await proofsHold(w);
    await shapesAgree(w, first);
    await commandFollows(w);
  } finally {
    watched.stop();
    await fleet.switchOff();
    await broker.kill();
    await rm(data, { recursive: true, force: true });
  }
});

/** Follows from the first entry, over all the connections that break. */
function watch({ url, token }: Pick<World, 'url' | 'token'>) {
  const seen: ServerEvent[] = [];
  const stop = new AbortController();
  const waiting = new Set<() => void>();
  let failure: unknown;
  const following = (async () => {
    for await (const event of followEvents({ url, token, from: 0, signal: stop.signal })) {
      seen.push(event);
      for (const look of waiting) look();
    }
  })().catch((error: unknown) => {
    failure = error;
    for (const look of waiting) look();
  });
  return {
    seen,
    async until(holds: (seen: ServerEvent[]) => boolean): Promise<void> {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`not in ${seen.length} events`)), ARRIVED_MS_MAX);
        const look = () => {
          if (failure === undefined && !holds(seen)) return;
          clearTimeout(timer);
          waiting.delete(look);
          failure === undefined ? resolve() : reject(failure);
        };
        waiting.add(look);
        look();
      });
    },
    stop() {
      stop.abort();
      return following;
    },
  };
}

async function roll({ session, people }: World, version: string): Promise<string> {
  const { releaseLeaf } = await release(session, people, PRODUCT, version);
  return (await open(session, people, releaseLeaf, { waves: [{ percent: 100 }], jitterSeconds: 2 })).rolloutId;
}

/** Until the ledger has every device's word, and the devices theirs. */
async function arrived({ t, session, fleet }: World, rolloutId: string): Promise<void> {
  t.true(await fleet.until(() => fleet.devices.every(({ idle }) => idle), ARRIVED_MS_MAX));
  const end = Date.now() + ARRIVED_MS_MAX;
  for (;;) {
    const { totals } = (await session.api.get(`/api/v1/rollouts/${rolloutId}`)) as { totals: { updated: number } };
    if (totals.updated === DEVICES || Date.now() > end) {
      t.is(totals.updated, DEVICES);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function get({ url, token }: World, path: string): Promise<Response> {
  return fetch(new URL(path, url), { headers: { authorization: `Bearer ${token}` } });
}

type Figures = (series: string) => number;

async function figures(w: World): Promise<{ text: string; value: Figures }> {
  const text = await (await get(w, '/metrics')).text();
  const lines = new Map(text.split('\n').map((line) => line.split(/ (?=\S+$)/) as [string, string]));
  return { text, value: (series) => Number(lines.get(`countersign_${series}`)) };
}

/** Before and after a second update: what grew is what the ledger and the devices say. */
async function figuresAgree(w: World): Promise<string> {
  const { t, session, fleet, data } = w;
  const before = await figures(w);
  const reportsBefore = await entriesOf(w, 'report');
  for (let i = 0; i < 5; i++) await fetch(new URL('/api/v1/people', w.url));
  const rolloutId = await roll(w, '1.1.0');
  await arrived(w, rolloutId);
  // The counts of rollouts are kept for some seconds: asked until they are of now.
  let after = await figures(w);
  const end = Date.now() + ARRIVED_MS_MAX;
  const settled = ({ value }: typeof after) =>
    value(`rollout_devices{rollout="${rolloutId}",state="updated"}`) === DEVICES &&
    value('mqtt_sessions') === DEVICES + 1;
  while (!settled(after) && Date.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    after = await figures(w);
  }
  const grown = (series: string) => after.value(series) - (before.value(series) || 0);
  t.is(grown('reports_total{result="logged"}'), (await entriesOf(w, 'report')) - reportsBefore);
  t.true(grown('reports_total{result="logged"}') >= DEVICES);
  t.is(grown('refusals_total{where="api",code="UNAUTHORIZED"}'), 5);
  const { size } = (await session.api.get('/api/v1/head')) as { size: number };
  t.is(after.value('ledger_entries'), size);
  t.is(after.value('ledger_published_entries'), size);
  const rollouts = (await session.api.get('/api/v1/rollouts')) as RolloutView[];
  for (const state of ['open', 'paused', 'planned', 'aborted'])
    t.is(after.value(`rollouts{state="${state}"}`), rollouts.filter((one) => one.state === state).length, state);
  for (const state of ['waiting', 'trial', 'reverted', 'refused'])
    t.is(after.value(`rollout_devices{rollout="${rolloutId}",state="${state}"}`), 0, state);
  // Each device has a connection of its own, and the distribution server one.
  t.is(after.value('mqtt_sessions'), DEVICES + 1);
  t.true(grown('frame_bytes_sent_total') > 0);
  // What is stored is counted once a minute, so it is at most what lies there now.
  const stored = await bytesIn(join(data, 'collection', 'blobs'));
  t.true(after.value('content_bytes{kind="blobs"}') > 0 && after.value('content_bytes{kind="blobs"}') <= stored);
  for (const { deviceId } of (await session.api.get('/api/v1/devices')) as { deviceId: string }[])
    t.false(after.text.includes(deviceId.slice(0, 12)), 'no label names a device');
  t.is(fleet.devices.length, DEVICES);
  return rolloutId;
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(names.map((name) => stat(join(folder, name))));
  return sizes.reduce((sum, found) => sum + (found.isFile() ? found.size : 0), 0);
}

/** Every entry of the ledger as the API of the ledger gives it. */
async function entries({ session }: World): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for (;;) {
    const { entries } = (await session.api.get(`/api/v1/ledger/entries?from=${all.length}&count=1000`)) as {
      entries: string[];
    };
    if (entries.length === 0) return all;
    all.push(...entries.map((entry) => Buffer.from(entry, 'hex')));
  }
}

/** A protected type stands in each statement as text (FORMAT, statements). */
async function entriesOf(w: World, kind: string): Promise<number> {
  const marked = (await entries(w)).filter((entry) => entry.includes(`application/countersign-${kind}`));
  return marked.length;
}

/** No position is missing and none comes twice, though the server died twice; each names the leaf that stands there. */
async function eventsAgree(w: World, seen: readonly ServerEvent[]): Promise<void> {
  const { t } = w;
  const all = await entries(w);
  const known = seen.filter(({ id }) => id !== undefined && id < all.length);
  t.deepEqual(
    known.map(({ id }) => id),
    all.map((_, i) => i),
  );
  for (const { id, data } of known) t.is(data.leafHash, leafHash(all[id!]!), `entry ${id}`);
  const kinds = new Set(known.map(({ event }) => event));
  for (const kind of ['transaction', 'release', 'rollout', 'report', 'root']) t.true(kinds.has(kind), kind);
  t.false(kinds.has('entry'), 'each entry is understood');
  const moments = new Set(seen.filter(({ id }) => id === undefined).map(({ event }) => event));
  for (const kind of ['begin', 'head', 'progress']) t.true(moments.has(kind), kind);
}

function leafHash(entry: Buffer): string {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest('hex');
}

interface Proof {
  leafHash: string;
  leafIndex: number;
  size: number;
  path: string[];
  head: { root: string };
  receipt: string;
}

/** RFC 9162 section 2.1.3.2, in a few lines that share nothing with ours. */
function climb({ leafIndex, size, path }: Proof, leaf: Buffer): string {
  let [fn, sn, hash] = [leafIndex, size - 1, leaf];
  const node = (...parts: Buffer[]) =>
    createHash('sha256')
      .update(Buffer.concat([Buffer.of(1), ...parts]))
      .digest();
  for (const sibling of path.map((text) => Buffer.from(text, 'hex'))) {
    if (fn % 2 === 1 || fn === sn) {
      hash = node(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else hash = node(hash, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? hash.toString('hex') : 'the path is too short';
}

async function proofsHold(w: World): Promise<void> {
  const { t } = w;
  const all = await entries(w);
  for (const [index, entry] of all.entries()) {
    const proof = (await (await get(w, `/proof/${leafHash(entry)}`)).json()) as Proof;
    t.is(proof.leafIndex, index);
    t.is(climb(proof, Buffer.from(leafHash(entry), 'hex')), proof.head.root, `entry ${index}`);
    const other = Buffer.from(leafHash(Buffer.concat([entry, Buffer.of(0)])), 'hex');
    t.not(climb(proof, other), proof.head.root);
  }
  const leaf = leafHash(all[0]!);
  const bytes = Buffer.from(await (await get(w, `/proof/${leaf}/receipt`)).arrayBuffer());
  t.is(bytes.toString('hex'), ((await (await get(w, `/proof/${leaf}`)).json()) as Proof).receipt);
  t.is((await get(w, `/proof/${'0'.repeat(64)}`)).status, 404);
}

/** As much of an OpenAPI document as is looked at. */
interface Document {
  paths: Record<string, { get?: { responses: Record<string, { content?: Record<string, unknown> }> } }>;
}

/** Live answers against the document: no field is missing, and none is there that it does not name. */
async function shapesAgree(w: World, rolloutId: string): Promise<void> {
  const { t, session, url } = w;
  const document = (await (await fetch(new URL('/openapi.json', url))).json()) as Document;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(closed(document) as AnySchemaObject, 'api');
  const [product] = (await session.api.get('/api/v1/products')) as { classId: string }[];
  const [device] = (await session.api.get('/api/v1/devices')) as { deviceId: string }[];
  const { releaseLeaf } = (await session.api.get(`/api/v1/rollouts/${rolloutId}`)) as RolloutView;
  const leaf = leafHash((await entries(w))[0]!);
  const paths = [
    ...['/healthz', '/api/v1/endpoints', '/api/v1/head', '/api/v1/products', `/api/v1/products/${PRODUCT}`],
    ...[
      '/api/v1/releases',
      `/api/v1/releases/${releaseLeaf}`,
      `/api/v1/releases/${releaseLeaf}/applies`,
      `/api/v1/releases?product=${PRODUCT}`,
    ],
    ...['/api/v1/people', '/api/v1/people/engineer', '/api/v1/devices', `/api/v1/devices/${device!.deviceId}`],
    ...['/api/v1/rollouts', `/api/v1/rollouts/${rolloutId}`, `/api/v1/rollouts/${rolloutId}/progress`],
    ...[`/api/v1/history/${rolloutId}`, `/api/v1/history/${PRODUCT}`, `/api/v1/entries/${leaf}`],
    ...['/api/v1/trust-roots', `/api/v1/previous/${leaf}`, '/api/v1/distribution'],
    ...['/api/v1/ledger/head', `/api/v1/ledger/receipts/${leaf}`, `/api/v1/ledger/announcements/${product!.classId}`],
    ...['/api/v1/ledger/consistency?from=1&to=2', '/api/v1/ledger/entries?from=0&count=3'],
    ...[`/api/v1/ledger/entries/${leaf}`, '/api/v1/ledger/roots?from=1', '/api/v1/ledger/follow?from=0&wait=0'],
    ...['/api/v1/ledger/queries/listPeople', `/api/v1/ledger/queries/getDevice?arg=${device!.deviceId}`],
    ...['/api/v1/ledger/quorum', '/api/v1/ledger/files', `/proof/${leaf}`],
    ...['/api/v1/grants', '/api/v1/issued-keys', '/api/v1/tokens'],
  ];
  const asked = new Set<string>();
  const wrong: string[] = [];
  for (const path of paths) {
    const template = templateOf(document, path);
    asked.add(template);
    const answer = await get(w, path);
    t.is(answer.status, 200, path);
    const place = `api#/paths/${pointer(template)}/get/responses/200/content/application~1json/schema`;
    const good = ajv.validate({ $ref: place }, await answer.json());
    if (!good) wrong.push(`${path}: ${JSON.stringify(ajv.errors?.slice(0, 3))}`);
  }
  t.deepEqual(wrong, []);
  const labels = { devices: [{ deviceId: device!.deviceId, labels: { site: 'x' } }] };
  const schemaOf = (path: string) => `api#/paths/${pointer(path)}/post/responses/200/content/application~1json/schema`;
  const posted = await session.api.post('/api/v1/devices/labels', labels);
  t.true(ajv.validate({ $ref: schemaOf('/api/v1/devices/labels') }, posted), JSON.stringify(ajv.errors));
  const plan = await session.api.post('/api/v1/rollouts/plan', { release: releaseLeaf, waves: [{ percent: 100 }] });
  t.true(ajv.validate({ $ref: schemaOf('/api/v1/rollouts/plan') }, plan), JSON.stringify(ajv.errors));
  const problem = (await (await get(w, '/api/v1/releases/nothing@1')).json()) as unknown;
  t.true(ajv.validate({ $ref: 'api#/components/schemas/Problem' }, problem), JSON.stringify(ajv.errors));
  // What has no JSON here: no trial and no passport was made, and the document says of itself only that it is an object.
  const left = Object.entries(document.paths)
    .filter(([path, item]) => item.get?.responses[200]?.content?.['application/json'] && !asked.has(path))
    .map(([path]) => path);
  const known = ['/api/v1/passports/device/{name}', '/api/v1/passports/product/{name}', '/api/v1/trials/{name}'];
  t.deepEqual(left.sort(), [...known, '/openapi.json']);
}

/** With nothing allowed that is not named. */
function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== 'object' || part === null) return part;
  const inner: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(part)) inner[name] = closed(value);
  const open = inner.type === 'object' && inner.properties && inner.additionalProperties === undefined;
  return open ? { ...inner, additionalProperties: false } : inner;
}

function templateOf(document: Document, address: string): string {
  const [path] = address.split('?');
  if (document.paths[path!]) return path!;
  const fits = (template: string) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path!);
  return Object.keys(document.paths).find(fits)!;
}

function pointer(path: string): string {
  return encodeURIComponent(path.replaceAll('~', '~0').replaceAll('/', '~1'));
}

async function commandFollows({ t, data }: World): Promise<void> {
  const { code, stdout } = await run('events', '--data', data, '--from', '2', '--count', '3', '--json');
  t.is(code, 0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ServerEvent);
  t.deepEqual(
    lines.filter(({ id }) => id !== undefined).map(({ id }) => id),
    [2, 3, 4],
  );
  t.is((await run('events', '--data', data, '--from', 'x')).code, 2);
  t.is((await run('events', '--data', data, '--from', '999999')).code, 1);
}
