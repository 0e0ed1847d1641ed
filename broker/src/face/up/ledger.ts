/** The ledger's part of a process: made at the first start, continued at every other. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { readSignedRoot, type Signer } from '@countersign/device-sdk/format';
import { createPerson, loadPerson } from '../../keys/people.ts';
import { openKeyRing } from '../../keys/ring.ts';
import { authorRoot } from '../../keys/root.ts';
import { isOrigin } from '../../ledger/c2sp/checkpoint.ts';
import type { LedgerSource } from '../../ledger/client.ts';
import { PEOPLE_MIN } from '../../ledger/contract/people.ts';
import { createLedger } from '../../ledger/embedded/create.ts';
import { type EmbeddedLedger, openLedger } from '../../ledger/embedded/engine.ts';
import { isMirror, type LedgerEngine } from '../../ledger/mirror/mirrored.ts';
import { cosignedFile } from '../../ledger/peer/cosigned-file.ts';
import { CosignedHeads } from '../../ledger/peer/cosigned-heads.ts';
import { cosignedSource } from '../../ledger/peer/cosigned-source.ts';
import { writeDurable } from '../../store/durable.ts';
import { endpointPath, keysFolder, peopleFolder, serverFolder, trustRootPath } from './folders.ts';
import {
  DEFAULT_PEOPLE,
  type FirstPerson,
  issuedKeys,
  openServerKeys,
  publicKeysByRole,
  type ServerKeys,
  serverKeys,
  signEnrolment,
} from './identities.ts';
import type { Closers } from './parts.ts';

export interface FirstStart {
  /** Name of the ledger, in every head and transaction; random where not given. */
  origin?: string | undefined;
  /** People whose keys are made here; three by default. */
  people?: readonly FirstPerson[] | undefined;
  /** Signed enrolments of people whose keys are elsewhere; with any of these nobody is made by default. */
  enrolments?: readonly Uint8Array[] | undefined;
  /** Seconds; a day by default. */
  headAgeMax?: number | undefined;
  /** Public keys of those who cosign the heads (`countersign keys server peer`); none by default. */
  peers?: readonly ServerKeys[] | undefined;
  /** How many of them must have signed a head before anybody relies on it; a majority of them by default. */
  quorum?: number | undefined;
  /** What decides the order of entries, at every start; this process by default. */
  engine?: LedgerEngine | undefined;
  passphrase?: string | undefined;
}

export interface LedgerPart {
  ledger: EmbeddedLedger;
  heads: CosignedHeads;
  /** The ledger no further than the peers have cosigned it: what everybody outside is shown. */
  shown: LedgerSource;
  /** The signed trust root 1. */
  trustRoot: Uint8Array;
  /** The people whose keys this start made, or none. */
  made: readonly FirstPerson[];
  quorum: Quorum;
}

/** How many of how many peers must have cosigned a head. */
export interface Quorum {
  needed: number;
  peers: number;
}

/**
 * @param others public keys of the collection and the distribution server, for a ledger that is yet to be made
 * @throws Refusal BAD_REQUEST where the first start lacks them; LOCKED, BAD_STORE, BAD_HEAD, BAD_BLOCK, TORN
 */
export async function openLedgerPart(
  data: string,
  verifier: Verifier,
  others: readonly ServerKeys[],
  first: FirstStart,
  closers: Closers,
): Promise<LedgerPart> {
  const isNew = isFirstStart(data);
  const ring = await openServerKeys(data, 'ledger', { create: isNew, passphrase: first.passphrase });
  const signers = { ordererSigner: ring.signer('orderer'), logSigner: ring.signer('log'), verifier };
  const made = isNew ? await makeLedger(data, [serverKeys('ledger', ring), ...others], first, signers) : [];
  const followed = { ordererSigner: ring.under('orderer'), logSigner: ring.under('log'), verifier };
  const ledger = await ordered(await openLedger(data, followed), data, first.engine);
  closers.add(() => ledger.close());
  const heads = await CosignedHeads.open({
    inside: ledger.inside,
    verifier,
    file: cosignedFile(serverFolder(data, 'ledger')),
    names: true,
  });
  const shown = cosignedSource(ledger, heads);
  closers.add(() => shown.close());
  const trustRoot = await pinnedRoot(data, ledger);
  return { ledger, heads, shown, trustRoot, made, quorum: quorumIn(verifier, (await ledger.roots(0)).at(-1)!) };
}

/** A ledger whose order comes from outside is never written from inside: the two histories would part for good. */
async function ordered(
  ledger: EmbeddedLedger,
  data: string,
  engine: LedgerEngine | undefined,
): Promise<EmbeddedLedger> {
  const folder = serverFolder(data, 'ledger');
  if (engine) return engine(ledger, folder);
  if (!isMirror(folder)) return ledger;
  await ledger.close();
  throw new Refusal(
    'BAD_REQUEST',
    `the order of ${folder} comes from another engine: give the same --ledger as before`,
  );
}

/**
 * Whether the ledger of this folder is yet to be made. A ledger that is gone is not: with the keys of the old one a new
 * one would be a second history, which is what devices and auditors must never be shown.
 * @throws Refusal BAD_STORE where servers ran on this folder and their ledger is missing
 */
