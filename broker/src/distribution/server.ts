import { join } from 'node:path';
import { codeOf, demand, type Entropy, type Refusal, type Verifier } from '@countersign/device-sdk';
import {
  type Head,
  hex,
  kidOf,
  type Payload,
  publicKeyOf,
  type Signer,
  type TrustRoot,
} from '@countersign/device-sdk/format';
import type { BundleHead } from '@countersign/device-sdk/host/bundle/format';
import { keyFor } from '@countersign/device-sdk/verify';
import type { LedgerClient } from '../ledger/client.ts';
import type { Plan } from '../ledger/contract/args.ts';
import type { RolloutView, TotalsView } from '../ledger/contract/views.ts';
import type { QueueState } from '../queue-state.ts';
import type { BlobSource } from '../store/blobs.ts';
import { fileBlobStore } from '../store/file-blobs.ts';
import { type AllowanceOptions, allowance } from './allowance.ts';
import { announcer, type Current } from './announcer.ts';
import { type BundleWanted, bundleHead } from './bundle.ts';
import { type CloneVerdict, openClones } from './clones.ts';
import { openCommands } from './commands.ts';
import type { DeliveryCounts, DeliveryPort } from './delivery/port.ts';
import { deviceCache } from './devices.ts';
import { type EnrolmentLists, openLists } from './enrolment/lists.ts';
import { followEntries } from './follower.ts';
import { type IntakeCounts, intake } from './intake/intake.ts';
import { cachedPayloads } from './payloads.ts';
import { type Log, type ServerClock, silentLog, systemClock, systemEntropy } from './ports.ts';
import { type FactoryRelease, provisioning } from './provisioning.ts';
import { folderSecret, openRegistry, type Registry } from './registry.ts';
import { openReleases, type Releases } from './releases.ts';
import { type RequestCounts, requestHandler } from './requests.ts';
import { type Problem, rolloutDriver, type Unanswered } from './rollouts/driver.ts';
import type { WaveTally } from './rollouts/evaluate.ts';
import { followFleet } from './rollouts/fleet.ts';
import { openGroups } from './rollouts/groups.ts';
import { openPauseNotes, type PauseNote } from './rollouts/notes.ts';
import { type PlanRequest, planWaves } from './rollouts/waves.ts';
import { openWitness, type Witness } from './witness.ts';
import { serverWork } from './work.ts';

export interface DistributionOptions {
  ledger: LedgerClient;
  /** Where content comes from: the collection server. What is fetched is kept in this server's own store. */
  blobs: BlobSource;
  delivery: DeliveryPort;
  /** `distribution` signs block 2 and nothing else; `command` signs rollouts, commands, acknowledgements, freshness. */
  signers: { distribution: Signer; command: Signer };
  verifier: Verifier;
  /** The signed trust root, from outside: a file that the operator gave, never the ledger's word. */
  trustRoot: Uint8Array;
  /** This server's own folder. */
  dir: string;
  /** What devices name in their login; it goes into provisioning records. */
  brokerId: string;
  /** Hears every trust root that this server has accepted, before anything is signed under it: keys may have changed. */
  adopted?: ((root: TrustRoot) => Promise<void>) | undefined;
  clock?: ServerClock;
  /** Of rollout ids and the salts of groups; this machine's by default. */
  entropy?: Entropy;
  log?: Log;
  allowance?: AllowanceOptions;
}

/** A rollout with all that this server knows of it. */
export interface RolloutProgress {
  rollout: RolloutView;
  totals: TotalsView;
  waves: WaveTally[];
  /** Why this server paused it by itself, if it did. */
  pause: PauseNote | null;
  /** Why something that is due has not been done yet. */
  problem: Problem | null;
}

export interface DistributionStatus {
  head: Head | null;
  rootVersion: number;
  /** Leaves of the ledger that were followed. */
  followed: number;
  releases: number;
  announced: {
    classId: string;
    version: string;
    sequence: number;
    rolloutId: string;
    rolloutState: number;
    size: number;
  }[];
  connected: boolean;
  delivery: DeliveryCounts;
  intake: IntakeCounts;
  requests: RequestCounts;
  queues: QueueState[];
}

