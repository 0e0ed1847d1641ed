/** Every route of every server, asked by every role and by nobody; and what a token, a key and a code open together. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROUTES } from '@countersign/broker/face/access/rights';
import type { TokenView } from '@countersign/broker/face/access/tokens';
import { hotp, stepAt } from '@countersign/broker/face/access/totp';
import { STREAMS_OF_ONE_MAX } from '@countersign/broker/face/api/event-routes';
import type { CommittedView } from '@countersign/broker/face/api/views';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { approvePerson, proposePerson, revokePerson } from '@countersign/broker/face/client/people';
import { publish, registerProduct } from '@countersign/broker/face/client/releases';
import { openSession, perform, type Session, signDeed } from '@countersign/broker/face/client/session';
import { keysFolder } from '@countersign/broker/face/up/folders';
import { type RunningAll, startAll } from '@countersign/broker/face/up/start';
import { loadPerson } from '@countersign/broker/keys/people';
import {
  downloadArgs,
  enrolDevicesArgs,
  objectDigest,
  PERSON_ROLES,
  type PersonRole,
  productArgs,
  rejectArgs,
  revokeArgs,
  rolloutArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  checkStatement,
  hex,
  publicKeyOf,
  readStatement,
  type Signer,
  unhex,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { newSigner, PRODUCT } from '@countersign/simulator/attacks/server/ledger-world';
import anyTest, { type TestFn } from 'ava';
import { pino } from 'pino';
import { askRoute, issueToken, namesOf, openOf, ROWS, rowsOf, tokensOfAll, WHO } from '../support/access-table.ts';

interface Ground {
  data: string;
  all: RunningAll;
  owner: Session;
  people: Record<string, Signer>;
  tokens: Record<string, string>;
  /** What the servers complained of while they started. */
  warned: string[];
  clock: { now: number };
}

const test = anyTest as TestFn<Ground>;
const TOKEN = randomBytes(32).toString('base64url');

test.before(async (t) => {
  const data = await mkdtemp(join(tmpdir(), 'countersign-access-'));
  const warned: string[] = [];
  const warn = (_: unknown, text?: string) => void warned.push(String(text));
  const log = { debug() {}, info() {}, warn, error() {} } as never;
  const clock = { now: 1_800_000_000 };
  const folder = join(data, 'all');
  const first = [
    { name: 'operator', roles: ['operator' as const] },
    { name: 'approver', roles: ['approver' as const] },
  ];
  const all = await startAll({ data: folder, token: TOKEN, samples: false, people: first, log, now: () => clock.now });
  const owner = await openSession(apiClient(all.url, TOKEN));
  const people: Record<string, Signer> = {};
  for (const name of ['operator', 'approver']) people[name] = await loadPerson(join(folder, 'people'), name);
  t.context = { data, all, owner, people, tokens: {}, warned, clock };
  for (const name of [...PERSON_ROLES, 'leaver']) {
    if (people[name]) continue;
    people[name] = newSigner();
    const role: PersonRole = name === 'leaver' ? 'auditor' : (name as PersonRole);
    await proposePerson(owner, people.operator!, { name, roles: [role], key: publicKeyOf(people[name]) });
    await approvePerson(owner, people.approver!, name);
  }
  await registerProduct(owner, people.engineer!, PRODUCT);
  t.context.tokens = await tokensOfAll(owner);
});

test.after.always(async (t) => {
  await t.context.all?.close();
  await rm(t.context.data, { recursive: true, force: true });
});

