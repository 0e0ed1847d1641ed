/** Servers that run alone, a peer, a key generation centre: each route of their own routers, asked by everybody and with everything. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ShownRoute } from '@countersign/broker/face/access/guard';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices, revokeDevice } from '@countersign/broker/face/client/devices';
import { approvePerson, proposePerson, revokePerson } from '@countersign/broker/face/client/people';
import { registerProduct } from '@countersign/broker/face/client/releases';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { openServerKeys, serverKeys } from '@countersign/broker/face/up/identities';
import { identitiesFolder, type RunningKgc, startKgc } from '@countersign/broker/face/up/kgc';
import type { Running } from '@countersign/broker/face/up/parts';
import { type RunningPeer, startPeer } from '@countersign/broker/face/up/peer';
import { startCollectionServer, startDistributionServer, startLedgerServer } from '@countersign/broker/face/up/start';
import { listIdentity } from '@countersign/broker/keys/kgc/list';
import { loadPerson } from '@countersign/broker/keys/people';
import { PERSON_ROLES, type PersonRole } from '@countersign/broker/ledger/contract/args';
import { compressed } from '@countersign/device-sdk/crypto/p256-point';
import { ALG_ESP256, hex, loginValue, publicKeyOf, type Signer, signStatement } from '@countersign/device-sdk/format';
import { generateKeyPair, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readSession } from '@countersign/device-sdk/host/http-format';
import { newSigner, PRODUCT } from '@countersign/simulator/attacks/server/ledger-world';
import anyTest, { type TestFn } from 'ava';
import {
  type Asked,
  askRoute,
  issueToken,
  namesOf,
  openOf,
  rowsOf,
  type Server,
  tokensOfAll,
  WHO,
} from '../support/access-table.ts';

interface Alone {
  server: Server;
  running: Running;
  /** The folder's own token. */
  owner: string;
  /** One of each role, and of two machines. */
  tokens: Record<string, string>;
  /** Tokens that were good once, of this server. */
  over: { expired: string; revoked: string; leaver: string };
}

interface Device {
  id: Uint8Array;
  signer: Signer;
  session: string;
}

interface Ground {
  servers: Alone[];
  kgc: RunningKgc;
  /** Opens the one identity on the centre's list. */
  identity: string;
  devices: Device[];
  ledger: Session;
  operator: Signer;
  close: (() => Promise<unknown>)[];
}

const test = anyTest as TestFn<Ground>;
const DAY = 86_400;
const { sha256 } = nodeVerifier();
const newToken = () => randomBytes(32).toString('base64url');
const C1 = { role: 'collection', name: 'c1', epoch: 1 } as const;

test.before(async (t) => {
  t.timeout(600_000);
  const data = await mkdtemp(join(tmpdir(), 'countersign-alone-'));
  const close: Ground['close'] = [() => rm(data, { recursive: true, force: true })];
  t.context = { close } as Ground;
  const at = (name: string) => join(data, name);
  const clock = { now: 1_800_000_000 };
  const now = () => clock.now;
  const keep = <T extends { close(): Promise<void> }>(running: T): T => {
    close.unshift(() => running.close());
    return running;
  };
  const keys = [];
  for (const server of ['collection', 'distribution'] as const)
    keys.push(serverKeys(server, await openServerKeys(at(server), server, { create: true })));
  const owners = { L: newToken(), C: newToken(), D: newToken(), P: newToken() };

  const ledgerOptions = { data: at('ledger'), serverKeys: keys, token: owners.L, now };
  const ledger = keep(await startLedgerServer(ledgerOptions));
  const trustRoot = new Uint8Array(await readFile(join(at('ledger'), 'trust-root.cbor')));
  const toLedger = { url: ledger.url, token: owners.L };
  const more = { ledger: toLedger, trustRoot, now };
  const collection = keep(await startCollectionServer({ data: at('collection'), token: owners.C, ...more }));
  const distribution = keep(
    await startDistributionServer({
      ...{ data: at('distribution'), token: owners.D, ...more, devicePort: 0 },
      collection: { url: collection.url, token: owners.C },
    }),
  );
  const peer = keep(await startPeer({ data: at('peer'), token: owners.P, follow: [toLedger], trustRoot, now }));
  const kgc = keep(await startKgc({ data: at('kgc') }));
  const identity = await listIdentity(identitiesFolder(at('kgc')), C1);

  const session = await openSession(apiClient(ledger.url, owners.L));
  const people: Record<string, Signer> = {};
  for (const name of ['engineer', 'approver', 'operator'])
    people[name] = await loadPerson(join(at('ledger'), 'people'), name);
  const { operator, approver } = people as { operator: Signer; approver: Signer };
  for (const name of [...PERSON_ROLES, 'leaver'].filter((known) => !people[known])) {
    const role: PersonRole = name === 'leaver' ? 'auditor' : (name as PersonRole);
    await proposePerson(session, operator, { name, roles: [role], key: publicKeyOf(newSigner()) });
    await approvePerson(session, approver, name);
  }
  await registerProduct(session, people.engineer!, PRODUCT);
  const devices = await enrolledDevices(session, operator, distribution);
  await caughtUp(session, peer);

  const servers: Alone[] = [];
  for (const [server, running] of [
    ['L', ledger],
    ['C', collection],
    ['D', distribution],
    ['P', peer],
  ] as const) {
    const own = { api: apiClient(running.url, owners[server]) };
    const expired = (await issueToken(own, 'auditor', { days: 1 })).token;
    const leaver = (await issueToken(own, 'leaver')).token;
    const { token: revoked, id } = await issueToken(own, 'auditor');
    await own.api.post(`/api/v1/tokens/${id}/revoke`, {});
    const tokens = await tokensOfAll(own);
    servers.push({ server, running, owner: owners[server], tokens, over: { expired, revoked, leaver } });
  }
  await revokePerson(session, operator, 'leaver', 'gone');
  await approvePerson(session, approver, 'leaver');
  await caughtUp(session, peer);
  clock.now += 2 * DAY;
  Object.assign(t.context, { servers, kgc, identity, devices, ledger: session, operator });
});

