/** A small ledger with everybody in it, for the tests of the ledger. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { authorRoot } from '@countersign/broker/keys/root';
import {
  enrolDevicesArgs,
  enrolPersonArgs,
  noArgs,
  objectDigest,
  type PersonRole,
  type Plan,
  type Product,
  productArgs,
  rolloutArgs,
  uploadArgs,
} from '@countersign/broker/ledger/contract/args';
import { classId, vendorId } from '@countersign/broker/ledger/contract/uuid';
import { createLedger } from '@countersign/broker/ledger/embedded/create';
import { type EmbeddedLedger, openLedger } from '@countersign/broker/ledger/embedded/engine';
import { cidOf } from '@countersign/broker/store/cid';
import {
  ALG_ED25519,
  ALG_ESP256,
  EVERYONE,
  encodeManifest,
  type ImplicitKeys,
  leafHash,
  type Manifest,
  NO_LEAF,
  type PublicKey,
  publicKeyOf,
  type Report,
  ROLES,
  type Role,
  type Rollout,
  reportValue,
  rolloutValue,
  type Signer,
  signBlock1,
  signStatement,
  type Transaction,
  thumbprint,
  transactionValue,
  utf8,
  type Value,
} from '@countersign/device-sdk/format';
import { generateKeyPair, nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';

export const verifier = nodeVerifier();
export const { sha256 } = verifier;
export const ORIGIN = 'ledger.test/one';
export const NONE = new Uint8Array(32);

export function newSigner(alg: number = ALG_ED25519): Signer {
  return nodeKeyStore(alg, generateKeyPair(alg).secret);
}

export type Keys = Record<Role, Signer>;

export interface World {
  dir: string;
  ledger: EmbeddedLedger;
  keys: Keys;
  people: Record<string, Signer>;
  rootBytes: Uint8Array;
  /** Seconds; moved by hand. */
  clock: { now: number };
  reopen(): Promise<EmbeddedLedger>;
  end(): Promise<void>;
}

export const PRODUCT: Product = {
  vendorDomain: 'example.com',
  name: 'node',
  memoryClass: 'M',
  frameBytes: 1024,
  slotBytes: 65_536,
  imageBase: 0x0800_4000,
};
export const VENDOR = vendorId(PRODUCT.vendorDomain);
export const CLASS = classId(VENDOR, PRODUCT.name);

/** alice: engineer and operator; bob: approver and operator. */
export interface WorldOptions {
  headAgeMax?: number;
  segmentBytesMax?: number;
  /** A server key that the trust root names as revoked from a log size on. */
  revoked?: { role: Role; logSize: number };
  /** Peers that the trust root demands; none by default. */
  quorum?: number;
  /** Their keys; where not given, the one peer key of this world. */
  peers?: PublicKey[];
  /** Roles whose key is of P-256; all others are Ed25519. */
  ecdsa?: Role[];
  /** Seconds since the epoch at the beginning. */
  begins?: number;
  /** What stands before the embedded ledger, at the start and whenever it is opened again. */
  engine?: (ledger: EmbeddedLedger, dir: string) => Promise<EmbeddedLedger>;
  /** Key generation centres and the keys that they issued; collection and distribution may have no others then. */
  implicit?: ImplicitKeys;
}

