/** One orderer and its peers over real sockets in one process; between them, where a test wants it, somebody who lies. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { peerRoutes } from '@countersign/broker/face/api/peer-routes';
import type { ApiPart } from '@countersign/broker/face/up/parts';
import type { LedgerSource } from '@countersign/broker/ledger/client';
import { openLedger } from '@countersign/broker/ledger/embedded/engine';
import type { EmbeddedLedger } from '@countersign/broker/ledger/embedded/source';
import { encodeBlock, encodeHeader, readBlock, signHeader } from '@countersign/broker/ledger/log/block';
import { cosignedFile } from '@countersign/broker/ledger/peer/cosigned-file';
import { CosignedHeads } from '@countersign/broker/ledger/peer/cosigned-heads';
import { cosignedSource } from '@countersign/broker/ledger/peer/cosigned-source';
import { httpPeerLink } from '@countersign/broker/ledger/peer/link';
import { type BlocksAnswer, encodeBlocksAnswer } from '@countersign/broker/ledger/peer/messages';
import { openPeer } from '@countersign/broker/ledger/peer/open-peer';
import type { Peer, PeerEvent, PeerOptions } from '@countersign/broker/ledger/peer/peer';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import { publicKeyOf, readSignedRoot, type Signer, type TrustRoot } from '@countersign/device-sdk/format';
import type { ExecutionContext } from 'ava';
import { SILENT } from '../support/silent-log.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  nextReport,
  sha256,
  verifier,
  type World,
  type WorldOptions,
} from './ledger-world.ts';

export const TOKEN = 'a-token-for-this-test';

/** A peer of a test: its folder outlives it. */
export interface TestPeer {
  dir: string;
  signer: Signer;
  peer: Peer;
  url: string;
  events: PeerEvent[];
  close(): Promise<void>;
}

export class PeerBed {
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly signers: Signer[];
  readonly device = newDevice();
  world!: World;
  root!: TrustRoot;
  heads!: CosignedHeads;
  shown!: LedgerSource;
  url!: string;

  private constructor(signers: Signer[]) {
    this.signers = signers;
  }

  /** @param peers how many, or their keys */
  static async open(
    t: Pick<ExecutionContext, 'teardown'>,
    peers: number | Signer[] = 3,
    quorum = 2,
    change: Pick<WorldOptions, 'begins' | 'ecdsa'> = {},
  ) {
    const bed = new PeerBed(typeof peers === 'number' ? Array.from({ length: peers }, () => newSigner()) : peers);
    t.teardown(() => bed.close());
    bed.world = await newWorld({
      peers: bed.signers.map(publicKeyOf),
      quorum,
      ...change,
    });
    bed.#ends.push(() => bed.world.end());
    await addProduct(bed.world);
    await enrolDevices(bed.world, [bed.device]);
    bed.root = readSignedRoot(sha256, bed.world.rootBytes).root;
    Object.assign(bed, await bed.serve(bed.world.ledger, bed.world.dir));
    return bed;
  }

