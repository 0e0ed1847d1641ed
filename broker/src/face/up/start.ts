/**
 * The servers as functions: for `up`, for tests, and for whoever runs them inside a process of his own. All three in
 * one process are still three objects with three folders and three sets of keys.
 */
import { existsSync } from 'node:fs';
import { demand, type Verifier } from '@countersign/device-sdk';
import { findKey, kidOf, readSignedRoot, type Signer } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { silentLog } from '../../distribution/ports.ts';
import { listPeopleKeys, loadPerson } from '../../keys/people.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { PersonRole } from '../../ledger/contract/args.ts';
import type { PersonView } from '../../ledger/contract/views.ts';
import { httpLedger } from '../../ledger/http-client.ts';
import { writeDurable } from '../../store/durable.ts';
import { httpBlobs } from '../../store/http-blobs.ts';
import { blobRoutes } from '../api/blob-routes.ts';
import { blockFileRoutes } from '../api/block-file-routes.ts';
import { collectionRoutes } from '../api/collection-routes.ts';
import { distributionRoutes } from '../api/distribution-routes.ts';
import { ledgerRoutes } from '../api/ledger-routes.ts';
import { queryRoutes } from '../api/query-routes.ts';
import { apiClient } from '../client/api-client.ts';
import { type Endpoints, openSession } from '../client/session.ts';
import { openCollectionPart } from './collection.ts';
import { type DistributionPart, openDistributionPart } from './distribution.ts';
import { peopleFolder, serverFolder, trustRootPath } from './folders.ts';
import { type FirstPerson, openServerKeys, type ServerKeys, serverKeys } from './identities.ts';
import { type FirstStart, openLedgerPart, originOf, readTrustRoot } from './ledger.ts';
import { type Closers, lockFolder, type Running, type StartOptions, serve, started } from './parts.ts';
import { publishSamples } from './samples.ts';

export interface StartAllOptions extends StartOptions, FirstStart {
  mqttPort?: number | undefined;
  mqttUrl?: string | undefined;
  mqttLogin?: { username: string; password: string } | undefined;
  /** Publish the first release of each sample product. Default true. */
  samples?: boolean | undefined;
  /** Told what is being done. */
  tell?: ((text: string) => void) | undefined;
}

export interface RunningAll extends Running {
  /** People whose keys this start made. */
  readonly made: readonly FirstPerson[];
  /** `product@version` of the samples that are there. */
  readonly samples: readonly string[];
}

/**
 * Ledger, collection and distribution on embedded defaults, in this process.
 *
 * @example
 * const all = await startAll({ data: './countersign-data' });
 * console.log(all.url, all.endpoints.mqtt);
 * await all.close();
 * @throws Refusal LOCKED, BAD_STORE, BAD_REQUEST (an address that cannot be used), BAD_HEAD, BAD_BLOCK, TORN
 */
export async function startAll(options: StartAllOptions): Promise<RunningAll> {
  return started(async (closers) => {
    const { data, log = silentLog, verifier = nodeVerifier(), tell = () => undefined } = options;
    await lockFolder(data, closers);
    const create = !existsSync(serverFolder(data, 'ledger'));
    const rings = await openRings(data, create, options.passphrase);
    const others = [serverKeys('collection', rings.collection), serverKeys('distribution', rings.distribution)];
    const { ledger, trustRoot, made } = await openLedgerPart(data, verifier, others, options, closers);
    const { origin } = ledger;
    const { collection, blobs } = openCollectionPart(
      { data, ring: rings.collection, ledger, origin, verifier, log },
      closers,
    );
    const part = await openDistributionPart(
      { ...options, ring: rings.distribution, ledger, blobs, trustRoot, origin, verifier, log },
      closers,
    );
    const { distribution } = part;
    const notes = notesOf(part);
    const running = await serve(
      options,
      {
        server: 'ledger, collection and distribution',
        routes: [
          ledgerRoutes(ledger),
          blockFileRoutes(serverFolder(data, 'ledger')),
          queryRoutes({ ledger, notes }),
          blobRoutes(blobs),
          collectionRoutes(collection),
          distributionRoutes(distribution, ledger),
        ],
        endpoints: (url) => ({
          servers: ['ledger', 'collection', 'distribution'],
          origin,
          ledger: url,
          collection: url,
          distribution: url,
          mqtt: part.mqtt,
          brokerId: part.brokerId,
        }),
      },
      closers,
    );
    const published = options.samples === false ? [] : await samplesOf(running, options, verifier, tell);
    return { ...running, made, samples: published };
  });
}

