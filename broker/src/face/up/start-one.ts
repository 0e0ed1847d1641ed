/** One server alone, with keys and a folder of its own; it finds the others over HTTP. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand, type Verifier } from '@countersign/device-sdk';
import { kidOf, readSignedRoot } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { listedKey } from '@countersign/device-sdk/verify';
import { silentLog } from '../../distribution/ports.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { httpLedger } from '../../ledger/http-client.ts';
import { manyLedgers } from '../../ledger/peer/many.ts';
import { storedBlocks } from '../../store/blocks.ts';
import { writeDurable } from '../../store/durable.ts';
import { anyBlobs, httpBlobs } from '../../store/http-blobs.ts';
import { blobRoutes } from '../api/blob-routes.ts';
import { blockFileRoutes } from '../api/block-file-routes.ts';
import type { EnrolAuthority } from '../api/client-certificate.ts';
import { collectionRoutes } from '../api/collection-routes.ts';
import { distributionRoutes } from '../api/distribution-routes.ts';
import { ipfsRoutes } from '../api/ipfs-routes.ts';
import { ledgerRoutes } from '../api/ledger-routes.ts';
import { listRoutes } from '../api/list-routes.ts';
import { passportRoutes } from '../api/passport-routes.ts';
import { peerRoutes } from '../api/peer-routes.ts';
import { queryRoutes } from '../api/query-routes.ts';
import type { Endpoints } from '../client/session.ts';
import { Alarms } from '../events/alarms.ts';
import { ledgerFigures } from '../metrics/ledger-figures.ts';
import { contentFigures } from '../metrics/server-figures.ts';
import { auditorsOf, type WitnessOptions } from './auditors.ts';
import { openCollectionPart } from './collection.ts';
import { knowledgeOf, type MqttLogin, openDistributionPart } from './distribution.ts';
import { serverFolder, trustRootPath } from './folders.ts';
import { type FirstPerson, openServerKeys, type ServerKeys } from './identities.ts';
import { type FirstStart, openLedgerPart, originOf, type Quorum, readTrustRoot } from './ledger.ts';
import { followKeys } from './new-keys.ts';
import { type Closers, lockFolder, type Running, type StartOptions, serve, started } from './parts.ts';
import { watchQuorum } from './quorum-watch.ts';

export interface StartLedgerOptions extends StartOptions, FirstStart, WitnessOptions {
  /** Public keys of the other two servers, for the first start (`countersign keys server`). */
  serverKeys?: readonly ServerKeys[] | undefined;
}

/** The ledger alone. @throws Refusal BAD_REQUEST where its first start lacks the other servers' public keys */
export async function startLedgerServer(
  options: StartLedgerOptions,
): Promise<Running & { made: readonly FirstPerson[]; quorum: Quorum }> {
  return started(async (closers) => {
    const { data, verifier = nodeVerifier() } = options;
    await lockFolder(data, closers);
    const given = options.serverKeys ?? [];
    const { ledger, heads, shown, made, quorum } = await openLedgerPart(data, verifier, given, options, closers);
    const alarms = new Alarms();
    const log = alarms.heardIn(options.log ?? silentLog);
    watchQuorum(heads, log, closers);
    const { origin } = ledger;
    const endpoints = (url: string): Endpoints => ({ ...NOWHERE, servers: ['ledger'], origin, ledger: url });
    const files = blockFileRoutes(serverFolder(data, 'ledger'));
    const routes = [
      ledgerRoutes(shown),
      peerRoutes(ledger.inside, heads),
      auditorsOf(ledger, heads, options, verifier, closers),
      files,
      queryRoutes({ ledger: shown }),
    ];
    return {
      ...(await serve(
        { ...options, log },
        {
          server: 'ledger',
          ...{ ledger: shown, alarms },
          holdsLedger: true,
          origin,
          routes,
          figures: [ledgerFigures(ledger, heads)],
          endpoints,
        },
        closers,
      )),
      made,
      quorum,
    };
  });
}

/** Where another server is, and the token of its API. */
export interface Other {
  url: string;
  token: string;
}

export interface StartCollectionOptions extends StartOptions {
  ledger: Other;
  /** Peers of the ledger, to read from where it does not answer. */
  peers?: readonly Other[] | undefined;
  /** The signed trust root, from outside; kept in the folder after the first start. */
  trustRoot?: Uint8Array | undefined;
}

