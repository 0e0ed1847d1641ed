/** What the three servers have in common when they start: options, a lock, an address. */
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Code, codeOf, Refusal, type Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import type { FastifyInstance } from 'fastify';
import { type Log, silentLog } from '../../distribution/ports.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { lock } from '../../ledger/embedded/lock.ts';
import { makeFolder } from '../../store/durable.ts';
import { accessRoutes } from '../access/access-routes.ts';
import { createDoor } from '../access/door.ts';
import { openFactors } from '../access/factors.ts';
import type { ShownRoute } from '../access/guard.ts';
import { openTokens } from '../access/tokens.ts';
import { type ApiOptions, closeApi, createApi } from '../api/app.ts';
import { eventRoutes } from '../api/event-routes.ts';
import { metricsRoutes } from '../api/metrics-routes.ts';
import { ENDPOINTS } from '../api/openapi/ledger-operations.ts';
import { proofRoutes } from '../api/proof-routes.ts';
import { openToken, type TokenGate, tokenGate } from '../api/token.ts';
import type { Endpoints } from '../client/session.ts';
import type { Alarms } from '../events/alarms.ts';
import type { FigureSource } from '../metrics/figures.ts';
import { countRefusal, type RefusalCounts, refusalFigures } from '../metrics/server-figures.ts';
import { readClientToken, writeClientToken } from './client-token.ts';
import { type EndpointFile, readEndpointFile, writeEndpointFile } from './endpoint-file.ts';
import { clientTokenPath, factorsFolder, tokenHashPath, tokensFolder } from './folders.ts';

export interface StartOptions {
  /** The folder in which everything of this process lies. */
  data: string;
  /** Default 127.0.0.1. */
  host?: string | undefined;
  /** 0 for any free one; where not given, the one that this folder had last, else any. */
  port?: number | undefined;
  /** For API and MQTT, in PEM. Beyond loopback it is demanded. */
  tls?: { cert: string; key: string } | undefined;
  /** Said aloud: something in front of this process does TLS. */
  allowPlain?: boolean | undefined;
  /** A token of the caller's, for servers that live as long as a test; otherwise the folder's own. */
  token?: string | undefined;
  /** Whoever comes may ask `/ipfs/` for blocks: firmware is no secret then. */
  openGateway?: boolean | undefined;
  /** Make a new token; the old one is worth nothing from then on. */
  newToken?: boolean | undefined;
  /** Nobody approves, rolls out or changes people and keys without a second factor. */
  demandFactor?: boolean | undefined;
  /** Of the servers' key files. */
  passphrase?: string | undefined;
  verifier?: Verifier | undefined;
  /** Seconds since the epoch, for one-time codes and the days of tokens. */
  now?: (() => number) | undefined;
  log?: Log | undefined;
}

/** A server that answers. */
export interface Running {
  /** Address of its API. */
  readonly url: string;
  /** The token, where this start made it or DIR/client-token still has it. */
  readonly token: string | undefined;
  /** True where this start made the token: now is the time to show it. */
  readonly tokenIsNew: boolean;
  readonly endpoints: Endpoints;
  /** What its API answers. */
  readonly routes: readonly ShownRoute[];
  /** What its address for devices answers, where it has one. */
  readonly deviceRoutes?: readonly ShownRoute[] | undefined;
  /** Stops everything and gives the folder free, within 5 seconds. */
  close(): Promise<void>;
}

/** Things that end in the reverse order in which they began, whatever of them had begun. */
export class Closers {
  readonly #closers: (() => Promise<unknown> | unknown)[] = [];

  add(close: () => Promise<unknown> | unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    let first: unknown;
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        first ??= error;
      }
    }
    if (first !== undefined) throw first;
  }
}