export async function newWorld(options: WorldOptions = {}): Promise<World> {
  const {
    segmentBytesMax,
    revoked,
    quorum = 0,
    peers,
    ecdsa = [],
    begins = 1_800_000_000,
    engine = async (ledger) => ledger,
    ...plan
  } = options;
  const dir = await mkdtemp(join(tmpdir(), 'countersign-ledger-'));
  const keys = Object.fromEntries(
    ROLES.map((role) => [role, newSigner(ecdsa.includes(role) ? ALG_ESP256 : ALG_ED25519)]),
  ) as Keys;
  const own = quorum === 0 ? [] : [publicKeyOf(keys.peer)];
  const explicit = (role: Role) =>
    plan.implicit?.keys.some((key) => key.role === role) ? [] : [publicKeyOf(keys[role])];
  const listed = Object.fromEntries(
    ROLES.map((role) => [role, role === 'peer' ? (peers ?? own) : explicit(role)]),
  ) as Record<Role, PublicKey[]>;
  const revocations = revoked
    ? [{ thumbprint: thumbprint(sha256, publicKeyOf(keys[revoked.role])), logSize: revoked.logSize }]
    : [];
  const rooted = { origin: ORIGIN, keys: listed, revocations, thresholds: { peer: quorum }, ...plan };
  const rootBytes = await authorRoot(sha256, rooted, [keys.root]);
  const people = { alice: newSigner(), bob: newSigner() };
  const clock = { now: begins };
  const common = {
    ordererSigner: keys.orderer,
    logSigner: keys.log,
    verifier,
    now: () => clock.now,
    ...(segmentBytesMax ? { segmentBytesMax } : {}),
  };
  await createLedger(dir, {
    origin: ORIGIN,
    rootBytes,
    people: [
      await enrolment('alice', ['engineer', 'operator'], people.alice),
      await enrolment('bob', ['approver', 'operator'], people.bob),
    ],
    ...common,
  });
  const world: World = {
    dir,
    ledger: await engine(await openLedger(dir, common), dir),
    keys,
    people,
    rootBytes,
    clock,
    async reopen() {
      await world.ledger.close();
      world.ledger = await engine(await openLedger(dir, common), dir);
      return world.ledger;
    },
    async end() {
      await world.ledger.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
  return world;
}

export async function tx(signer: Signer, t: Partial<Transaction> & { action: string; object: Uint8Array }) {
  const whole = { channel: ORIGIN, previous: NONE, args: noArgs(), ...t };
  return signStatement(sha256, 'tx', transactionValue(whole), signer);
}

export function personObject(name: string): Uint8Array {
  return objectDigest(sha256, 'person', utf8(name));
}

export async function enrolment(
  name: string,
  roles: PersonRole[],
  signer: Signer,
  by: Signer = signer,
  previous: Uint8Array = NONE,
): Promise<Uint8Array> {
  const args = enrolPersonArgs({ name, roles, key: publicKeyOf(signer) });
  return tx(by, { action: 'enrol', object: personObject(name), previous, args });
}

/** Submits with the right `previous`. */
export async function act(world: World, signer: Signer, action: string, object: Uint8Array, args: Value = noArgs()) {
  return world.ledger.submit(await tx(signer, { action, object, args, previous: await previousOf(world, object) }));
}

export async function previousOf(world: World, object: Uint8Array): Promise<Uint8Array> {
  const answer = await world.ledger.evaluate('getPrevious', Buffer.from(object).toString('hex'));
  return new Uint8Array(Buffer.from((answer as { previous: string }).previous, 'hex'));
}

export const PRODUCT_OBJECT = objectDigest(sha256, 'product', CLASS);
export const DEVICES_OBJECT = objectDigest(sha256, 'devices', CLASS);

export async function addProduct(world: World): Promise<void> {
  await act(world, world.people.alice!, 'product', PRODUCT_OBJECT, productArgs(PRODUCT));
}

export interface TestDevice {
  id: Uint8Array;
  signer: Signer;
  counter: number;
  previous: Uint8Array;
}

let devicesMade = 0;

export function newDevice(): TestDevice {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, ++devicesMade);
  return { id, signer: newSigner(), counter: 0, previous: NONE };
}

export async function enrolDevices(world: World, devices: TestDevice[], by = world.keys.service): Promise<void> {
  const list = devices.map(({ id, signer }) => ({ id, key: publicKeyOf(signer) }));
  await act(world, by, 'enrol', DEVICES_OBJECT, enrolDevicesArgs({ classId: CLASS, devices: list }));
}

/** The device's next report, signed; its chain moves. */
export async function nextReport(device: TestDevice, change: Partial<Report> = {}): Promise<Uint8Array> {
  const report: Report = {
    deviceId: device.id,
    epoch: 0,
    counter: device.counter + 1,
    previous: device.previous,
    headSize: 3,
    attempt: 1,
    manifestDigest: sha256(utf8('manifest')),
    slotDigest: sha256(utf8('slot')),
    state: 0,
    result: 1,
    reason: 0,
    code: 'OK',
    stages: [
      ['verify', 'OK'],
      ['fetch', 'OK'],
      ['apply', 'OK'],
      ['trial', 'OK'],
      ['confirm', 'OK'],
    ],
    ...change,
  };
  const bytes = await signStatement(sha256, 'report', reportValue(report), device.signer);
  device.counter = report.counter;
  device.previous = sha256(bytes);
  return bytes;
}

export function manifestOf(sequence: number, change: Partial<Manifest> = {}): Manifest {
  return {
    sequence,
    vendorId: VENDOR,
    classId: CLASS,
    image: { digest: sha256(utf8(`image ${sequence}`)), bytes: 40_000 },
    version: `1.${sequence}.0`,
    policy: 3,
    branches: [
      {
        payload: { bytes: 20_000, chainHead: sha256(utf8(`chain ${sequence}`)), frameBytes: 1024, frameCount: 20 },
        memoryClass: 'M',
        workspaceBytes: 8192,
      },
    ],
    ...change,
  };
}

export interface TestRelease {
  leaf: Uint8Array;
  block1: Uint8Array;
  manifest: Uint8Array;
  args: Value;
}

export async function newRelease(
  world: World,
  sequence: number,
  previousLeaf: Uint8Array = NO_LEAF,
  change: Partial<Manifest> = {},
  signer: Signer = world.keys.collection,
): Promise<TestRelease> {
  const whole = manifestOf(sequence, change);
  const manifest = encodeManifest(whole);
  const block1 = await signBlock1(sha256, manifest, previousLeaf, signer);
  const args = uploadArgs({ block1, manifest, fileName: 'node.bin', contentId: cidOf(whole.image.digest) });
  return { leaf: leafHash(sha256, block1), block1, manifest, args };
}

/** Upload by alice, approval by bob, confirm by a service key. */
export async function publish(
  world: World,
  sequence: number,
  previousLeaf: Uint8Array = NO_LEAF,
): Promise<TestRelease> {
  const release = await newRelease(world, sequence, previousLeaf);
  await act(world, world.people.alice!, 'upload', release.leaf, release.args);
  await act(world, world.people.bob!, 'approve', release.leaf);
  await act(world, world.keys.service, 'confirm', release.leaf);
  return release;
}

export function planOf(release: TestRelease, change: Partial<Plan> = {}): Plan {
  const wave = { failurePercentMax: 10, reportedPercentMin: 90, devices: 10 };
  return {
    rolloutId: sha256(release.leaf).slice(0, 16),
    releaseLeaf: release.leaf,
    waves: [
      { ...wave, cohorts: [{ threshold: 2 ** 30 }] },
      { ...wave, cohorts: [{ root: sha256(utf8('group')) }] },
      { ...wave, cohorts: [{ threshold: EVERYONE }] },
    ],
    window: { start: 1_800_000_000, end: null },
    jitterSeconds: 60,
    attemptsMax: 3,
    ...change,
  };
}

export function rolloutObject(plan: Plan): Uint8Array {
  return objectDigest(sha256, 'rollout', plan.rolloutId);
}

export async function person(world: World, plan: Plan, op: 'open' | 'pause' | 'resume' | 'abort' | 'advance') {
  const args = rolloutArgs(op === 'open' ? { op, plan } : { op, rolloutId: plan.rolloutId, reason: 'a test' });
  return act(world, world.people.bob!, 'rollout', rolloutObject(plan), args);
}

export function statementOf(
  plan: Plan,
  rolloutSequence: number,
  state: number,
  change: Partial<Rollout> = {},
): Rollout {
  return {
    rolloutId: plan.rolloutId,
    rolloutSequence,
    releaseLeaf: plan.releaseLeaf,
    classId: CLASS,
    state,
    block2Digest: sha256(utf8('block 2')),
    cohorts: plan.waves[0]!.cohorts,
    window: plan.window,
    jitterSeconds: plan.jitterSeconds,
    attemptsMax: plan.attemptsMax,
    ...change,
  };
}

export async function command(world: World, rollout: Rollout, signer: Signer = world.keys.command) {
  return world.ledger.submit(await signStatement(sha256, 'rollout', rolloutValue(rollout), signer));
}