/** The distribution server: second signer, rollouts, announcements, answers and intake of reports, in one object. */
export interface Distribution {
  readonly registry: Registry;
  readonly lists: EnrolmentLists;
  /** A plan with a fresh rollout id, for an operator to sign as `rollout open`. @throws Refusal BAD_REQUEST, NOT_FOUND */
  planWaves(request: PlanRequest): Promise<Plan>;
  /** A rollout as it goes. @throws Refusal NOT_FOUND */
  progress(rolloutId: Uint8Array): Promise<RolloutProgress>;
  /** Whether two devices have this one's key, by what both of them said. */
  clone(deviceId: string, epoch: number): CloneVerdict | undefined;
  /** What is offered to a device that has said nothing of it yet. Ids in hex. */
  unanswered(deviceId: string, classId: string): Promise<Unanswered | undefined>;
  /** @param product class id in hex, or a name. @throws Refusal NOT_FOUND, CONFLICT; as confirming a release */
  provision(product: string, version: string): Promise<FactoryRelease>;
  /** COMMAND_ASK or COMMAND_RETRY to one device. @returns its counter. @throws Refusal LINK_LOST, BUSY */
  sendCommand(deviceId: Uint8Array, command: number): Promise<number>;
  /** What a class is told now. */
  announcement(classId: Uint8Array): Current | undefined;
  /** Content by digest, kept here once fetched. @throws Refusal NOT_FOUND, UNREACHABLE, BAD_STORE */
  blob(digest: Uint8Array): Promise<Uint8Array>;
  /** Frames of a confirmed release's payload. @throws Refusal NOT_FOUND, UNREACHABLE */
  payload(chainHead: Uint8Array): Promise<{ payload: Payload; frames: Uint8Array[] }>;
  readonly releases: Pick<Releases, 'get' | 'ofClass'>;
  /** What a bundle begins with. @throws Refusal NOT_FOUND, NOT_CURRENT, TOO_LARGE */
  bundle(wanted: BundleWanted): Promise<BundleHead>;
  status(): DistributionStatus;
  /** Resolves when nothing that was asked for is left to do at this moment. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the folder, checks the ledger against the trust root, takes up what is pending, and serves.
 *
 * @example
 * const distribution = await createDistribution({ ledger, blobs, delivery, signers, verifier, trustRoot, dir, brokerId });
 * @throws Refusal BAD_ROOT, BAD_STORE; UNKNOWN_KEY, WRONG_ROLE, REVOKED for signers that the trust root does not name;
 * for a ledger that contradicts what this folder remembers SPLIT_VIEW, STALE
 */
export async function createDistribution(options: DistributionOptions): Promise<Distribution> {
  const { ledger, delivery, verifier, dir, signers } = options;
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLog;
  const entropy = options.entropy ?? systemEntropy;
  const { command } = signers;
  const { sha256 } = verifier;

  const witness = await openWitness(verifier, ledger, options.trustRoot, dir, options.adopted);
  await checkLedger(witness, log);
  checkSigners(verifier, witness.root, signers);
  const releases = await openReleases({ verifier, ledger, witness, signer: signers.distribution, dir, log });
  const registry = await openRegistry(dir);
  const lists = await openLists(sha256, dir);
  const groups = await openGroups(sha256, await folderSecret(dir, entropy), dir);
  const notes = await openPauseNotes(dir);
  const payloads = cachedPayloads(verifier, options.blobs, fileBlobStore(join(dir, 'content'), sha256));
  const devices = deviceCache(ledger, clock);
  const fleet = followFleet(ledger, ({ deviceId, epoch }) => clones.verdict(deviceId, epoch) !== undefined);
  const clones = await openClones({ ledger, clock, dir, log, convicted: () => fleet.changed() });
  const shared = {
    verifier,
    ledger,
    witness,
    releases,
    payloads,
    groups,
    devices,
    clones,
    delivery,
    command,
    clock,
    log,
  };
  const announce = announcer(shared);
  const driver = rolloutDriver({ ...shared, fleet, notes });
  const requests = requestHandler({ ...shared, announcer: announce, allowance: allowance(clock, options.allowance) });
  const reports = intake(shared);
  const sendCommand = await openCommands(verifier, command, delivery, dir);
  const announced = (classId: Uint8Array) => announce.current(classId)?.head;
  const provision = provisioning({ ledger, witness, releases, brokerId: options.brokerId, announced });

  const work = serverWork({ ...shared, fleet, driver, announcer: announce });

  await announce.refreshAll();
  const follower = await followEntries(ledger, dir, work.ears, log);
  delivery.onRequest((deviceId, bytes) => requests.handle(deviceId, bytes));
  delivery.onReport((deviceId, bytes) => reports.take(deviceId, bytes));
  work.begin();

  return {
    registry,
    lists,
    async planWaves(request) {
      const { release } = await releases.ensure(request.releaseLeaf);
      const enrolled = await fleet.devices(hex(release.manifest.classId));
      return planWaves(sha256, { registry, groups, entropy }, [...enrolled.keys()], request);
    },
    progress,
    clone: clones.verdict,
    unanswered: driver.unanswered,
    provision,
    sendCommand,
    announcement: (classId) => announce.current(classId),
    blob: (digest) => payloads.blob(digest),
    async payload(chainHead) {
      const payload = releases.payload(chainHead);
      demand(payload, 'NOT_FOUND', `no confirmed release has payload ${hex(chainHead)}`);
      return { payload, frames: await payloads.frames(payload) };
    },
    releases,
    bundle: (wanted) => bundleHead({ ...shared, current: (classId) => announce.current(classId) }, wanted),
    status,
    settled,
    async close() {
      delivery.onRequest(() => undefined);
      delivery.onReport(() => undefined);
      work.end();
      await follower.stop();
      await settled();
    },
  };

  async function settled(): Promise<void> {
    await work.settled();
    await reports.settled();
  }

  async function progress(rolloutId: Uint8Array): Promise<RolloutProgress> {
    const id = hex(rolloutId);
    const rollout = (await ledger.evaluate('getRollout', id)) as RolloutView;
    return {
      rollout,
      totals: (await ledger.evaluate('getTotals', id)) as TotalsView,
      waves: await driver.tally(rollout),
      pause: notes.get(id) ?? null,
      problem: driver.problem(id) ?? null,
    };
  }

  function status(): DistributionStatus {
    return {
      head: witness.head ?? null,
      rootVersion: witness.root.version,
      followed: follower.next,
      releases: releases.count,
      announced: announce.classes.map(({ classId, version, sequence, rollout, head }) => ({
        classId: hex(classId),
        version,
        sequence,
        rolloutId: hex(rollout.rolloutId),
        rolloutState: rollout.state,
        size: head.size,
      })),
      connected: delivery.connected,
      delivery: delivery.counts(),
      intake: reports.counts(),
      requests: requests.counts(),
      queues: [...(delivery.queues?.() ?? []), reports.queue()],
    };
  }
}

/**
 * The ledger must be the one that this folder knows. Too few cosignatures are no contradiction: peers may come later
 * than this server, and until then it announces nothing.
 */
async function checkLedger(witness: Witness, log: Log): Promise<void> {
  try {
    await witness.newestHead();
  } catch (error) {
    if (codeOf(error) !== 'NO_QUORUM') throw error;
    log.warn({ code: 'NO_QUORUM', text: (error as Refusal).message }, 'nothing is announced until enough peers cosign');
  }
}

/** A server with keys that no device accepts must not start: all its work would be refused in the field. */
function checkSigners(verifier: Verifier, root: TrustRoot, signers: DistributionOptions['signers']): void {
  for (const role of ['distribution', 'command'] as const) {
    keyFor(verifier, root, role, kidOf(verifier.sha256, publicKeyOf(signers[role])));
  }
}