test('every route is open to the roles that the table says, and to nobody else', async (t) => {
  const { all, tokens } = t.context;
  const rows = rowsOf('LCD');
  t.deepEqual(
    namesOf(all.routes),
    rows.map(([name]) => name).sort(),
    'a route without a row, or a row without a route',
  );
  t.deepEqual(openOf(all.routes), rows.flatMap(([name, who]) => (who === 'all' ? [name] : [])).sort());
  for (const [name, who] of rows) {
    for (const by of [...Object.keys(tokens), undefined]) {
      const { status, code } = await askRoute(all.url, name, by === undefined ? undefined : tokens[by]);
      if (who === 'all') t.not(status, 401, `${name} as ${by}`);
      else if (by === undefined) t.deepEqual([status, code], [401, 'UNAUTHORIZED'], name);
      else if ((WHO[who] as readonly string[]).includes(by))
        t.false([401, 403].includes(status), `${name} as ${by}: ${code}`);
      else t.deepEqual([status, code], [403, 'NOT_PERMITTED'], `${name} as ${by}`);
    }
    t.not((await askRoute(all.url, name, TOKEN)).code, 'UNAUTHORIZED', name);
  }
  const gated = ROWS.filter(
    ([name, , who]) => !name.startsWith('GET') && !['all', 'identity', 'session', 'signed'].includes(who),
  );
  const owned = ROWS.filter(([, , who]) => who === 'owner' || who === 'relay');
  t.deepEqual([...new Set([...gated, ...owned].map(([name]) => name))].sort(), Object.keys(ROUTES).sort());
});

async function issued({ owner }: Pick<Ground, 'owner'>, name: string, more: Parameters<typeof issueToken>[2] = {}) {
  return (await issueToken(owner, name, more)).token;
}

const ID = new Uint8Array(16).fill(7);
const LEAF = new Uint8Array(32).fill(7);
/**
 * Every action, who may do it, and what then comes of it: each is about something that does not exist, so the contract
 * has looked at it and found that. Everybody else hears NOT_PERMITTED, from the door or from the contract.
 */
const ACTIONS: [action: string, object: Uint8Array, args: Value, allowed: readonly string[], outcome: Code][] = [
  ['product', LEAF, productArgs({ ...PRODUCT, name: 'other' }), ['engineer', 'operator', 'ci'], 'BAD_STATEMENT'],
  [
    'upload',
    LEAF,
    uploadArgs({ block1: ID, manifest: ID, fileName: 'f', contentId: 'c' }),
    ['engineer', 'ci'],
    'BAD_STATEMENT',
  ],
  ['approve', LEAF, [], ['approver'], 'NOT_FOUND'],
  ['reject', LEAF, rejectArgs('why'), ['approver'], 'NOT_FOUND'],
  ['rollout', LEAF, rolloutArgs({ op: 'pause', rolloutId: ID, reason: 'why' }), ['operator'], 'BAD_STATEMENT'],
  [
    'enrol',
    LEAF,
    enrolDevicesArgs({ classId: ID, devices: [{ id: ID, key: publicKeyOf(newSigner()) }] }),
    ['operator'],
    'BAD_STATEMENT',
  ],
  ['revoke', LEAF, revokeArgs('device', ID, 'why'), ['operator'], 'BAD_STATEMENT'],
  ['revoke', LEAF, revokeArgs('person', utf8('nobody'), 'why'), ['operator', 'approver'], 'BAD_STATEMENT'],
  ['download', LEAF, downloadArgs('c', 'me'), PERSON_ROLES, 'NOT_FOUND'],
  ['confirm', LEAF, [], [], 'NOT_PERMITTED'],
  // Its arguments are read before anything is looked up.
  ['issueKey', LEAF, [], ['operator', 'approver'], 'MALFORMED'],
];

test('a token brings what its scope and its person’s roles allow, signed by that person and by nobody else', async (t) => {
  const { all, people, tokens } = t.context;
  for (const [action, object, args, allowed, outcome] of ACTIONS) {
    const deed = { action, object, args, previous: '0'.repeat(64) } as never;
    const expected = (by: string) => (allowed.includes(by) ? outcome : 'NOT_PERMITTED');
    for (const role of PERSON_ROLES) {
      const session = await openSession(apiClient(all.url, tokens[role]));
      t.is(await codeFrom(perform(session, people[role]!, deed)), expected(role), `${action} as ${role}`);
      const other = role === 'engineer' ? 'operator' : 'engineer';
      t.is(await codeFrom(perform(session, people[other]!, deed)), 'NOT_PERMITTED', `${action}, signed by another`);
    }
    const machine = await openSession(apiClient(all.url, tokens.ci));
    t.is(await codeFrom(perform(machine, people.engineer!, deed)), expected('ci'), `${action} as ci`);
  }
});

