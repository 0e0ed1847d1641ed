/** Row 28 where cosignatures are made, counted and shown: no signature beside another, and no head before its quorum. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keptHead } from '@countersign/broker/ledger/kept-head';
import { cosignedFile } from '@countersign/broker/ledger/peer/cosigned-file';
import { CosignedHeads } from '@countersign/broker/ledger/peer/cosigned-heads';
import { cosignedSource } from '@countersign/broker/ledger/peer/cosigned-source';
import { openCosigner, type Witnessed } from '@countersign/broker/ledger/peer/cosigner';
import type { CosignedHead } from '@countersign/broker/ledger/peer/messages';
import {
  encode,
  type Head,
  leafHash,
  OPEN,
  publicKeyOf,
  readHead,
  type Signer,
  signHead,
} from '@countersign/device-sdk/format';
import type { Ground, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import {
  CLASS,
  command,
  enrolDevices,
  newDevice,
  newSigner,
  person,
  planOf,
  publish,
  sha256,
  statementOf,
  verifier,
  type World,
} from '../server/ledger-world.ts';
import { kidIn, logRoot } from '../server/next-roots.ts';
import { inWorld } from '../server/try.ts';

const QUORUM = { quorum: 1 };

const newest = ({ ledger }: World): Head => ledger.inside.standing.head.head;

async function grow(world: World): Promise<void> {
  await enrolDevices(world, [newDevice()]);
}

async function cosignerOf(world: World, ground: Ground, witnessed?: Witnessed) {
  const path = join(await ground.folder(), 'cosigned.cbor');
  const now = () => world.clock.now;
  const open = () => openCosigner(path, world.keys.peer, { inside: world.ledger.inside, verifier, now, witnessed });
  return { path, open };
}

/** The peer has signed the newest head; then it is asked for another. */
function asksAgain(how: string, expect: 'STALE' | 'SPLIT_VIEW', change: (newest: Head, former: Head) => Head): Variant {
  return inWorld(
    how,
    expect,
    async (world, ground) => {
      const former = newest(world);
      await grow(world);
      const cosigner = await (await cosignerOf(world, ground)).open();
      await cosigner.sign(newest(world));
      return () => cosigner.sign(change(newest(world), former));
    },
    QUORUM,
  );
}

/** The same key has cosigned something else as a witness. */
function witness(
  how: string,
  expect: 'STALE' | 'SPLIT_VIEW',
  seen: (head: Head) => { size: number; root: Uint8Array },
) {
  return inWorld(
    how,
    expect,
    async (world, ground) => {
      const cosigner = await (await cosignerOf(world, ground, async () => seen(newest(world)))).open();
      return () => cosigner.sign(newest(world));
    },
    QUORUM,
  );
}

/** What a peer remembers of its last signature, put in its place by somebody else. */
function remembered(how: string, bytes: (head: Head) => Uint8Array): Variant {
  return inWorld(
    how,
    'BAD_STORE',
    async (world, ground) => {
      const { path, open } = await cosignerOf(world, ground);
      await writeFile(path, bytes(newest(world)));
      return async () => (await open()).sign(newest(world));
    },
    QUORUM,
  );
}

/** The orderer's collection of cosignatures, and the file in which it remembers the newest head with a quorum. */
async function headsOf({ ledger }: World, ground: Ground) {
  const file = cosignedFile(await ground.folder());
  const open = async () => {
    const heads = await CosignedHeads.open({ inside: ledger.inside, verifier, file, names: true });
    ground.after(() => heads.end());
    return heads;
  };
  return { heads: await open(), open };
}

/** A cosignature that comes to the orderer. */
function handsOver(
  how: string,
  expect: 'UNKNOWN_KEY' | 'BAD_SIGNATURE' | 'STALE',
  make: (world: World) => Promise<Uint8Array>,
): Variant {
  return inWorld(
    how,
    expect,
    async (world, ground) => {
      const { heads } = await headsOf(world, ground);
      const bytes = await make(world);
      return () => heads.add(bytes);
    },
    QUORUM,
  );
}

/** A head with the log's signature and a whole quorum, both by thieves of the keys. */
async function withQuorum({ keys }: World, head: Head): Promise<CosignedHead> {
  const { kid, alg, sign1 } = readHead(await signHead(sha256, head, keys.peer));
  const cosignatures = [{ kid, alg, signature: sign1.signature }];
  return { signed: await signHead(sha256, head, keys.log), root: head.root, cosignatures };
}