export function isFirstStart(data: string): boolean {
  const folder = serverFolder(data, 'ledger');
  const isNew = !existsSync(folder);
  const lost = isNew && existsSync(endpointPath(data));
  demand(
    !lost,
    'BAD_STORE',
    `${folder} is gone: mount or restore it, or take it from peers (--from-peer); a new ledger needs a new data folder`,
  );
  return isNew;
}

/**
 * Every step may have happened in a start that died: keys that are there are used, the root is written anew, and the
 * ledger appears last and whole.
 */
async function makeLedger(
  data: string,
  servers: readonly ServerKeys[],
  first: FirstStart,
  signers: { ordererSigner: Signer; logSigner: Signer; verifier: Verifier },
): Promise<readonly FirstPerson[]> {
  const { verifier } = signers;
  const { passphrase, enrolments = [] } = first;
  checkServers(servers);
  const people = first.people ?? (enrolments.length > 0 ? [] : DEFAULT_PEOPLE);
  const count = people.length + enrolments.length;
  demand(count >= PEOPLE_MIN, 'BAD_REQUEST', `a ledger begins with at least ${PEOPLE_MIN} people, here is ${count}`);
  const origin = first.origin ?? `localhost/countersign-${randomBytes(4).toString('hex')}`;
  // Auditors' formats name a log by its origin, and the log's key is one for heads and checkpoints (c2sp/checkpoint.ts).
  demand(isOrigin(origin), 'BAD_REQUEST', 'an origin is 1 to 64 printable ASCII characters without space and plus');
  const root = await openKeyRing(keysFolder(data, 'root'), ['root'], { create: true, passphrase });
  const peers = first.peers ?? [];
  const signerOfRoots = [...servers, ...peers].some(({ server }) => server === 'root');
  demand(
    !signerOfRoots,
    'BAD_REQUEST',
    'root keys of others come with the second trust root: keys root next --add FILE',
  );
  const keys = { ...publicKeysByRole([...servers, ...peers]), root: [root.publicKey('root')] };
  const thresholds = { peer: quorumOf(peers.length, first.quorum) };
  const cosigned = first.engine === undefined || thresholds.peer > 0;
  demand(cosigned, 'NO_QUORUM', 'a ledger on an outside engine needs a peer that cosigns it: give --peer-key FILE');
  const implicit = issuedKeys(verifier.sha256, servers);
  const plan = {
    origin,
    keys,
    thresholds,
    implicit,
    ...(first.headAgeMax !== undefined && { headAgeMax: first.headAgeMax }),
  };
  const rootBytes = await authorRoot(verifier.sha256, plan, [root.signer('root')]);
  const signed = [...enrolments];
  for (const person of people) {
    const key = await personKey(data, person.name, passphrase);
    signed.push(await signEnrolment(verifier, origin, person, key));
  }
  await writeDurable(trustRootPath(data), rootBytes);
  await createLedger(data, { origin, rootBytes, people: signed, ...signers });
  return people;
}

/** Any two majorities have a peer in common, so two histories cannot both have one while no peer lies. */
function quorumOf(peers: number, quorum = peers === 0 ? 0 : Math.floor(peers / 2) + 1): number {
  const possible = quorum <= peers && (quorum > 0 || peers === 0);
  demand(possible, 'BAD_REQUEST', `a quorum of ${quorum} with ${peers} peers: it is 1 to the number of --peer-key`);
  return quorum;
}

function checkServers(servers: readonly ServerKeys[]): void {
  const roles = servers.flatMap(({ keys }) => keys.map(({ role }) => role));
  for (const role of ['collection', 'service', 'distribution', 'command'] as const) {
    const text = `the first trust root needs the ${role} key: give --server-keys FILE, made by \`countersign keys server\``;
    demand(roles.includes(role), 'BAD_REQUEST', text);
  }
}

async function personKey(data: string, name: string, passphrase: string | undefined): Promise<Signer> {
  const folder = peopleFolder(data);
  try {
    return await createPerson(folder, name, passphrase);
  } catch (error) {
    if (codeOf(error) !== 'EXISTS') throw error;
    return loadPerson(folder, name, passphrase);
  }
}

/** In the process that holds the ledger its own first entry is as good as the file beside it. */
async function pinnedRoot(data: string, ledger: EmbeddedLedger): Promise<Uint8Array> {
  const path = trustRootPath(data);
  const [own] = await ledger.roots(1);
  if (!existsSync(path)) await writeDurable(path, own!);
  return readTrustRoot(path);
}

function quorumIn(verifier: Verifier, root: Uint8Array): Quorum {
  const { threshold, keys } = readSignedRoot(verifier.sha256, root).root.roles.peer;
  return { needed: threshold, peers: keys.length };
}

/** A trust root from outside. What it says is checked by whoever uses it. @throws Refusal BAD_STORE */
export async function readTrustRoot(path: string): Promise<Uint8Array> {
  try {
    const bytes = await readFile(path);
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  } catch (cause) {
    throw new Refusal('BAD_STORE', `the trust root ${path} cannot be read`, { cause });
  }
}

/** @throws Refusal BAD_ROOT, MALFORMED */
export function originOf(verifier: Verifier, trustRoot: Uint8Array): string {
  return readSignedRoot(verifier.sha256, trustRoot).root.origin;
}