/** Runs a start; where it fails, what had begun is ended before the reason is told. */
export async function started<T>(start: (closers: Closers) => Promise<T>): Promise<T> {
  const closers = new Closers();
  try {
    return await start(closers);
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

/** One process per folder; the operating system lets go of it when the process dies. @throws Refusal LOCKED, BAD_STORE */
export async function lockFolder(data: string, closers: Closers): Promise<void> {
  await makeFolder(data, 0o700);
  try {
    closers.add(await lock(join(data, 'lock')));
  } catch (cause) {
    if (codeOf(cause) !== 'LOCKED') throw cause;
    throw new Refusal('LOCKED', `another process runs on ${data}`, { cause });
  }
}

/** The part of an API that differs between servers. */
export interface ApiPart {
  server: string;
  routes: ((app: FastifyInstance) => Promise<void>)[];
  /** What `/metrics` shows besides the process and the API's refusals. */
  figures: FigureSource[];
  /** What `/proof` and `/events` speak of. */
  ledger: LedgerClient;
  alarms: Alarms;
  /** The server that holds the ledger checks second factors; the others pass codes on to it. */
  holdsLedger?: boolean | undefined;
  origin: string;
  /** Called when the address is known. */
  endpoints(url: string): Endpoints;
}

/** Opens the API of a folder: token, routes, port, endpoint file. @throws Refusal BAD_REQUEST, BAD_STORE */
export async function serve(options: StartOptions, part: ApiPart, closers: Closers): Promise<Running> {
  const { data, host = '127.0.0.1', tls, log = silentLog } = options;
  checkHost(host, options);
  const gate = await openGate(options);
  const refusals: RefusalCounts = {};
  const refused = (code: Code) => countRefusal(refusals, code);
  const access = await openAccess(options, part, closers);
  const { door } = access;
  const app = createApi({ server: part.server, gate, door, log, refused, tls } satisfies ApiOptions);
  closers.add(() => closeApi(app));
  await app.register(accessRoutes(access));
  let endpoints: Endpoints | undefined;
  app.get('/api/v1/endpoints', { schema: ENDPOINTS }, async () => endpoints);
  const figures = metricsRoutes([...part.figures, refusalFigures('api', refusals)]);
  const { ledger, alarms } = part;
  const proofs = proofRoutes(ledger, (options.verifier ?? nodeVerifier()).sha256);
  for (const routes of [...part.routes, figures, proofs, eventRoutes({ ledger, alarms, door })])
    await app.register(routes);
  const port = options.port ?? (await lastPort(data, 'url')) ?? 0;
  const url = await listen(app, host, port, tls !== undefined);
  endpoints = part.endpoints(url);
  const file: EndpointFile = { url, pid: process.pid, ...endpoints };
  await writeEndpointFile(data, file);
  const token = options.token ?? gate.fresh ?? (await readClientToken(clientTokenPath(data)));
  return {
    url,
    token,
    tokenIsNew: options.token === undefined && gate.fresh !== undefined,
    endpoints,
    routes: app.shownRoutes,
    close: () => closers.close(),
  };
}

/** Tokens and second factors lie in the folder; who stands behind them, the ledger says. */
async function openAccess(options: StartOptions, { ledger, origin, holdsLedger }: ApiPart, closers: Closers) {
  const { data, passphrase, now, demandFactor, verifier = nodeVerifier() } = options;
  const tokens = await openTokens(tokensFolder(data), now);
  closers.add(() => tokens.close());
  const factors = holdsLedger ? openFactors(factorsFolder(data), { passphrase, now }) : undefined;
  return {
    tokens,
    factors,
    ledger,
    origin,
    door: createDoor({ tokens, ledger, verifier, origin, factors, demandFactor }),
  };
}

async function openGate(options: StartOptions): Promise<TokenGate> {
  if (options.token !== undefined) return tokenGate(options.token);
  const { data, newToken = false } = options;
  return openToken(tokenHashPath(data), {
    renew: newToken,
    keep: (token) => writeClientToken(clientTokenPath(data), token),
  });
}

/** @throws Refusal BAD_REQUEST */
export function checkHost(host: string, { tls, allowPlain }: Pick<StartOptions, 'tls' | 'allowPlain'>): void {
  if (isLoopback(host) || tls || allowPlain) return;
  throw new Refusal('BAD_REQUEST', `on ${host} the token would travel in clear: give --tls-cert and --tls-key`);
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export async function listen(app: FastifyInstance, host: string, port: number, tls: boolean): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new Refusal('BAD_REQUEST', `cannot listen on ${host} port ${port} (${reason}); --port 0 takes a free one`, {
      cause,
    });
  }
  const { port: bound } = app.server.address() as AddressInfo;
  const name = host.includes(':') ? `[${host}]` : host;
  return `${tls ? 'https' : 'http'}://${name}:${bound}`;
}

/** Devices and people know the former address, so a restart uses it again. */
export async function lastPort(data: string, which: 'url' | 'mqtt' | 'devices'): Promise<number | undefined> {
  try {
    const address = (await readEndpointFile(data))[which];
    return address ? Number(new URL(address).port) || undefined : undefined;
  } catch {
    return undefined; // the first start, or a file that is about to be written anew
  }
}