test('a token for one product opens no other', async (t) => {
  const { all, people, owner } = t.context;
  const token = await issued(t.context, 'operator', { products: ['node'] });
  const session = await openSession(apiClient(all.url, token));
  const product = { ...PRODUCT, name: 'elsewhere' };
  t.is(await codeFrom(registerProduct(session, people.operator!, product)), 'NOT_PERMITTED');
  await registerProduct(owner, people.operator!, product);
  const classes = (await owner.api.get('/api/v1/products')) as { name: string; classId: string }[];
  const classOf = (name: string) => unhex(classes.find((one) => one.name === name)!.classId)!;
  const enrol = (name: string, id: number) => {
    const devices = [{ id: new Uint8Array(16).fill(id), key: publicKeyOf(newSigner()) }];
    const object = objectDigest(owner.verifier.sha256, 'devices', classOf(name));
    return perform(session, people.operator!, {
      action: 'enrol',
      object,
      args: enrolDevicesArgs({ classId: classOf(name), devices }),
    });
  };
  t.is(await codeFrom(enrol('elsewhere', 1)), 'NOT_PERMITTED');
  t.is(await codeFrom(enrol('node', 2)), undefined);
  t.is(
    await codeFrom(revokePerson(session, people.operator!, 'leaver', 'why')),
    'NOT_PERMITTED',
    'people are no product’s',
  );
  // What is no statement: labels decide who is in a group that gets a release first.
  const others = { id: new Uint8Array(16).fill(3), key: publicKeyOf(newSigner()) };
  await perform(owner, people.operator!, {
    action: 'enrol',
    object: objectDigest(owner.verifier.sha256, 'devices', classOf('elsewhere')),
    args: enrolDevicesArgs({ classId: classOf('elsewhere'), devices: [others] }),
  });
  const label = (...ids: number[]) => {
    const devices = ids.map((id) => ({ deviceId: `0${id}`.repeat(16), labels: { site: 'north' } }));
    return codeFrom(session.api.post('/api/v1/devices/labels', { devices }));
  };
  t.is(await label(2), undefined);
  for (const ids of [[3], [2, 3], [9]]) t.is(await label(...ids), 'NOT_PERMITTED', String(ids));
  const command = (id: string) => codeFrom(session.api.post(`/api/v1/devices/${id}/commands`, { command: 'ask' }));
  t.is(await command('02'.repeat(16)), undefined);
  for (const id of ['03'.repeat(16), '03030303']) t.is(await command(id), 'NOT_PERMITTED', id);
  t.is(await command('09'.repeat(16)), 'NOT_FOUND');
  const prepare = (name: string) =>
    codeFrom(
      session.api.post(
        `/api/v1/releases/prepare?product=${name}&version=1.0.0&fileName=a.bin`,
        new Uint8Array(PRODUCT.slotBytes + 1),
      ),
    );
  t.is(await prepare('elsewhere'), 'NOT_PERMITTED');
  t.is(await prepare(Buffer.from(classOf('elsewhere')).toString('hex')), 'NOT_PERMITTED');
  t.not(await prepare('node'), 'NOT_PERMITTED', 'too large for its slot, and that is all');
});

test('a stolen session ends with its token, and with its person', async (t) => {
  const { all, owner, people } = t.context;
  const token = await issued(t.context, 'auditor', { scopes: ['read'] });
  const thief = apiClient(all.url, token);
  await thief.get('/api/v1/people');
  t.is(await codeFrom(thief.post('/api/v1/transactions', new Uint8Array(9))), 'NOT_PERMITTED');
  const streams = await Promise.all(Array.from({ length: STREAMS_OF_ONE_MAX }, () => openEvents(all.url, token)));
  t.true(streams.every(({ status }) => status === 200));
  t.is((await openEvents(all.url, token)).status, 503, 'one token does not take the streams of all');
  const list = (await owner.api.get('/api/v1/tokens')) as TokenView[];
  const { id } = list.filter(({ name }) => name === 'auditor').at(-1)!;
  await owner.api.post(`/api/v1/tokens/${id}/revoke`, {});
  t.is(await codeFrom(thief.get('/api/v1/people')), 'UNAUTHORIZED');
  await Promise.all(streams.map(({ over }) => over));

  const leaverToken = await issued(t.context, 'leaver');
  const leaver = apiClient(all.url, leaverToken);
  await leaver.get('/api/v1/people');
  const left = await openEvents(all.url, leaverToken);
  t.is(left.status, 200);
  await revokePerson(owner, people.operator!, 'leaver', 'gone');
  await approvePerson(owner, people.approver!, 'leaver');
  t.is(await codeFrom(leaver.get('/api/v1/people')), 'UNAUTHORIZED');
  t.is(await codeFrom(issued(t.context, 'leaver')), 'REVOKED');
  await left.over;
});

