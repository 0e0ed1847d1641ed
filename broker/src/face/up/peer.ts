/** A peer as a process: its key, its copy, its API. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import type { Signer } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { silentLog } from '../../distribution/ports.ts';
import type { LedgerSource } from '../../ledger/client.ts';
import type { OpenOwnOrder } from '../../ledger/mirror/own-order.ts';
import { cosignedSource } from '../../ledger/peer/cosigned-source.ts';
import { httpPeerLink } from '../../ledger/peer/link.ts';
import { openPeer } from '../../ledger/peer/open-peer.ts';
import type { Peer, PeerEvent, PeerState } from '../../ledger/peer/peer.ts';
import { storedBlocks } from '../../store/blocks.ts';
import { writeDurable } from '../../store/durable.ts';
import { type FileBlobStore, fileBlobStore } from '../../store/file-blobs.ts';
import { httpBlobs } from '../../store/http-blobs.ts';
import { blobRoutes } from '../api/blob-routes.ts';
import { blockFileRoutes } from '../api/block-file-routes.ts';
import { ipfsRoutes } from '../api/ipfs-routes.ts';
import { ledgerRoutes } from '../api/ledger-routes.ts';
import { PEER } from '../api/openapi/ledger-operations.ts';
import { peerRoutes } from '../api/peer-routes.ts';
import { queryRoutes } from '../api/query-routes.ts';
import type { Endpoints } from '../client/session.ts';
import { Alarms } from '../events/alarms.ts';
import { ledgerFigures, peerFigures } from '../metrics/ledger-figures.ts';
import { contentFigures } from '../metrics/server-figures.ts';
import { readClientToken } from './client-token.ts';
import { readEndpointFile } from './endpoint-file.ts';
import { clientTokenPath, serverFolder, trustRootPath } from './folders.ts';
import { openServerKeys, type ServerKeys, serverKeys } from './identities.ts';
import { originOf, readTrustRoot } from './ledger.ts';
import { adoptKeys } from './new-keys.ts';
import { type Closers, lockFolder, type Running, type StartOptions, serve, started } from './parts.ts';
import { auditorsOfPeer, witnessedIn } from './peer-auditors.ts';
import type { Other } from './start-one.ts';

/** An orderer and as many peers as a trust root can name. */
export const FOLLOWED_MAX = 17;

export interface StartPeerOptions extends StartOptions {
  /** The orderer first; then, if wanted, other peers, who tell of cosignatures and of another history. */
  follow: readonly Other[];
  /** Where images and payloads are, if not with those followed. */
  contents?: readonly Other[] | undefined;
  /** Where an outside engine decides the order: what this peer's own node of it says. */
  order?: OpenOwnOrder | undefined;
  /** Trust root 1, from outside; kept in the folder after the first start. */
  trustRoot?: Uint8Array | undefined;
}

export interface RunningPeer extends Running {
  readonly peer: Peer;
  readonly keys: ServerKeys;
}

/**
 * @throws Refusal BAD_REQUEST where the first start lacks the trust root; UNREACHABLE where it finds nobody to copy from;
 * BAD_ROOT for another ledger; LOCKED, BAD_STORE, TORN, BAD_BLOCK for a damaged folder
 */
export async function startPeer(options: StartPeerOptions): Promise<RunningPeer> {
  return started(async (closers) => {
    const { data, follow, contents = follow, verifier = nodeVerifier() } = options;
    const alarms = new Alarms();
    const log = alarms.heardIn(options.log ?? silentLog);
    const good = follow.length >= 1 && follow.length <= FOLLOWED_MAX;
    demand(good, 'BAD_REQUEST', `a peer follows an orderer, and at most ${FOLLOWED_MAX} in all`);
    await lockFolder(data, closers);
    const ring = await openServerKeys(data, 'peer', { create: true, passphrase: options.passphrase });
    const trustRoot = await pinFirst(options);
    const origin = originOf(verifier, trustRoot);
    const store = fileBlobStore(serverFolder(data, 'peer'), verifier.sha256);
    const peer = await openPeer({
      ...{ dir: data, signer: ring.signer('peer'), trustRoot, store, verifier, order: options.order },
      witnessed: witnessedIn(data),
      adopted: (root) => adoptKeys(ring, root, log),
      links: follow.map(({ url, token }) => httpPeerLink(url, token)),
      contents: contents.map(({ url, token }) => httpBlobs(url, token, verifier.sha256)),
      tell: (event) => say(log, event),
    });
    closers.add(() => peer.close());
    const part = { store, origin, verifier, orderer: follow[0]!.url, signer: ring.signer('peer'), alarms };
    const running = await servePeer({ ...options, log }, peer, part, closers);
    return Object.assign(running, { peer, keys: serverKeys('peer', ring) });
  });
}

function say(log: NonNullable<StartOptions['log']>, { level, code, text }: PeerEvent): void {
  log[level]({ ...(code && { code }) }, text);
}

function servePeer(
  options: StartPeerOptions,
  peer: Peer,
  part: { store: FileBlobStore; origin: string; verifier: Verifier; orderer: string; signer: Signer; alarms: Alarms },
  closers: Closers,
): Promise<Running> {
  const { store, origin, orderer, alarms } = part;
  const shown: LedgerSource = cosignedSource(peer.ledger, peer.heads);
  closers.add(() => shown.close());
  const routes = [
    ledgerRoutes(shown),
    peerRoutes(peer.ledger.inside, peer.heads),
    blockFileRoutes(serverFolder(options.data, 'ledger')),
    queryRoutes({ ledger: shown }),
    blobRoutes(store),
    ipfsRoutes(storedBlocks(store), options.openGateway === true),
    peerStateRoutes(() => peer.state()),
    ...auditorsOfPeer({ ...part, data: options.data, peer }, closers),
  ];
  const endpoints = (url: string): Endpoints => ({
    ...{ servers: ['peer'], origin, ledger: url, orderer },
    ...{ collection: null, distribution: null, mqtt: null, devices: null, brokerId: null },
  });
  const figures = [
    ledgerFigures(peer.ledger, peer.heads),
    contentFigures(serverFolder(options.data, 'peer')),
    peerFigures(() => peer.state()),
  ];
  return serve(options, { server: 'peer', ledger: shown, alarms, origin, routes, figures, endpoints }, closers);
}

function peerStateRoutes(state: () => PeerState): Parameters<typeof serve>[1]['routes'][number] {
  return async (app) => {
    app.get('/api/v1/peer', { schema: PEER }, async () => state());
  };
}

/** What the operator gave at the first start stays. */
async function pinFirst({ data, trustRoot }: StartPeerOptions): Promise<Uint8Array> {
  const path = trustRootPath(data);
  if (!existsSync(path)) {
    const text = 'the first start needs trust root 1: --trust FILE, trust-root.cbor of the orderer';
    demand(trustRoot, 'BAD_REQUEST', text);
    originOf(nodeVerifier(), trustRoot);
    await writeDurable(path, trustRoot);
  }
  return readTrustRoot(path);
}

/** A folder of `up` or `peer` on this machine: address and token stand in it. @throws Refusal NOT_FOUND, UNAUTHORIZED */
export async function serverIn(data: string): Promise<Other & { trust: string }> {
  const { url } = await readEndpointFile(data);
  const token = await readClientToken(clientTokenPath(data));
  if (token === undefined) throw new Refusal('UNAUTHORIZED', `${join(data, 'client-token')} is not there`);
  return { url, token, trust: trustRootPath(data) };
}
