/** Row 29 at a peer's copy of the ledger and its notes, and rows 18 and 34 on the line between a peer and its orderer. */
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createChain, openChain, type PeerChain } from '@countersign/broker/ledger/peer/chain';
import { openEvidence } from '@countersign/broker/ledger/peer/evidence';
import { httpPeerLink, type PeerLink } from '@countersign/broker/ledger/peer/link';
import { BLOCKS_ANSWER_BYTES_MAX, BLOCKS_MAX, readCosignedHead } from '@countersign/broker/ledger/peer/messages';
import type { Code } from '@countersign/device-sdk';
import { encode } from '@countersign/device-sdk/format';
import type { Ground, Variant } from '../attack.ts';
import { newWorld, verifier, type World } from '../server/ledger-world.ts';
import { codeFrom, inWorld, refused } from '../server/try.ts';

const TOKEN = 'x'.repeat(43);

async function firstBlock({ ledger }: World): Promise<Uint8Array> {
  return ledger.inside.reader.block(0);
}

/** The trust root that the peer's operator has, of another ledger than the adversary's. */
async function pinnedElsewhere(ground: Ground): Promise<Uint8Array> {
  const other = await newWorld();
  ground.after(() => other.end());
  return other.rootBytes;
}

async function copyOf(world: World, dir: string): Promise<PeerChain> {
  await createChain(dir, await firstBlock(world), world.rootBytes, verifier);
  return openChain(dir, world.rootBytes, verifier);
}

/** Asks a copy for what is its orderer's alone. */
function asked(how: string, expect: Code, work: (chain: PeerChain, world: World) => unknown): Variant {
  return inWorld(how, expect, async (world, ground) => {
    const chain = await copyOf(world, await ground.folder());
    ground.after(() => chain.ledger.close());
    return async () => work(chain, world);
  });
}

async function lastEntry({ ledger }: World): Promise<Uint8Array> {
  return (await ledger.entries(ledger.inside.standing.head.head.size - 1, 1))[0]!;
}

export const copyRows: Variant[] = [
  inWorld('gives a new peer the first block of another ledger', 'BAD_ROOT', async (world, ground) => {
    const [dir, pinned] = [await ground.folder(), await pinnedElsewhere(ground)];
    const first = await firstBlock(world);
    return () => createChain(dir, first, pinned, verifier);
  }),
  inWorld('puts the copy of another ledger into a peer’s folder', 'BAD_ROOT', async (world, ground) => {
    const [dir, pinned] = [await ground.folder(), await pinnedElsewhere(ground)];
    await (await copyOf(world, dir)).ledger.close();
    return async () => {
      const chain = await openChain(dir, pinned, verifier);
      ground.after(() => chain.ledger.close());
    };
  }),
  asked('submits a statement to a peer', 'NOT_PERMITTED', async ({ ledger }, world) =>
    ledger.submit(await lastEntry(world)),
  ),
  asked('gives a peer an order of its own', 'NOT_PERMITTED', async ({ ledger }, world) =>
    ledger.append([await lastEntry(world)]),
  ),
  asked('asks a peer to sign a new head', 'NOT_PERMITTED', ({ ledger }) => ledger.refreshHead()),
  asked('asks a peer for a checkpoint of the log', 'NOT_FOUND', ({ ledger }) => ledger.checkpoint()),
  noted('hides the folder of the evidence behind a file', async (folder) => {
    const path = join(folder, 'evidence');
    await writeFile(path, '');
    return path;
  }),
  noted('damages the evidence against the orderer', async (folder) => {
    await writeFile(join(folder, '000.json'), '{');
    return folder;
  }),
  refused('gives a server a cosigned head of another version', 'UNSUPPORTED', () =>
    readCosignedHead(encode([2, [new Uint8Array(1), new Uint8Array(32), []]])),
  ),
  answered('answers a peer in another version', 'UNSUPPORTED', (_request, response) =>
    response.end(answerOf({ version: 2 })),
  ),
];

/** A peer that forgets what it has seen would sign again. */
function noted(how: string, spoil: (folder: string) => Promise<string>): Variant {
  return {
    how,
    expect: 'BAD_STORE',
    async run(ground) {
      const path = await spoil(await ground.folder());
      const code = await codeFrom(openEvidence(path));
      return { harm: code ? undefined : 'the peer has no evidence any more', codes: code ? [code] : [] };
    },
  };
}

/** A server that says what the adversary likes; the peer asks it for blocks. */
function answered(how: string, expect: Code, listener: RequestListener): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const link = linkTo(ground, await serve(ground, listener));
      const code = await codeFrom(link.blocks(0, 1, 0));
      return { harm: code ? undefined : 'the answer was taken', codes: code ? [code] : [] };
    },
  };
}

function linkTo(ground: Ground, url: string): PeerLink {
  const link = httpPeerLink(url, TOKEN);
  ground.after(() => link.close());
  return link;
}

async function serve(ground: Ground, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ground.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answerOf({ version = 1, blocks = [] as Uint8Array[] }): Uint8Array {
  return encode([version, 1, blocks, new Uint8Array(1), null, null]);
}

export const peerDataRows: Variant[] = [
  answered('answers a peer with more than an answer can hold', 'TOO_LARGE', (_request, response) =>
    response.end(new Uint8Array(BLOCKS_ANSWER_BYTES_MAX + 1)),
  ),
  answered('answers a peer with more blocks than an answer may have', 'TOO_LARGE', (_request, response) =>
    response.end(answerOf({ blocks: Array.from({ length: BLOCKS_MAX + 1 }, () => new Uint8Array(1)) })),
  ),
  answered('breaks an answer to a peer off', 'UNREACHABLE', (_request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('x', () => response.destroy());
  }),
];

/** Row 34: whoever stands in the orderer's place sends the peer elsewhere, for its token. */
export const peerRedirectRow: Variant = {
  how: 'sends a peer with its cosignature to another server',
  expect: 'UNREACHABLE',
  async run(ground) {
    let heard: string | undefined;
    const thief = await serve(ground, (request, response) => {
      heard = request.headers.authorization ?? 'a question without a token';
      response.end(answerOf({}));
    });
    const url = await serve(ground, (request, response) => {
      response.writeHead(307, { location: `${thief}${request.url}` }).end();
    });
    const code = await codeFrom(linkTo(ground, url).push(new Uint8Array(1)));
    return { harm: heard && `the other server was given ${heard}`, codes: code ? [code] : [] };
  },
};