test.after.always(async (t) => {
  for (const close of t.context.close ?? []) await close();
});

/** The peer's own copy has everything that is on the record now. */
async function caughtUp({ api }: Session, { peer }: RunningPeer): Promise<void> {
  const { head } = (await api.get('/api/v1/ledger/head')) as { head: { size: number } };
  await peer.ledger.beyond(head.size - 1, 120_000);
}

/** Three devices, each with a session at the address for devices. */
async function enrolledDevices(session: Session, operator: Signer, { endpoints }: Running): Promise<Device[]> {
  const made = Array.from({ length: 3 }, () => ({ id: new Uint8Array(randomBytes(16)), signer: newSigner() }));
  const listed = made.map(({ id, signer }) => ({ id, key: publicKeyOf(signer) }));
  await enrolDevices(session, operator, PRODUCT.name, listed);
  const devices: Device[] = [];
  for (const { id, signer } of made) {
    const login = loginValue({ deviceId: id, brokerId: endpoints.brokerId!, counter: 1 });
    const body = await signStatement(sha256, 'login', login, signer);
    const path = `/ota/v1/d/${hex(id)}/login`;
    const answer = await fetch(new URL(path, endpoints.devices!), { method: 'POST', body: new Uint8Array(body) });
    if (!answer.ok) throw new Error(await answer.text());
    const { token } = readSession(new Uint8Array(await answer.arrayBuffer()));
    devices.push({ id, signer, session: hex(token) });
  }
  return devices;
}

/** Whatever opens something somewhere, and nothing here. */
function strangersAt(
  { servers, identity, devices }: Ground,
  here: Alone | undefined,
): [what: string, token?: string][] {
  const elsewhere = servers.filter((one) => one !== here);
  return [
    ['nobody'],
    ['a word', 'x'],
    ['a token that was never made', newToken()],
    ...elsewhere.map(({ server, owner }): [string, string] => [`the own token of ${server}`, owner]),
    ...elsewhere.map(({ server, tokens }): [string, string] => [`the operator's token of ${server}`, tokens.operator!]),
    ...elsewhere.map(({ server, tokens }): [string, string] => [`the relay token of ${server}`, tokens.server!]),
    ["a device's session", devices[0]!.session],
    ['the token of an identity at the centre', identity],
  ];
}

const sorted = (rows: readonly (readonly [string, unknown])[]) => rows.map(([name]) => name).sort();

for (const server of ['L', 'C', 'D', 'P'] as const) {
  test(`server ${server} alone: each route of its router is open to whom the table says, and to nobody else`, async (t) => {
    t.timeout(600_000);
    const here = t.context.servers.find((one) => one.server === server)!;
    const { running, owner, tokens, over } = here;
    const rows = rowsOf(server);
    t.deepEqual(namesOf(running.routes), sorted(rows), 'a route without a row, or a row without a route');
    t.deepEqual(openOf(running.routes), sorted(rows.filter(([, who]) => who === 'all')));
    const strangers = strangersAt(t.context, here);
    for (const [name, who] of rows) {
      const ask = (token?: string) => askRoute(running.url, name, token);
      if (who === 'all') {
        for (const token of [undefined, 'x', over.expired, over.revoked, tokens.auditor])
          t.false([401, 403].includes((await ask(token)).status), name);
        continue;
      }
      for (const [what, token] of [...strangers, ['revoked', over.revoked], ['of a leaver', over.leaver]] as const)
        t.deepEqual(await ask(token), { status: 401, code: 'UNAUTHORIZED' }, `${name}, ${what}`);
      t.deepEqual(await ask(over.expired), { status: 401, code: 'EXPIRED' }, name);
      for (const [by, token] of Object.entries(tokens)) {
        const { status, code } = await ask(token);
        if ((WHO[who] as readonly string[]).includes(by))
          t.false([401, 403].includes(status), `${name} as ${by}: ${code}`);
        else t.deepEqual([status, code], [403, 'NOT_PERMITTED'], `${name} as ${by}`);
      }
      t.false([401].includes((await ask(owner)).status), `${name} with the folder's own token`);
    }
  });
}