/** A stream of events, and its end, which the server makes by cutting the connection. */
async function openEvents(url: string, token: string): Promise<{ status: number; over: Promise<void> }> {
  const { status, body } = await fetch(new URL('/events', url), { headers: { authorization: `Bearer ${token}` } });
  const drain = async () => {
    for await (const _ of body!);
  };
  return { status, over: drain().catch(() => undefined) };
}

test.serial(
  'with a second factor, key and token together approve nothing: whoever has them needs a code, once each',
  async (t) => {
    const { all, people, owner, clock } = t.context;
    // A person of his own, so that others of these tests need no codes.
    const name = 'careful';
    people[name] = newSigner();
    await proposePerson(owner, people.operator!, {
      name,
      roles: ['approver', 'operator'],
      key: publicKeyOf(people[name]),
    });
    await approvePerson(owner, people.approver!, name);
    const { uri } = (await owner.api.post(`/api/v1/people/${name}/totp`, {})) as { uri: string };
    const secret = fromBase32(new URL(uri).searchParams.get('secret')!);
    const token = await issued(t.context, name);
    const now = () => hotp(secret, stepAt(clock.now));
    const propose = async (who: string, given: string | undefined, key = people[name]!, by = token) => {
      const session = await openSession(apiClient(all.url, by, given));
      return codeFrom(proposePerson(session, key, { name: who, roles: ['auditor'], key: publicKeyOf(newSigner()) }));
    };
    t.is(await propose('one', undefined), 'BAD_FACTOR');
    t.is(
      await propose('one', undefined, people[name]!, TOKEN),
      'BAD_FACTOR',
      'the folder’s own token does not stand for it',
    );
    t.is(await propose('one', '12 456'), 'BAD_FACTOR');
    t.is(await propose('one', now()), undefined);
    t.is(await propose('two', now()), 'FACTOR_USED');
    clock.now -= 120;
    t.is(await propose('two', now()), 'FACTOR_USED', 'the clock was turned back');
    clock.now += 150;
    t.is(await propose('two', now()), undefined);
    // Without his key nobody uses up his tries.
    for (let i = 0; i < 8; i++) t.is(await propose('two', '000000', newSigner(), TOKEN), 'UNKNOWN_KEY');
    clock.now += 30;
    t.is(await propose('three', now()), undefined);
    const wrong = now() === '123456' ? '654321' : '123456';
    for (let i = 0; i < 5; i++) t.is(await propose('four', wrong), 'BAD_FACTOR');
    clock.now += 30;
    t.is(await propose('four', now()), 'LOCKED_OUT');
    const others = await openSession(apiClient(all.url, TOKEN));
    const five = { name: 'five', roles: ['auditor' as const], key: publicKeyOf(newSigner()) };
    t.is(await codeFrom(proposePerson(others, people.operator!, five)), undefined);
  },
);

test('what a failing signing command says is in the log, and no client is told', async (t) => {
  const data = join(t.context.data, 'kms');
  const keys = keysFolder(data, 'collection');
  await mkdir(keys, { recursive: true });
  const script = join(data, 'kms');
  await writeFile(script, '#!/bin/sh\necho account 4711 in vault secret-path is locked >&2\nexit 3\n', { mode: 0o700 });
  const { publicKey } = newSigner();
  const file = { format: 'countersign-key-command-1', role: 'collection', alg: -19, publicKey: hex(publicKey) };
  await writeFile(join(keys, 'collection.key'), JSON.stringify({ ...file, command: [script] }), { mode: 0o600 });
  const lines: string[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) });
  const all = await startAll({ data, token: TOKEN, samples: false, log });
  try {
    const session = await openSession(apiClient(all.url, TOKEN));
    const engineer = await loadPerson(join(data, 'people'), 'engineer');
    await registerProduct(session, engineer, PRODUCT);
    const path = '/api/v1/releases/prepare?product=node&version=1.0.0&fileName=node.bin';
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/octet-stream' };
    const answer = await fetch(new URL(path, all.url), { method: 'POST', headers, body: randomBytes(2000) });
    const text = await answer.text();
    const { code, detail } = JSON.parse(text) as { code: Code; detail: string };
    t.deepEqual([answer.status, code], [502, 'UNREACHABLE']);
    t.regex(detail, /failed with exit 3/);
    t.notRegex(text, /4711|vault|kms/);
    const logged = lines.filter((line) => line.includes('"path":"/api/v1/releases/prepare"'));
    t.is(logged.length, 1);
    t.regex(logged[0]!, /account 4711 in vault secret-path is locked/);
  } finally {
    await all.close();
  }
});