/** The collection server alone. */
export async function startCollectionServer(options: StartCollectionOptions): Promise<Running> {
  return started(async (closers) => {
    const { data, verifier = nodeVerifier() } = options;
    const alarms = new Alarms();
    const log = alarms.heardIn(options.log ?? silentLog);
    await lockFolder(data, closers);
    const ring = await openServerKeys(data, 'collection', { create: false, passphrase: options.passphrase });
    const { trustRoot, origin } = await pin(options, verifier);
    checkListed(verifier, trustRoot, ring);
    const ledger = openHttpLedger([options.ledger, ...(options.peers ?? [])], closers);
    await followKeys({ ledger, ring, pinned: trustRoot, verifier, log }, closers);
    const { collection, blobs } = openCollectionPart({ data, ring, ledger, origin, verifier, log }, closers);
    const routes = [
      queryRoutes({ ledger }),
      blobRoutes(blobs),
      ipfsRoutes(storedBlocks(blobs), options.openGateway === true),
      passportRoutes({ ledger, blobs, verifier }),
      collectionRoutes(collection),
    ];
    const endpoints = (url: string): Endpoints => ({
      ...NOWHERE,
      servers: ['collection'],
      origin,
      ledger: options.ledger.url,
      collection: url,
    });
    const figures = [contentFigures(serverFolder(data, 'collection'))];
    const part = { server: 'collection', ledger, alarms, origin, routes, figures, endpoints };
    return serve({ ...options, log }, part, closers);
  });
}

export interface StartDistributionOptions extends StartCollectionOptions {
  collection: Other;
  mqttPort?: number | undefined;
  mqttUrl?: string | undefined;
  mqttLogin?: MqttLogin | undefined;
  devicePort?: number | undefined;
  deviceCa?: string | undefined;
  enrol?: EnrolAuthority | undefined;
}

/** The distribution server alone, with its MQTT broker. */
export async function startDistributionServer(options: StartDistributionOptions): Promise<Running> {
  return started(async (closers) => {
    const { data, verifier = nodeVerifier() } = options;
    const alarms = new Alarms();
    const log = alarms.heardIn(options.log ?? silentLog);
    await lockFolder(data, closers);
    const ring = await openServerKeys(data, 'distribution', { create: false, passphrase: options.passphrase });
    const { trustRoot, origin } = await pin(options, verifier);
    checkListed(verifier, trustRoot, ring);
    const ledger = openHttpLedger([options.ledger, ...(options.peers ?? [])], closers);
    const blobs = anyBlobs(
      [options.collection, ...(options.peers ?? [])].map(({ url, token }) => httpBlobs(url, token, verifier.sha256)),
    );
    const part = await openDistributionPart(
      { ...options, ring, ledger, blobs, trustRoot, origin, verifier, log },
      closers,
    );
    const { distribution } = part;
    const held = { blob: distribution.blob, payload: distribution.payload };
    const routes = [
      queryRoutes({ ledger, devices: knowledgeOf(part) }),
      blobRoutes(held),
      ipfsRoutes(storedBlocks(held), options.openGateway === true),
      passportRoutes({ ledger, blobs: held, verifier }),
      distributionRoutes(distribution, { ledger, blobs: held, verifier }),
      listRoutes(distribution.lists, ledger),
    ];
    const endpoints = (url: string): Endpoints => ({
      servers: ['distribution'],
      origin,
      ledger: options.ledger.url,
      collection: options.collection.url,
      distribution: url,
      mqtt: part.mqtt,
      devices: part.devices ?? null,
      brokerId: part.brokerId,
    });
    const content = contentFigures(join(serverFolder(data, 'distribution'), 'content'));
    const figures = [...part.figures, content];
    const server = { server: 'distribution', ledger, alarms, origin, routes, figures, endpoints };
    return { ...(await serve({ ...options, log }, server, closers)), deviceRoutes: part.deviceRoutes };
  });
}

const NOWHERE = { ledger: null, collection: null, distribution: null, mqtt: null, devices: null, brokerId: null };

function openHttpLedger(at: readonly Other[], closers: Closers): LedgerClient {
  const ledger = manyLedgers(at.map(({ url, token }) => httpLedger(url, token)));
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
function checkListed(verifier: Verifier, trustRoot: Uint8Array, ring: KeyRing): void {
  const { sha256 } = verifier;
  const { root } = readSignedRoot(sha256, trustRoot);
  for (const role of ring.roles) {
    const listed = listedKey(verifier, root, role, kidOf(sha256, ring.publicKey(role)));
    demand(listed, 'UNKNOWN_KEY', `the trust root does not list the ${role} key of this folder`);
  }
}
