/**
 * The servers as functions: for `up`, for tests, and for whoever runs them inside a process of his own. All three in
 * one process are still three objects with three folders and three sets of keys.
 */
import { Refusal, type Verifier } from '@countersign/device-sdk';
import type { Signer } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { silentLog } from '../../distribution/ports.ts';
import { hasFurtherKeys, listPeopleKeys, loadPerson } from '../../keys/people.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { PersonRole } from '../../ledger/contract/args.ts';
import type { PersonView } from '../../ledger/contract/views.ts';
import { holdings } from '../../ledger/peer/holdings.ts';
import { storedBlocks } from '../../store/blocks.ts';
import type { FileBlobStore } from '../../store/file-blobs.ts';
import { httpBlobs } from '../../store/http-blobs.ts';
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
import { apiClient } from '../client/api-client.ts';
import { openSession } from '../client/session.ts';
import { Alarms } from '../events/alarms.ts';
import { ledgerFigures } from '../metrics/ledger-figures.ts';
import { contentFigures } from '../metrics/server-figures.ts';
import { auditorsOf, type WitnessOptions } from './auditors.ts';
import { openCollectionPart } from './collection.ts';
import { knowledgeOf, type MqttLogin, openDistributionPart } from './distribution.ts';
import { peopleFolder, serverFolder } from './folders.ts';
import { type FirstPerson, openServerKeys, serverKeys } from './identities.ts';
import { hasIssued, issueOwn } from './issued.ts';
import { type FirstStart, isFirstStart, openLedgerPart, type Quorum } from './ledger.ts';
import { followKeys } from './new-keys.ts';
import { lockFolder, type Running, type StartOptions, serve, started } from './parts.ts';
import { watchQuorum } from './quorum-watch.ts';
import { publishSamples } from './samples.ts';
import { sharedVerifier } from './shared-verifier.ts';
import type { Other } from './start-one.ts';

export * from './start-one.ts';

export interface StartAllOptions extends StartOptions, FirstStart, WitnessOptions {
  mqttPort?: number | undefined;
  mqttUrl?: string | undefined;
  mqttLogin?: MqttLogin | undefined;
  devicePort?: number | undefined;
  deviceCa?: string | undefined;
  enrol?: EnrolAuthority | undefined;
  /** Where the content of confirmed releases can be had again, after the ledger was brought back. */
  contents?: readonly Other[] | undefined;
  /** Publish the first release of each sample product. Default true. */
  samples?: boolean | undefined;
  /** Told what is being done. */
  tell?: ((text: string) => void) | undefined;
}

export interface RunningAll extends Running {
  /** People whose keys this start made. */
  readonly made: readonly FirstPerson[];
  readonly quorum: Quorum;
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
    const { data, tell = () => undefined } = options;
    const alarms = new Alarms();
    const log = alarms.heardIn(options.log ?? silentLog);
    const verifier = sharedVerifier(options.verifier ?? nodeVerifier());
    await lockFolder(data, closers);
    const create = isFirstStart(data);
    const rings = await openRings(data, create, options.passphrase);
    const others = [serverKeys('collection', rings.collection), serverKeys('distribution', rings.distribution)];
    const { ledger, heads, shown, trustRoot, made, quorum } = await openLedgerPart(
      data,
      verifier,
      others,
      options,
      closers,
    );
    watchQuorum(heads, log, closers);
    const { origin } = ledger;
    await followKeys({ ledger, ring: rings.collection, pinned: trustRoot, verifier, log }, closers);
    const { collection, blobs } = openCollectionPart(
      { data, ring: rings.collection, ledger, origin, verifier, log },
      closers,
    );
    if (options.contents) await fetchContents(ledger, blobs, options.contents, verifier, tell);
    const part = await openDistributionPart(
      { ...options, ring: rings.distribution, ledger: shown, blobs, trustRoot, origin, verifier, log },
      closers,
    );
    const { distribution } = part;
    const running = await serve(
      { ...options, log },
      {
        server: 'ledger, collection and distribution',
        ...{ ledger: shown, holdsLedger: true, origin },
        routes: [
          ledgerRoutes(shown),
          peerRoutes(ledger.inside, heads),
          auditorsOf(ledger, heads, options, verifier, closers),
          blockFileRoutes(serverFolder(data, 'ledger')),
          queryRoutes({ ledger: shown, devices: knowledgeOf(part) }),
          blobRoutes(blobs),
          ipfsRoutes(storedBlocks(blobs), options.openGateway === true),
          passportRoutes({ ledger, blobs, verifier }),
          collectionRoutes(collection),
          distributionRoutes(distribution, { ledger, blobs, verifier }),
          listRoutes(distribution.lists, ledger),
        ],
        alarms,
        figures: [ledgerFigures(ledger, heads), contentFigures(serverFolder(data, 'collection')), ...part.figures],
        endpoints: (url) => ({
          servers: ['ledger', 'collection', 'distribution'],
          origin,
          ledger: url,
          collection: url,
          distribution: url,
          mqtt: part.mqtt,
          devices: part.devices ?? null,
          brokerId: part.brokerId,
        }),
      },
      closers,
    );
    await issueIssued(running, options, verifier, tell);
    const published = options.samples === false ? [] : await samplesOf(running, options, verifier, tell);
    return { ...running, deviceRoutes: part.deviceRoutes, made, quorum, samples: published };
  });
}

/** The collection server's store may have been lost with the ledger: peers hold what is confirmed. */
async function fetchContents(
  ledger: LedgerClient,
  store: FileBlobStore,
  contents: readonly Other[],
  verifier: Verifier,
  tell: (text: string) => void,
): Promise<void> {
  const sources = contents.map(({ url, token }) => httpBlobs(url, token, verifier.sha256));
  const missing = await holdings({ ledger, store, sources, verifier }).fetch();
  if (missing) tell(`the content of ${missing.release} could not be had from the peers: ${missing.text}`);
}

async function openRings(data: string, create: boolean, passphrase: string | undefined) {
  const options = { create, passphrase };
  const collection = await openServerKeys(data, 'collection', options);
  return { collection, distribution: await openServerKeys(data, 'distribution', options) };
}

/** A first start with keys of a centre: the trust root names them, and the operator made here puts them on the record. */
async function issueIssued(
  { url, token }: Running,
  { data, passphrase, tls }: StartAllOptions,
  verifier: Verifier,
  tell: (text: string) => void,
): Promise<void> {
  if (token === undefined || tls || !hasIssued(data)) return;
  const session = await openSession(apiClient(url, token), verifier);
  const people = (await session.api.get('/api/v1/people')) as PersonView[];
  await issueOwn(session, await keyWith(data, people, 'operator', passphrase), data, tell);
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
  try {
    return await publishSamples(session, { engineer, approver }, tell);
  } catch (error) {
    // A product of the same name, nodes of a chain that have yet to vote: no reason to keep the servers from everybody.
    if (!(error instanceof Refusal)) throw error;
    return leftOut(`${error.code}, ${error.message}`);
  }
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
  if (!found) return undefined;
  const inForce = hasFurtherKeys(peopleFolder(data), found.name) ? found.publicKey : undefined;
  return loadPerson(peopleFolder(data), found.name, passphrase, inForce);
}
