/**
 * A publisher in a pocket: keys, log, index, rollouts and answers in memory, all bytes real. Devices under test talk to
 * it over a link of the test's own, with time that only moves when it is told to. It checks nothing: whatever it is
 * told to say it signs, which is what a stolen key does too.
 */

import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import { readWholeHeader } from '@countersign/device-sdk/delta';
import {
  ABORTED,
  ANNOUNCE,
  type Announcement,
  type Answer,
  ackValue,
  type Branch,
  CONSISTENCY,
  ENTRIES,
  EVERYONE,
  encodeAnnouncement,
  encodeEnvelope,
  encodeManifest,
  encodeProvision,
  encodeReceipt,
  FRAME_BYTES,
  FRAMES,
  FRESHNESS,
  freshValue,
  type Head,
  headDigest,
  type IndexEntry,
  ISSUED,
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
  REFUSED,
  type Report,
  ROLES,
  ROOTS,
  ROOTS_MAX,
  type Role,
  type RoleKeys,
  type Rollout,
  readBlock1,
  readHead,
  readReport,
  readRequest,
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
import { signRoot } from './roots.ts';
import { consistencyPath, inclusionPath, leavesOf, rootOf } from './tree.ts';
import { sha256, verifier } from './verifier.ts';

export { verifier };

const text = (name: string) => Uint8Array.from(name, (character) => character.charCodeAt(0));
const bytesOf = (name: string, length = 32) => sha256(text(`pocket ${name}`)).slice(0, length);

export const TIME = 1_761_955_200;

const SIGNERS = Object.fromEntries(ROLES.map((role) => [role, nodeKeyStore(-19, bytesOf(`key ${role}`))])) as Record<
  Role,
  Signer
>;

export interface PocketRelease {
  manifest: Manifest;
  manifestBytes: Uint8Array;
  leaf: Uint8Array;
  releaseLeaf: Uint8Array;
  leafIndex: number;
  block2: Uint8Array;
  image: Uint8Array;
  /** Images of further components, by id. */
  components: Readonly<Record<string, Uint8Array>>;
}

export interface PublishOptions {
  /** Images of further components, by id. */
  components?: Readonly<Record<string, Uint8Array>>;
  version?: string;
  policy?: number;
  /** Images of earlier releases to make deltas from. */
  bases?: PocketRelease[];
  change?: Partial<Manifest>;
  checkpointBytes?: number;
  /** Deltas for devices with one slot. */
  inPlace?: boolean;
  state?: number;
  rollout?: Partial<Rollout>;
  /** Bytes that stand in for what the encoder makes. */
  containers?: { delta?: Uint8Array; full?: Uint8Array };
  /** What the manifest says of its branches, where their headers cannot be read. */
  workspaceBytes?: number;
  /** Changes the manifest's bytes before anybody signs them. */
  rewrite?: (manifest: Uint8Array) => Uint8Array;
  /** Whose keys sign the two blocks. */
  signers?: { collection?: Signer; distribution?: Signer };
  previousLeaf?: Uint8Array;
  /** What block 2 says that it saw. */
  confirmed?: { releaseLeaf?: Uint8Array; size?: number; root?: Uint8Array };
}

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
    const confirmed = { releaseLeaf, size: this.entries.length, root: this.#treeRoot(), ...options.confirmed };
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
    const { bases = [], containers = {}, workspaceBytes } = options;
    const { checkpointBytes = this.pageBytes, inPlace = this.pageBytes !== undefined } = options;
    const made = { class: this.memoryClass, checkpointBytes, inPlace };
    const deltas = bases.map((base) => {
      const container =
        containers.delta ?? encoded(() => makeDelta(base.image, image, made).delta, made, base.image, image);
      return this.branch(
        container,
        { digest: sha256(base.image), bytes: base.image.length },
        undefined,
        workspaceBytes,
      );
    });
    const full = containers.full ?? encoded(() => makeFull(image, made).delta, made, image);
    return [...deltas, this.branch(full, undefined, undefined, workspaceBytes)];
  }

  /** Registers a payload and describes it as a branch. */
  branch(
    container: Uint8Array,
    base?: Branch['base'],
    frameBytes: number = FRAME_BYTES[this.memoryClass],
    workspaceBytes = workspaceOf(container),
  ): Branch {
    const { frames, payload } = makeFrames(sha256, container, frameBytes);
    this.#payloads.set(key(payload.chainHead), frames);
    return { base, payload, memoryClass: this.memoryClass, workspaceBytes };
  }

  frames(payload: Payload): Uint8Array[] {
    return this.#payloads.get(key(payload.chainHead))!;
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
      root: this.#treeRoot(),
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

  /** As the distribution server brings the `issueKey` of an implicit key, where it is in the log. */
  async issued(id: number, thumbprint: Uint8Array): Promise<Answer> {
    const entry = this.issues.get(key(thumbprint));
    const index = entry ? this.entries.indexOf(entry) : -1;
    if (!entry || index < 0) return { id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 };
    const path = inclusionPath(sha256, leavesOf(sha256, this.entries), index);
    const head = readHead(await signHead(sha256, this.head(), this.signers.log));
    return { id, kind: ISSUED, entry, receipt: encodeReceipt(head, index, path) };
  }

  /** Answers a request as the distribution server does. */
  async answers(bytes: Uint8Array): Promise<Answer[]> {
    const request = readRequest(bytes);
    const { id } = request;
    switch (request.kind) {
      case FRAMES: {
        const frames = this.#payloads.get(key(request.chainHead));
        if (!frames) return [{ id, kind: REFUSED, code: 'NOT_FOUND', retrySeconds: 0 }];
        const wanted = frames.slice(request.first, request.first + request.count);
        return wanted.map((frame, i) => ({ id, kind: FRAMES, index: request.first + i, frame }));
      }
      case CONSISTENCY:
        return [
          {
            id,
            kind: CONSISTENCY,
            path: consistencyPath(sha256, leavesOf(sha256, this.entries.slice(0, request.to)), request.from),
          },
        ];
      case ENTRIES:
        return [{ id, kind: ENTRIES, entries: this.#chainFrom(request.leafHash, request.count) }];
      case ROOTS:
        return [{ id, kind: ROOTS, roots: this.roots.slice(request.from - 1, request.from - 1 + ROOTS_MAX) }];
      case FRESHNESS: {
        const signed = readHead(await signHead(sha256, this.head(), this.signers.log));
        const value = freshValue({ nonce: request.nonce, headDigest: headDigest(sha256, signed, this.#treeRoot()) });
        return [{ id, kind: FRESHNESS, statement: await signStatement(sha256, 'fresh', value, this.signers.command) }];
      }
      case ANNOUNCE:
        return [{ id, kind: ANNOUNCE, announcement: await this.announcement(), membership: null }];
      case ISSUED:
        return [await this.issued(id, request.thumbprint)];
    }
  }

  /** Takes a report and gives its acknowledgement. */
  async report(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const report = readReport(readStatement(bytes, 'report').payload);
    if (!this.reports.some((item) => item.counter === report.counter && key(item.deviceId) === key(report.deviceId)))
      this.reports.push(report);
    if (!this.acknowledges) return undefined;
    const value = ackValue({ deviceId: report.deviceId, counter: report.counter, leafHash: leafHash(sha256, bytes) });
    return signStatement(sha256, 'ack', value, this.signers.command);
  }

  #chainFrom(leaf: Uint8Array, count: number): Uint8Array[] {
    const entries: Uint8Array[] = [];
    let wanted = leaf;
    while (entries.length < count) {
      const release = this.releases.find((item) => key(item.releaseLeaf) === key(wanted));
      if (!release) break;
      entries.push(release.leaf);
      wanted = readBlock1(release.leaf).previousLeaf;
    }
    return entries;
  }

  #treeRoot(): Uint8Array {
    return rootOf(sha256, leavesOf(sha256, this.entries));
  }
}

/** The encoder's search is most of the time of a publication, and hundreds of worlds publish the same few images. */
const ENCODED = new Map<string, Uint8Array>();
const ENCODED_MAX = 64;

function encoded(make: () => Uint8Array, options: object, ...images: Uint8Array[]): Uint8Array {
  const name = JSON.stringify([options, ...images.map((image) => key(sha256(image)))]);
  const known = ENCODED.get(name);
  if (known) return known;
  const made = make();
  if (ENCODED.size >= ENCODED_MAX) ENCODED.delete(ENCODED.keys().next().value!);
  ENCODED.set(name, made);
  return made;
}

const same = (bytes: Uint8Array): Uint8Array => bytes;

/** Workspace that a container's header asks for. */
function workspaceOf(container: Uint8Array): number {
  return readWholeHeader(container).workspaceBytes;
}

function key(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
