/** Row 28 as a peer meets it: a true one over a true socket follows an orderer whose keys are the adversary's. */
import { join } from 'node:path';
import { setTimeout as passed } from 'node:timers/promises';
import { createApi } from '@countersign/broker/face/api/app';
import { peerRoutes } from '@countersign/broker/face/api/peer-routes';
import { tokenGate } from '@countersign/broker/face/api/token';
import { encodeBlock, encodeHeader, readBlock, signHeader } from '@countersign/broker/ledger/log/block';
import { cosignedFile } from '@countersign/broker/ledger/peer/cosigned-file';
import { CosignedHeads } from '@countersign/broker/ledger/peer/cosigned-heads';
import { httpPeerLink, type PeerLink } from '@countersign/broker/ledger/peer/link';
import type { BlocksAnswer } from '@countersign/broker/ledger/peer/messages';
import { openPeer } from '@countersign/broker/ledger/peer/open-peer';
import type { Peer } from '@countersign/broker/ledger/peer/peer';
import { fileBlobStore } from '@countersign/broker/store/file-blobs';
import type { Code } from '@countersign/device-sdk';
import { publicKeyOf, signHead } from '@countersign/device-sdk/format';
import type { Ground, Variant } from '../attack.ts';
import {
  addProduct,
  enrolDevices,
  newDevice,
  newSigner,
  newWorld,
  sha256,
  verifier,
  type World,
} from '../server/ledger-world.ts';

const TOKEN = 'x'.repeat(43);
const LOG = { debug() {}, info() {}, warn() {}, error() {} };
/** On a busy machine; a peer that notices nothing by then has not noticed. */
const NOTICED_MS = 60_000;

type Lie = (answer: BlocksAnswer) => BlocksAnswer | Promise<BlocksAnswer>;

/** The peer has cosigned what there is; then the orderer lies, and writes. It may sign nothing more. */
function lying(
  how: string,
  expect: Code,
  lie: (world: World) => Lie | Promise<Lie>,
  codeOfPeer: (peer: Peer) => string | undefined = codeOfObjection,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const signer = newSigner();
      const world = await newWorld({ peers: [publicKeyOf(signer)], quorum: 1 });
      ground.after(() => world.end());
      await addProduct(world);
      const { heads, url } = await orderer(ground, world);
      let tell: Lie = (answer) => answer;
      const dir = await ground.folder();
      const peer = await openPeer({
        ...{ dir, signer, trustRoot: world.rootBytes, verifier, contents: [] },
        links: [through(url, (answer) => tell(answer))],
        store: fileBlobStore(join(dir, 'peer'), sha256),
        now: () => world.clock.now,
      });
      ground.after(() => peer.close());
      const honest = world.ledger.inside.standing.head.head.size;
      if (!(await until(() => heads.size === honest && peer.state().cosigned === honest)))
        return { harm: 'the peer never cosigned what is true', codes: [] };
      tell = await lie(world);
      await enrolDevices(world, [newDevice()]);
      await until(() => codeOfPeer(peer) !== undefined || peer.state().cosigned !== honest);
      const { cosigned } = peer.state();
      const harm = cosigned === honest ? undefined : `the peer cosigned ${cosigned} entries`;
      const code = codeOfPeer(peer);
      return { harm, codes: code === undefined ? [] : [code] };
    },
  };
}

async function orderer(ground: Ground, { ledger, dir }: World) {
  const file = cosignedFile(join(dir, 'ledger'));
  const heads = await CosignedHeads.open({ inside: ledger.inside, verifier, file, names: true });
  const app = createApi({ server: 'attacked', gate: tokenGate(TOKEN), log: LOG });
  ground.after(() => app.close());
  await app.register(peerRoutes(ledger.inside, heads));
  return { heads, url: await app.listen({ host: '127.0.0.1', port: 0 }) };
}

/** Whoever has the orderer's keys needs nobody between: he says himself what he says. */
function through(url: string, lie: Lie): PeerLink {
  const link = httpPeerLink(url, TOKEN);
  return { ...link, blocks: async (from, most, mark) => lie(await link.blocks(from, most, mark)) };
}

/** What it has as evidence, or why it holds back. */
function codeOfObjection(peer: Peer): string | undefined {
  const { holdsBack } = peer.state();
  return peer.evidence[0]?.code ?? /^[A-Z_]+/.exec(holdsBack ?? '')?.[0];
}

/** The same, or what it has against the answers of its source. */
function codeOfAnswer(peer: Peer): string | undefined {
  return codeOfObjection(peer) ?? /^[A-Z_]+/.exec(peer.state().sources[0]!.problem ?? '')?.[0];
}

async function until(done: () => boolean): Promise<boolean> {
  for (const end = Date.now() + NOTICED_MS; Date.now() < end; await passed(20)) if (done()) return true;
  return done();
}

/** The head that the peer is asked to sign, with this changed and signed by the log's key. */
async function asked(world: World, change: { root?: Uint8Array; time?: number }): Promise<Lie> {
  const head = { ...world.ledger.inside.standing.head.head, ...change };
  const signed = await signHead(sha256, head, world.keys.log);
  return (answer) => ({ ...answer, wanted: { signed, root: head.root, cosignatures: [] } });
}

export const peerRows: Variant[] = [
  lying('has the log’s key, and asks a peer to cosign another tree of the same size', 'SPLIT_VIEW', (world) =>
    asked(world, { root: new Uint8Array(32).fill(7) }),
  ),
  lying('has the log’s key, and asks a peer to cosign a head of the future', 'BAD_HEAD', (world) =>
    asked(world, { time: world.clock.now + 100_000 }),
  ),
  lying('has the orderer’s key, and gives a peer a state that the contract does not reach', 'BAD_BLOCK', (world) => {
    return async (answer) => ({
      ...answer,
      blocks: await Promise.all(answer.blocks.map((bytes) => forged(world, bytes))),
    });
  }),
  lying(
    'leaves out a block on its way to a peer, so that it accuses its orderer',
    'UNREACHABLE',
    (world) => async (answer) => {
      if (answer.blocks.length === 1) await enrolDevices(world, [newDevice()]);
      return { ...answer, blocks: answer.blocks.slice(1) };
    },
    codeOfAnswer,
  ),
];

async function forged({ keys }: World, bytes: Uint8Array): Promise<Uint8Array> {
  const { header, transactions, head } = readBlock(bytes);
  const changed = { ...header, writesHash: sha256(header.writesHash) };
  return encodeBlock(changed, transactions, await signHeader(sha256, encodeHeader(changed), keys.orderer), head);
}