test('a key generation centre opens its one closed route to the token of the identity that is asked for', async (t) => {
  const { kgc, identity, servers } = t.context;
  const rows = rowsOf('K');
  t.deepEqual(namesOf(kgc.routes), sorted(rows), 'a route without a row, or a row without a route');
  // Its frame lets everybody in: what opens a share is looked at by the route itself.
  t.deepEqual(openOf(kgc.routes), sorted(rows));
  const point = hex(compressed(generateKeyPair(ALG_ESP256).publicKey));
  const tokens = servers.flatMap((one) => [...Object.values(one.tokens), ...Object.values(one.over), one.owner]);
  const strangers = [...strangersAt(t.context, undefined).map(([, token]) => token), ...tokens];
  for (const [name, who] of rows) {
    for (const token of strangers) {
      if (token === identity) continue;
      if (who === 'all') t.is((await askRoute(kgc.url, name, token)).status, 200, name);
      for (const asked of who === 'identity' ? [C1, { ...C1, name: 'c2' }, { ...C1, epoch: 2 }] : []) {
        const answer = await askRoute(kgc.url, name, token, { body: { ...asked, point } });
        t.deepEqual(answer, { status: 401, code: 'UNAUTHORIZED' }, `${name} for ${asked.name}, epoch ${asked.epoch}`);
      }
    }
  }
  const share = (body: object) => askRoute(kgc.url, 'POST /api/v1/shares', identity, { body });
  t.deepEqual(await share({ ...C1, epoch: 2, point }), { status: 401, code: 'UNAUTHORIZED' }, 'another epoch');
  t.is((await share({ ...C1, point })).status, 200);
  t.is((await share({ ...C1, point })).status, 200, 'the answer may have been lost: the same again');
  const another = hex(compressed(generateKeyPair(ALG_ESP256).publicKey));
  t.deepEqual(await share({ ...C1, point: another }), { status: 409, code: 'EXISTS' }, 'a used token');
});

test('the address for devices knows sessions of devices, each for itself, and no token of people', async (t) => {
  t.timeout(600_000);
  const { servers, devices, ledger, operator } = t.context;
  const [own, other, gone] = devices as [Device, Device, Device];
  const { running, owner, tokens, over } = servers.find(({ server }) => server === 'D')!;
  const url = running.endpoints.devices!;
  const rows = rowsOf('d');
  t.deepEqual(namesOf(running.deviceRoutes as ShownRoute[]), sorted(rows), 'a route without a row, or the reverse');
  const asked: Asked = { params: { device: hex(own.id), head: 'a'.repeat(64) } };
  const strangers = strangersAt(t.context, undefined).filter(([, token]) => token !== own.session);
  const given: [string, string?][] = [
    ...strangers,
    ...Object.entries({ ...tokens, ...over, owner }),
    ['an invented session', randomBytes(32).toString('hex')],
  ];
  for (const [name, who] of rows) {
    const ask = (token?: string) => askRoute(url, name, token, asked);
    if (who === 'signed') {
      const first = await ask();
      t.true(first.status >= 400 && first.status < 500 && first.code !== undefined, name);
      for (const token of [tokens.operator, own.session, owner]) t.deepEqual(await ask(token), first, name);
      continue;
    }
    for (const [what, token] of given)
      t.deepEqual(await ask(token), { status: 401, code: 'UNAUTHORIZED' }, `${name}, ${what}`);
    t.deepEqual(await ask(other.session), { status: 403, code: 'NOT_PERMITTED' }, `${name}, of another device`);
    // What is asked without a body, a range or a number is refused behind the door.
    const mine = name.endsWith('/msg') ? undefined : await ask(own.session);
    if (mine) t.true([400, 404].includes(mine.status) && mine.code !== undefined, `${name}: ${JSON.stringify(mine)}`);
  }
  const poll = new URL(`/ota/v1/d/${hex(own.id)}/msg?after=x`, url);
  const through = await fetch(poll, { headers: { authorization: `Bearer ${own.session}` } });
  t.deepEqual([through.status, ((await through.json()) as { code: string }).code], [400, 'BAD_REQUEST']);

  const ask = () => askRoute(url, 'POST /ota/v1/d/:device/req', gone.session, { params: { device: hex(gone.id) } });
  t.is((await ask()).code, 'BAD_REQUEST');
  await revokeDevice(ledger, operator, gone.id, 'stolen');
  // The server follows the ledger; it has heard when the session is over.
  let last = await ask();
  while (last.code !== 'UNAUTHORIZED') last = await ask();
  t.deepEqual(last, { status: 401, code: 'UNAUTHORIZED' });
});
