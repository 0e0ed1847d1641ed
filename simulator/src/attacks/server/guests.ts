/** The API of a ledger with its door: tokens of people and machines, second factors, and what is sent there with them. */
import { join } from 'node:path';
import { openLists } from '@countersign/broker/distribution/enrolment/lists';
import { accessRoutes } from '@countersign/broker/face/access/access-routes';
import { createDoor, type Door } from '@countersign/broker/face/access/door';
import { type Factors, openFactors } from '@countersign/broker/face/access/factors';
import { SCOPES, type Scope } from '@countersign/broker/face/access/rights';
import { openTokens, type Tokens } from '@countersign/broker/face/access/tokens';
import { hotp, stepAt } from '@countersign/broker/face/access/totp';
import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { listRoutes } from '@countersign/broker/face/api/list-routes';
import { newToken, tokenGate } from '@countersign/broker/face/api/token';
import { type Code, Refusal } from '@countersign/device-sdk';
import type { Signer, Value } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { act, newRelease, ORIGIN, previousOf, sha256, tx, verifier, type World } from './ledger-world.ts';
import { contract } from './try.ts';

const LOG = { debug() {}, info() {}, warn() {}, error() {} };
export const EVERYTHING = SCOPES.filter((scope) => scope !== 'relay');

/** The API of a ledger, and what an adversary does at it. */
export interface Scene {
  world: World;
  clock: { now: number };
  tokens: Tokens;
  door: Door;
  /** Where the tokens are. */
  folder: string;
  factors: Factors;
  /** The folder's own token. */
  owner: string;
  tokenOf(name: string, scopes?: readonly Scope[], products?: string[]): Promise<string>;
  machine(scopes: readonly Scope[]): Promise<string>;
  /** Sends bob's, or somebody's, signed transaction; throws what the API refuses. */
  send(deed: Deed): Promise<void>;
  /** Posts what is no statement, as JSON; throws what the API refuses. */
  ask(token: string, path: string, body: object): Promise<void>;
}

export interface Deed {
  token: string;
  action: string;
  object: Uint8Array;
  args?: Value;
  by?: Signer;
  code?: string;
  /** Signed before, and sent as it is. */
  bytes?: Uint8Array;
}

export interface House {
  /** Whether nobody approves without a second factor; `elsewhere`: another server keeps them. */
  factors?: 'demanded' | 'elsewhere';
}

export function door(
  how: string,
  expect: Code,
  prepare: (scene: Scene) => Promise<() => Promise<void>>,
  house: House = {},
): Variant {
  return contract(how, expect, async (world) => prepare(await sceneOf(world, house)));
}

async function sceneOf(world: World, house: House): Promise<Scene> {
  const clock = { now: 1_800_000_000 };
  const now = () => clock.now;
  const { ledger } = world;
  const folder = join(world.dir, 'api', 'tokens');
  const tokens = await openTokens(folder, now);
  const factors = openFactors(join(world.dir, 'api', 'totp'), { now });
  const kept = house.factors === 'elsewhere' ? undefined : factors;
  const demandFactor = house.factors === 'demanded';
  const owner = newToken();
  const door = createDoor({ tokens, ledger, verifier, origin: ORIGIN, factors: kept, demandFactor });
  const app = createApi({ server: 'attacked', gate: tokenGate(owner), door, log: LOG });
  await app.register(ledgerRoutes(ledger));
  await app.register(accessRoutes({ tokens, ledger, origin: ORIGIN, factors: kept }));
  await app.register(listRoutes(await openLists(sha256, world.dir), ledger));
  const { end } = world;
  world.end = async () => {
    await app.close();
    // When a token was used is written behind the answer: not into a folder that is being removed.
    await tokens.close();
    await end();
  };
  const post = async (url: string, headers: Record<string, string>, payload: Buffer) => {
    const { body } = await app.inject({ method: 'POST', url, headers, payload });
    const { code } = JSON.parse(body) as { code?: Code };
    if (code) throw new Refusal(code, 'over HTTP');
  };
  return {
    ...{ world, clock, door, tokens, folder, factors, owner },
    async tokenOf(name, scopes = EVERYTHING, products) {
      return (await tokens.issue({ kind: 'person', name, scopes, products }, 1)).token;
    },
    async machine(scopes) {
      return (await tokens.issue({ kind: 'machine', name: 'ci', scopes }, 1)).token;
    },
    async send(deed) {
      const { token, code } = deed;
      const headers = {
        ...{ 'content-type': 'application/cbor', authorization: `Bearer ${token}` },
        ...(code !== undefined && { 'countersign-code': code }),
      };
      await post('/api/v1/ledger/transactions', headers, Buffer.from(await signed(world, deed)));
    },
    ask: (token, path, body) =>
      post(
        path,
        { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        Buffer.from(JSON.stringify(body)),
      ),
  };
}

export async function signed(world: World, { action, object, args, by = world.people.bob!, bytes }: Deed) {
  if (bytes) return bytes;
  return tx(by, { action, object, previous: await previousOf(world, object), ...(args && { args }) });
}

/** A release that waits for bob's approval: with the right token and code it would be given. */
export async function waiting({ world }: Scene): Promise<{ action: string; object: Uint8Array }> {
  const { leaf, args } = await newRelease(world, 1);
  await act(world, world.people.alice!, 'upload', leaf, args);
  return { action: 'approve', object: leaf };
}

/** Bob has a second factor, and the adversary has bob's key and bob's token. */
export async function guarded(scene: Scene) {
  const secret = await scene.factors.enrol('bob', false);
  const deed = { ...(await waiting(scene)), token: await scene.tokenOf('bob') };
  return { deed, codeAt: (shift = 0) => hotp(secret, stepAt(scene.clock.now + shift)) };
}