  /** Serves a ledger as `up` does. */
  async serve(ledger: EmbeddedLedger, dir: string) {
    const file = cosignedFile(join(dir, 'ledger'));
    const heads = await CosignedHeads.open({ inside: ledger.inside, verifier, file, names: true });
    const shown = cosignedSource(ledger, heads);
    const { url, close } = await listen([ledgerRoutes(shown), peerRoutes(ledger.inside, heads)]);
    this.#ends.push(async () => {
      await shown.close();
      await close();
    });
    return { heads, shown, url };
  }

  /** @param follow addresses; the orderer's by default */
  async peer(n: number, follow: string[] = [this.url], kept?: string, change: Partial<PeerOptions> = {}) {
    const dir = kept ?? (await mkdtemp(join(tmpdir(), 'countersign-peer-')));
    if (!kept) this.#ends.push(() => rm(dir, { recursive: true, force: true }));
    const signer = this.signers[n]!;
    const events: PeerEvent[] = [];
    const peer = await openPeer({
      ...{ dir, signer, trustRoot: this.world.rootBytes, verifier, contents: [] },
      links: follow.map((url) => httpPeerLink(url, TOKEN)),
      store: fileBlobStore(join(dir, 'peer'), sha256),
      now: () => this.world.clock.now,
      tell: (event) => events.push(event),
      ...change,
    });
    const shown = cosignedSource(peer.ledger, peer.heads);
    const server = await listen([ledgerRoutes(shown), peerRoutes(peer.ledger.inside, peer.heads)]);
    let closing: Promise<void> | undefined;
    const close = () =>
      (closing ??= (async () => {
        await shown.close();
        await peer.close();
        await server.close();
      })());
    this.#ends.push(close);
    return { dir, signer, peer, url: server.url, events, close } satisfies TestPeer;
  }

  /** Somebody between peer and orderer who changes answers. */
  async liar(upstream: string, lie: (answer: BlocksAnswer, from: number) => Promise<BlocksAnswer> | BlocksAnswer) {
    const link = httpPeerLink(upstream, TOKEN);
    const app = await listen([
      async (api) => {
        api.get<{ Querystring: Record<string, string> }>('/api/v1/ledger/blocks', async ({ query }, reply) => {
          const from = Number(query.from);
          const answer = await lie(await link.blocks(from, Number(query.count), Number(query.mark)), from);
          return reply.type('application/cbor').send(Buffer.from(encodeBlocksAnswer(answer)));
        });
        api.post('/api/v1/ledger/cosignatures', async ({ body }) => {
          await link.push(new Uint8Array(body as Buffer));
          return { taken: true };
        });
      },
    ]);
    this.#ends.push(async () => {
      link.close();
      await app.close();
    });
    return app.url;
  }

  /** The ledger as it is now, once more with the same keys: the beginning of a second history. */
  async copy(): Promise<EmbeddedLedger & { url: string }> {
    const dir = await mkdtemp(join(tmpdir(), 'countersign-fork-'));
    this.#ends.push(() => rm(dir, { recursive: true, force: true }));
    for (const name of ['0000000000.blocks', 'head']) {
      await cp(join(this.world.dir, 'ledger', name), join(dir, 'ledger', name));
    }
    const { orderer, log } = this.world.keys;
    const now = () => this.world.clock.now;
    const ledger = await openLedger(dir, { ordererSigner: orderer, logSigner: log, verifier, now });
    this.#ends.push(() => ledger.close());
    const { url } = await this.serve(ledger, dir);
    return Object.assign(ledger, { url });
  }

  /** One more entry, in a block of its own: a device is enrolled. */
  async write(ledger: EmbeddedLedger = this.world.ledger): Promise<void> {
    await enrolDevices({ ...this.world, ledger }, [newDevice()]);
  }

  /** A block of the orderer's own hand with something changed in it, signed by its keys. */
  async forge(
    bytes: Uint8Array,
    change: (block: ReturnType<typeof readBlock>) => Partial<ReturnType<typeof readBlock>>,
  ) {
    const block = readBlock(bytes);
    const { header, transactions, head } = { ...block, ...change(block) };
    const signature = await signHeader(sha256, encodeHeader(header), this.world.keys.orderer);
    return encodeBlock(header, transactions, signature, head);
  }

  /** A next block whose tree has one entry more than it shows: that one is logged, and hidden. */
  async hiddenEntry(): Promise<Uint8Array> {
    const { number } = this.world.ledger.inside.standing.point;
    const fork = await this.copy();
    await fork.submit(await nextReport(this.device));
    await fork.submit(await nextReport(this.device));
    const [shown, whole] = [await fork.inside.reader.block(number), await fork.inside.reader.block(number + 1)];
    const { header, transactions } = readBlock(shown);
    const { previousHash, dataHash } = header;
    return this.forge(whole, (block) => ({
      transactions,
      header: { ...block.header, number, previousHash, dataHash },
    }));
  }

  /** Every peer has signed the newest head. */
  get signedByAll(): boolean {
    const { size, published, signers } = this.heads.state();
    return published === size && signers.length === this.signers.length;
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }
}

async function listen(routes: ApiPart['routes']) {
  const app = createApi({
    server: 'test',
    gate: { accepts: (authorization) => authorization === `Bearer ${TOKEN}` },
    log: SILENT,
  });
  for (const route of routes) await app.register(route);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

/** Waits for something, and says what it waited for. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