function adopts(how: string, prepare: (world: World) => Promise<Head>): Variant {
  return inWorld(
    how,
    'SPLIT_VIEW',
    async (world, ground) => {
      const message = await withQuorum(world, await prepare(world));
      const { heads } = await headsOf(world, ground);
      return () => heads.adopt(message);
    },
    QUORUM,
  );
}

/** Peers sign the first head; the ledger goes on. */
async function cosignedOnce(world: World, ground: Ground) {
  const opened = await headsOf(world, ground);
  await opened.heads.add(await signHead(sha256, newest(world), world.keys.peer));
  return opened;
}

const revokedPeer = (): Variant => {
  const [thief, other]: Signer[] = [newSigner(), newSigner()];
  return inWorld(
    'cosigns with the key of a peer that was revoked',
    'REVOKED',
    async (world, ground) => {
      await logRoot(world, { revoke: [{ kid: kidIn(thief!), logSize: 1 }] });
      const { heads } = await headsOf(world, ground);
      const bytes = await signHead(sha256, newest(world), thief!);
      return () => heads.add(bytes);
    },
    { quorum: 1, peers: [publicKeyOf(thief!), publicKeyOf(other!)] },
  );
};

export const cosigningRows: Variant[] = [
  asksAgain('asks a peer to cosign a shorter head than it has signed', 'STALE', (_newest, former) => former),
  asksAgain('asks a peer to cosign a second head of one size', 'SPLIT_VIEW', (head) => ({
    ...head,
    indexRoot: new Uint8Array(32).fill(7),
  })),
  asksAgain('asks a peer to cosign an earlier head of the same tree', 'STALE', (head) => ({
    ...head,
    time: head.time - 1,
  })),
  witness('lets a peer cosign a copy that is shorter than its key has witnessed', 'STALE', ({ size, root }) => ({
    size: size + 1,
    root,
  })),
  witness('lets a peer cosign another history than its key has witnessed', 'SPLIT_VIEW', ({ size }) => ({
    size,
    root: new Uint8Array(32).fill(7),
  })),
  remembered('damages what a peer remembers of its last signature', () => new Uint8Array([0xff])),
  remembered('makes what a peer remembers of its last signature one of another version', (head) =>
    encode([2, ...keptHead(head)]),
  ),
  handsOver('cosigns with a key that the trust root does not name as a peer', 'UNKNOWN_KEY', (world) =>
    signHead(sha256, newest(world), world.keys.service),
  ),
  handsOver('turns a bit of a cosignature on its way to the orderer', 'BAD_SIGNATURE', async (world) =>
    flipped(await signHead(sha256, newest(world), world.keys.peer), -3),
  ),
  handsOver('hands over a cosignature of another head', 'STALE', (world) =>
    signHead(sha256, { ...newest(world), time: newest(world).time + 1 }, world.keys.peer),
  ),
  revokedPeer(),
  adopts('shows a quorum under another tree of the same size', async (world) => ({
    ...newest(world),
    root: new Uint8Array(32).fill(7),
  })),
  adopts('shows a quorum under an old tree and a new trust root', async (world) => {
    const former = newest(world);
    await logRoot(world, { headAgeMax: 90 });
    return { ...former, rootVersion: 2 };
  }),
  adopts('shows a quorum under a head that is older than its block', async (world) => ({
    ...newest(world),
    time: newest(world).time - 1,
  })),
  inWorld(
    'asks for a head before any has its quorum',
    'NO_QUORUM',
    async (world, ground) => {
      const { heads } = await headsOf(world, ground);
      return () => cosignedSource(world.ledger, heads).head();
    },
    QUORUM,
  ),
  inWorld(
    'asks for the receipt of an entry that no quorum covers',
    'NO_QUORUM',
    async (world, ground) => {
      const { heads } = await cosignedOnce(world, ground);
      await grow(world);
      const last = (await world.ledger.entries(newest(world).size - 1, 1))[0]!;
      // A server that ends waits for no peer any more.
      heads.end();
      return () => cosignedSource(world.ledger, heads).receipt(leafHash(sha256, last));
    },
    QUORUM,
  ),
  inWorld(
    'asks for a class index beyond the head that the peers cosigned',
    'NO_QUORUM',
    async (world, ground) => {
      const { heads, open } = await cosignedOnce(world, ground);
      heads.end();
      const plan = planOf(await publish(world, 1));
      await person(world, plan, 'open');
      await command(world, statementOf(plan, 1, OPEN));
      const again = await open();
      return () => cosignedSource(world.ledger, again).announcementProof(CLASS);
    },
    QUORUM,
  ),
];