/** What comes of each route that takes something: an entry by the person who sent it, or the reason why not. */
const LEAVES: Record<string, 'entry' | { none: string }> = {
  'POST /api/v1/transactions': 'entry',
  'POST /api/v1/ledger/transactions': 'entry',
  'POST /api/v1/releases': 'entry',
  'POST /api/v1/releases/prepare': {
    none: 'blobs by their digests, and a signature of the server; the upload is the entry',
  },
  'POST /api/v1/rollouts/plan': { none: 'only computes' },
  'POST /api/v1/devices/labels': { none: 'names and owners live outside the ledger' },
  'POST /api/v1/devices/:name/commands': { none: 'asks one device to ask; decides nothing' },
  'POST /api/v1/grants/:id/list': { none: 'serials live outside the ledger; their root is an entry already' },
  'POST /api/v1/passports': { none: 'a document that a `passport` entry names already' },
  'POST /api/v1/ledger/cosignatures': { none: 'a peer’s signature over a head' },
  'POST /api/v1/tokens': { none: 'opens doors, decides nothing' },
  'POST /api/v1/tokens/:id/revoke': { none: 'the same' },
  'POST /api/v1/people/:name/totp': { none: 'the same' },
};

test('whatever people change through a route is an entry that they signed', async (t) => {
  const { all, owner, people, tokens } = t.context;
  const taking = all.routes.filter(({ method, open }) => !open && method !== 'GET' && method !== 'HEAD');
  t.deepEqual(taking.map(({ method, url }) => `${method} ${url}`).sort(), Object.keys(LEAVES).sort());

  const { sha256 } = owner.verifier;
  const session = await openSession(apiClient(all.url, tokens.engineer));
  const newProduct = async (name: string, path: string) => {
    const id = classId(vendorId(PRODUCT.vendorDomain), name);
    const deed = {
      action: 'product',
      object: objectDigest(sha256, 'product', id),
      args: productArgs({ ...PRODUCT, name }),
    };
    const statement = await signDeed(session, people.engineer!, deed as never);
    return (await session.api.post(path, statement)) as CommittedView;
  };
  const image = randomBytes(2000);
  const order = {
    product: 'node',
    version: '1.0.0',
    fileName: 'node.bin',
    policy: { mandatory: true, log: true, reboot: true, downgrade: false },
  };
  const made: Record<string, () => Promise<CommittedView>> = {
    'POST /api/v1/transactions': () => newProduct('third', '/api/v1/transactions'),
    'POST /api/v1/ledger/transactions': () => newProduct('fourth', '/api/v1/ledger/transactions'),
    'POST /api/v1/releases': () => publish(session, people.engineer!, new Uint8Array(image), order),
  };
  t.deepEqual(
    Object.keys(made).sort(),
    Object.keys(LEAVES)
      .filter((route) => LEAVES[route] === 'entry')
      .sort(),
  );
  for (const [route, make] of Object.entries(made)) {
    const { leafHash } = await make();
    const { entry } = (await owner.api.get(`/api/v1/entries/${leafHash}`)) as { entry: string };
    const statement = readStatement(unhex(entry)!, 'tx');
    t.notThrows(() => checkStatement(owner.verifier, statement, publicKeyOf(people.engineer!)), route);
  }
});

function fromBase32(text: string): Uint8Array {
  const bits = [...text]
    .map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'))
    .join('');
  return Uint8Array.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

async function codeFrom(work: Promise<unknown>): Promise<Code | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => codeOf(error),
  );
}