async function openRings(data: string, create: boolean, passphrase: string | undefined) {
  const options = { create, passphrase };
  const collection = await openServerKeys(data, 'collection', options);
  return { collection, distribution: await openServerKeys(data, 'distribution', options) };
}

function notesOf({ distribution }: DistributionPart) {
  return (deviceId: string) => distribution.registry.get(Uint8Array.from(Buffer.from(deviceId, 'hex')));
}

/** Done as people do it, so it needs their keys; where they are not in this folder, it is left out and said. */
async function samplesOf(
  { url, token }: Running,
  { data, passphrase, tls }: StartAllOptions,
  verifier: Verifier,
  tell: (text: string) => void,
): Promise<string[]> {
  const leftOut = (why: string) => {
    tell(`samples left out: ${why}`);
    return [];
  };
  if (token === undefined) return leftOut('DIR/client-token is not there');
  if (tls) return leftOut('they are published over plain loopback only; use `publish`');
  const session = await openSession(apiClient(url, token), verifier);
  const people = (await session.api.get('/api/v1/people')) as PersonView[];
  const engineer = await keyWith(data, people, 'engineer', passphrase);
  const approver = await keyWith(data, people, 'approver', passphrase, engineer?.name);
  if (!engineer || !approver) return leftOut('no key here of an engineer, or of another person who approves');
  return publishSamples(session, { engineer, approver }, tell);
}

async function keyWith(
  data: string,
  people: readonly PersonView[],
  role: PersonRole,
  passphrase: string | undefined,
  not?: string,
): Promise<(Signer & { name: string | undefined }) | undefined> {
  const here = await listPeopleKeys(peopleFolder(data));
  const found = people.find(
    ({ name, roles, state }) => here.includes(name) && name !== not && state === 'active' && roles.includes(role),
  );
  return found && loadPerson(peopleFolder(data), found.name, passphrase);
}

export interface StartLedgerOptions extends StartOptions, FirstStart {
  /** Public keys of the other two servers, for the first start (`countersign keys server`). */
  serverKeys?: readonly ServerKeys[] | undefined;
}

/** The ledger alone. @throws Refusal BAD_REQUEST where its first start lacks the other servers' public keys */
export async function startLedgerServer(
  options: StartLedgerOptions,
): Promise<Running & { made: readonly FirstPerson[] }> {
  return started(async (closers) => {
    const { data, verifier = nodeVerifier() } = options;
    await lockFolder(data, closers);
    const { ledger, made } = await openLedgerPart(data, verifier, options.serverKeys ?? [], options, closers);
    const { origin } = ledger;
    const endpoints = (url: string): Endpoints => ({ ...NOWHERE, servers: ['ledger'], origin, ledger: url });
    const files = blockFileRoutes(serverFolder(data, 'ledger'));
    const routes = [ledgerRoutes(ledger), files, queryRoutes({ ledger })];
    return { ...(await serve(options, { server: 'ledger', routes, endpoints }, closers)), made };
  });
}

/** Where another server is, and the token of its API. */
export interface Other {
  url: string;
  token: string;
}

export interface StartCollectionOptions extends StartOptions {
  ledger: Other;
  /** The signed trust root, from outside; kept in the folder after the first start. */
  trustRoot?: Uint8Array | undefined;
}

