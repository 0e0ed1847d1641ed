/**
 * A publisher in a pocket: keys, log, index, rollouts and answers in memory, all bytes real. Devices under test talk to
 * it over a link of the test's own, with time that only moves when it is told to. It checks nothing: whatever it is
 * told to say it signs, which is what a stolen key does too.
 */

import {
  ABORTED,
  type Announcement,
  type Answer,
  ackValue,
  type Branch,
  EVERYONE,
  encodeAnnouncement,
  encodeEnvelope,
  encodeManifest,
  encodeProvision,
  encodeReceipt,
  FRAME_BYTES,
  type Head,
  hex,
  type IndexEntry,
  indexLeaf,
  leafHash,
  type Manifest,
  type MemoryClass,
  makeFrames,
  manifestDigest,
  NO_LEAF,
  OPEN,
  type Payload,
  publicKeyOf,
  type Report,
  ROLES,
  type Role,
  type RoleKeys,
  type Rollout,
  readHead,
  readReport,
  readStatement,
  releaseImage,
  rolloutValue,
  type Signer,
  signBlock1,
  signBlock2,
  signHead,
  signStatement,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { answersTo, issuedAnswer } from './answers.ts';
import { containersOf, workspaceOf } from './containers.ts';
import type { PocketRelease, PublishOptions } from './release.ts';
import { signRoot } from './roots.ts';
import { inclusionPath, leavesOf, rootOf } from './tree.ts';
import { sha256, verifier } from './verifier.ts';

export { verifier };

const text = (name: string) => Uint8Array.from(name, (character) => character.charCodeAt(0));
const bytesOf = (name: string, length = 32) => sha256(text(`pocket ${name}`)).slice(0, length);

export const TIME = 1_761_955_200;

const SIGNERS = Object.fromEntries(ROLES.map((role) => [role, nodeKeyStore(-19, bytesOf(`key ${role}`))])) as Record<
  Role,
  Signer
>;

export type RootChange = Partial<TrustRoot> & { peers?: RoleKeys };

export class PocketServer {
  readonly signers: Record<Role, Signer>;
  readonly vendorId = bytesOf('vendor', 16);
  readonly classId = bytesOf('class', 16);
  readonly origin = 'pocket.example/log';
  readonly root: TrustRoot;
  /** The newest. */
  rootBytes: Uint8Array = new Uint8Array();
  /** Every version from 1 on, as the server answers with them. */
  readonly roots: Uint8Array[] = [];
  readonly entries: Uint8Array[] = [bytesOf('entry 0'), bytesOf('entry 1'), bytesOf('entry 2')];
  readonly releases: PocketRelease[] = [];
  readonly reports: Report[] = [];
  /** What it says is the `issueKey` of an implicit key, by thumbprint. */
  readonly issues = new Map<string, Uint8Array>();
  /** Whether reports are acknowledged. */
  acknowledges = true;
  /** Deltas are made for devices with one slot, with pages of so many bytes. */
  pageBytes: number | undefined;
  /** No link comes up any more. */
  gone = false;
  readonly #payloads = new Map<string, Uint8Array[]>();
  readonly memoryClass: MemoryClass;
  time = TIME;
  rollout: Uint8Array = new Uint8Array();
  index: IndexEntry | undefined;
  #rolloutSequence = 0;

  constructor(memoryClass: MemoryClass = 'M', { peers, ...change }: RootChange = {}) {
    this.memoryClass = memoryClass;
    this.signers = { ...SIGNERS };
    this.root = {
      version: 1,
      origin: this.origin,
      roles: Object.fromEntries(
        ROLES.map((role) => {
          const keys = role === 'peer' ? [] : [publicKeyOf(this.signers[role])];
          return [role, { threshold: keys.length, keys, implicit: [] }];
        }),
      ) as unknown as TrustRoot['roles'],
      algorithms: [-19, -9],
      headAgeMax: 86_400,
      floors: [],
      revocations: [],
      ...change,
    };
    if (peers) this.root.roles.peer = peers;
  }

  static async create(memoryClass: MemoryClass = 'M', change: RootChange = {}): Promise<PocketServer> {
    const server = new PocketServer(memoryClass, change);
    server.rootBytes = await signRoot(server.root, [server.signers.root]);
    server.roots.push(server.rootBytes);
    return server;
  }

  /** Publishes an image: manifest, both signatures, leaf, rollout, index. */
  async publish(image: Uint8Array, options: PublishOptions = {}): Promise<PocketRelease> {
    const previous = this.releases.at(-1);
    const manifest: Manifest = {
      sequence: (previous?.manifest.sequence ?? 0) + 1,
      vendorId: this.vendorId,
      classId: this.classId,
      image: { digest: sha256(image), bytes: image.length },
      version: options.version ?? `1.0.${this.releases.length}`,
      policy: options.policy ?? 7,
      branches: this.#branches(image, options),
      ...this.#further(options),
      ...options.change,
    };
    const manifestBytes = (options.rewrite ?? same)(encodeManifest(manifest));
    const { collection, distribution } = { ...this.signers, ...options.signers };
    const leaf = await signBlock1(
      sha256,
      manifestBytes,
      options.previousLeaf ?? previous?.releaseLeaf ?? NO_LEAF,
      collection,
    );
    this.entries.push(leaf);
    const releaseLeaf = leafHash(sha256, leaf);
    const confirmed = { releaseLeaf, size: this.entries.length, root: this.treeRoot(), ...options.confirmed };
    const block2 = await signBlock2(sha256, manifestBytes, confirmed, distribution);
    const release = {
      manifest,
      manifestBytes,
      leaf,
      releaseLeaf,
      leafIndex: this.entries.length - 1,
      block2,
      image,
      components: options.components ?? {},
    };
    this.releases.push(release);
    await this.roll(release, options.state ?? OPEN, options.rollout);
    return release;
  }

  #further({ components = {}, bases = [], ...options }: PublishOptions): Pick<Manifest, 'components'> {
    const all = Object.entries(components).map(([id, image]) => {
      const own = bases.flatMap((base) => (base.components[id] ? [{ ...base, image: base.components[id] }] : []));
      const branches = this.#branches(image, { ...options, bases: own });
      return { id, digest: sha256(image), bytes: image.length, branches };
    });
    return all.length > 0 ? { components: all } : {};
  }

  #branches(image: Uint8Array, options: PublishOptions): Branch[] {
    const { checkpointBytes = this.pageBytes, inPlace = this.pageBytes !== undefined } = options;
    const made = containersOf(image, options, { class: this.memoryClass, checkpointBytes, inPlace });
    return made.map(({ container, base }) => this.branch(container, base, undefined, options.workspaceBytes));
  }

  /** Registers a payload and describes it as a branch. */
  branch(
    container: Uint8Array,
    base?: Branch['base'],
    frameBytes: number = FRAME_BYTES[this.memoryClass],
    workspaceBytes = workspaceOf(container),
  ): Branch {
    const { frames, payload } = makeFrames(sha256, container, frameBytes);
    this.#payloads.set(hex(payload.chainHead), frames);
    return { base, payload, memoryClass: this.memoryClass, workspaceBytes };
  }

  frames(payload: Payload): Uint8Array[] {
    return this.framesOf(payload.chainHead)!;
  }

  framesOf(chainHead: Uint8Array): Uint8Array[] | undefined {
    return this.#payloads.get(hex(chainHead));
  }

  /** A rollout statement for a release, logged, and the class index that names it. */
  async roll(release: PocketRelease, state = OPEN, change: Partial<Rollout> = {}): Promise<void> {
    const rollout: Rollout = {
      rolloutId: bytesOf(`rollout ${release.manifest.sequence}`, 16),
      rolloutSequence: ++this.#rolloutSequence,
      releaseLeaf: release.releaseLeaf,
      classId: this.classId,
      state,
      block2Digest: sha256(release.block2),
      cohorts: [{ threshold: EVERYONE }],
      jitterSeconds: 0,
      attemptsMax: 3,
      ...change,
    };
    this.rollout = await signStatement(sha256, 'rollout', rolloutValue(rollout), this.signers.command);
    this.entries.push(this.rollout);
    this.index = {
      classId: this.classId,
      releaseLeaf: release.releaseLeaf,
      sequence: release.manifest.sequence,
      rolloutDigest: sha256(this.rollout),
      rolloutSequence: rollout.rolloutSequence,
      state: state > ABORTED ? OPEN : state,
      floor: 0,
    };
  }

  head(): Head {
    const indexRoot = this.index ? indexLeaf(sha256, this.index) : sha256(new Uint8Array());
    return {
      origin: this.origin,
      size: this.entries.length,
      root: this.treeRoot(),
      indexRoot,
      time: this.time,
      rootVersion: this.root.version,
    };
  }

  async parts(release = this.releases.at(-1)!): Promise<Announcement> {
    const head = await signHead(sha256, this.head(), this.signers.log);
    const path = inclusionPath(sha256, leavesOf(sha256, this.entries), release.leafIndex);
    return {
      envelope: encodeEnvelope(sha256, release.manifestBytes, release.leaf, release.block2),
      receipt: encodeReceipt(readHead(head), release.leafIndex, path),
      cosignatures: [],
      indexProof: { floor: 0, index: 0, size: 1, path: [] },
      rollout: this.rollout,
    };
  }

  async announcement(release = this.releases.at(-1)!): Promise<Uint8Array> {
    return encodeAnnouncement(await this.parts(release));
  }

  provision(release: PocketRelease, deviceId: Uint8Array): Uint8Array {
    const { manifest } = release;
    return encodeProvision({
      trustRoot: this.rootBytes,
      head: this.head(),
      vendorId: this.vendorId,
      classId: this.classId,
      manifestDigest: manifestDigest(sha256, release.manifestBytes),
      releaseLeaf: release.releaseLeaf,
      sequence: manifest.sequence,
      image: releaseImage(manifest),
      version: manifest.version,
      brokerId: 'pocket',
      deviceId,
    });
  }

  /** A leaf of any bytes: what is in the log was judged by somebody else. */
  log(entry: Uint8Array): void {
    this.entries.push(entry);
  }

  /** The `issueKey` of an implicit key; a test may have it say something else. */
  issued(id: number, thumbprint: Uint8Array): Promise<Answer> {
    return issuedAnswer(this, id, thumbprint);
  }

  /** Answers a request as the distribution server does. */
  answers(bytes: Uint8Array): Promise<Answer[]> {
    return answersTo(this, bytes);
  }

  /** Takes a report and gives its acknowledgement. */
  async report(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const report = readReport(readStatement(bytes, 'report').payload);
    if (!this.reports.some((item) => item.counter === report.counter && hex(item.deviceId) === hex(report.deviceId)))
      this.reports.push(report);
    if (!this.acknowledges) return undefined;
    const value = ackValue({ deviceId: report.deviceId, counter: report.counter, leafHash: leafHash(sha256, bytes) });
    return signStatement(sha256, 'ack', value, this.signers.command);
  }

  treeRoot(): Uint8Array {
    return rootOf(sha256, leavesOf(sha256, this.entries));
  }
}

const same = (bytes: Uint8Array): Uint8Array => bytes;