/** The collection server alone. */
export async function startCollectionServer(options: StartCollectionOptions): Promise<Running> {
  return started(async (closers) => {
    const { data, log = silentLog, verifier = nodeVerifier() } = options;
    await lockFolder(data, closers);
    const ring = await openServerKeys(data, 'collection', { create: false, passphrase: options.passphrase });
    const { trustRoot, origin } = await pin(options, verifier);
    checkListed(verifier, trustRoot, ring);
    const ledger = openHttpLedger(options.ledger, closers);
    const { collection, blobs } = openCollectionPart({ data, ring, ledger, origin, verifier, log }, closers);
    const routes = [queryRoutes({ ledger }), blobRoutes(blobs), collectionRoutes(collection)];
    const endpoints = (url: string): Endpoints => ({
      ...NOWHERE,
      servers: ['collection'],
      origin,
      ledger: options.ledger.url,
      collection: url,
    });
    return serve(options, { server: 'collection', routes, endpoints }, closers);
  });
}

export interface StartDistributionOptions extends StartCollectionOptions {
  collection: Other;
  mqttPort?: number | undefined;
  mqttUrl?: string | undefined;
  mqttLogin?: { username: string; password: string } | undefined;
}

/** The distribution server alone, with its MQTT broker. */
export async function startDistributionServer(options: StartDistributionOptions): Promise<Running> {
  return started(async (closers) => {
    const { data, log = silentLog, verifier = nodeVerifier() } = options;
    await lockFolder(data, closers);
    const ring = await openServerKeys(data, 'distribution', { create: false, passphrase: options.passphrase });
    const { trustRoot, origin } = await pin(options, verifier);
    checkListed(verifier, trustRoot, ring);
    const ledger = openHttpLedger(options.ledger, closers);
    const blobs = httpBlobs(options.collection.url, options.collection.token, verifier.sha256);
    const part = await openDistributionPart(
      { ...options, ring, ledger, blobs, trustRoot, origin, verifier, log },
      closers,
    );
    const { distribution } = part;
    const held = { blob: distribution.blob, payload: distribution.payload };
    const routes = [
      queryRoutes({ ledger, notes: notesOf(part) }),
      blobRoutes(held),
      distributionRoutes(distribution, ledger),
    ];
    const endpoints = (url: string): Endpoints => ({
      servers: ['distribution'],
      origin,
      ledger: options.ledger.url,
      collection: options.collection.url,
      distribution: url,
      mqtt: part.mqtt,
      brokerId: part.brokerId,
    });
    return serve(options, { server: 'distribution', routes, endpoints }, closers);
  });
}

const NOWHERE = { ledger: null, collection: null, distribution: null, mqtt: null, brokerId: null };

function openHttpLedger({ url, token }: Other, closers: Closers): LedgerClient {
  const ledger = httpLedger(url, token);
  closers.add(() => ledger.close());
  return ledger;
}

/** What the operator gave at the first start stays; a ledger cannot put another in its place. */
async function pin(
  { data, trustRoot }: StartCollectionOptions,
  verifier: Verifier,
): Promise<{ trustRoot: Uint8Array; origin: string }> {
  const path = trustRootPath(data);
  if (!existsSync(path)) {
    const text = 'the first start needs the trust root: --trust FILE, trust-root.cbor of the ledger server';
    demand(trustRoot, 'BAD_REQUEST', text);
    originOf(verifier, trustRoot);
    await writeDurable(path, trustRoot);
  }
  const pinned = await readTrustRoot(path);
  return { trustRoot: pinned, origin: originOf(verifier, pinned) };
}

/** @throws Refusal UNKNOWN_KEY: better said at the start than by every device */
function checkListed({ sha256 }: Verifier, trustRoot: Uint8Array, ring: KeyRing): void {
  const { root } = readSignedRoot(sha256, trustRoot);
  for (const role of ring.roles) {
    const listed = findKey(sha256, root, role, kidOf(sha256, ring.publicKey(role)));
    demand(listed, 'UNKNOWN_KEY', `the trust root does not list the ${role} key of this folder`);
  }
}
