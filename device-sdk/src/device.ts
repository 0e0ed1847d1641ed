/**
 * A device, composed: settles its boot, listens, believes only what verify proves, installs, tries, reports. One piece
 * of work at a time; what arrives meanwhile waits in a mailbox of one (only the newest announcement matters).
 */
import { type Code, demand, Refusal } from './errors.ts';
import { Asker } from './fetch/asker.ts';
import { RateLimit, RefusalCache } from './fetch/guard.ts';
import { fetchAnnouncement, fetchProofs, fetchRoots } from './fetch/proofs.ts';
import { concat, equal } from './format/bytes.ts';
import { OPEN } from './format/index-entry.ts';
import { COMMAND_RETRY, loginValue, readCommand } from './format/messages.ts';
import type { Stage, StageCode } from './format/report.ts';
import { JITTER_SECONDS_MAX } from './format/rollout.ts';
import { kindOf, signStatement } from './format/statement.ts';
import type { MemoryClass } from './format/suit.ts';
import { POLICY_LOG, POLICY_REBOOT } from './format/suit.ts';
import { Installer } from './install/installer.ts';
import { digestSlot } from './install/slots.ts';
import { Closed, Store } from './install/state.ts';
import { hasFailed, settleBoot } from './install/trial.ts';
import type {
  BootControl,
  Clock,
  Entropy,
  Flash,
  Health,
  KeyStore,
  Link,
  SlotNumber,
  Timer,
  Verifier,
  Veto,
  VetoStage,
} from './ports.ts';
import { makeReport, takeAck } from './report/reports.ts';
import {
  isUnchanged,
  needsOf,
  proveRelease,
  shapeAnnouncement,
  verifyCurrent,
  verifyRelease,
} from './verify/release.ts';
import { verifyStatement } from './verify/signed.ts';
import type { Proofs, Proven, Release, Resources, Trust, Verified } from './verify/types.ts';

export interface DevicePorts {
  verifier: Verifier;
  keys: KeyStore;
  slots: readonly [Flash, Flash];
  /** Region of the journal, at least 16 KB. */
  store: Flash;
  boot: BootControl;
  link: Link;
  timer: Timer;
  entropy: Entropy;
  clock: Clock;
  health: Health;
  veto?: Veto;
  /** The decoder's memory, all of it; its size and the class decide which deltas this device takes. */
  workspace: Uint8Array;
  memoryClass: MemoryClass;
  /** Bytes of RAM for frames that wait for their predecessor. Default: four frames of the class's largest size. */
  windowBytes?: number;
  /** Ask for the announcement about this often, in seconds; an erased retained message is then harmless. Default 1 h. */
  askSeconds?: number;
  on?: (event: DeviceEvent) => void;
}

/** What a device tells its owner. Nothing of it is needed for safety. */
export type DeviceEvent =
  | { kind: 'stage'; stage: Stage; code: StageCode; sequence: number; version: string }
  | { kind: 'progress'; bytes: number; of: number }
  /** An announcement was not taken. STALE and the like are normal; others deserve a look. */
  | { kind: 'refused'; code: Code; text: string }
  | { kind: 'restart'; version: string }
  | { kind: 'link'; up: boolean }
  /** Something threw that is not a refusal: the device has stopped. */
  | { kind: 'fault'; error: unknown };

/** Codes that say nothing against the bytes themselves: the same message may be right later. */
const PASSING: ReadonlySet<Code> = new Set([
  'STALE',
  'FREEZE',
  'LINK_LOST',
  'BUSY',
  'RATE_LIMITED',
  'NO_SPACE',
  'NO_MEMORY',
  'NOT_OPEN',
  'NOT_IN_COHORT',
  'VETO',
  'OLD_ROOT',
  'NOT_FOUND',
  'FAILED_BEFORE',
  'CAP_REACHED',
  'BAD_FRAME',
  'SPLIT_VIEW',
  'UNREACHABLE',
]);
/** Faults of the link: ask again soon. */
const AGAIN: ReadonlySet<Code> = new Set(['LINK_LOST', 'BAD_FRAME', 'BUSY', 'RATE_LIMITED']);
/** Refusals after full verification that are a result and go to the ledger, once per release and code. */
const TOLD: ReadonlySet<Code> = new Set(['NO_SPACE', 'NO_MEMORY', 'FAILED_BEFORE', 'FREEZE']);
/** After a lost link or a lying one: ask again after this long, doubling. */
const RETRY_MS = 5_000;
const RETRY_MS_MAX = 15 * 60_000;
/** Unacknowledged reports are sent again after this long, doubling. */
const RESEND_MS = 15_000;
const RESEND_MS_MAX = 10 * 60_000;
const ASK_SECONDS = 3_600;

export class Device {
  readonly #p: DevicePorts;
  readonly #store: Store;
  readonly #asker: Asker;
  readonly #installer: Installer;
  readonly #refused: RefusalCache;
  readonly #rate: RateLimit;
  #mail: Uint8Array | undefined;
  #working = false;
  #cancelAsk = () => {};
  #cancelResend = () => {};
  #retryMs = RETRY_MS;
  #resendMs = RESEND_MS;

  /**
   * Opens the stored state; touches nothing else.
   * @throws Refusal BAD_STATE where the device was never provisioned
   */
  constructor(ports: DevicePorts) {
    this.#p = ports;
    this.#store = Store.open(ports.store, ports.verifier);
    this.#asker = new Asker(ports.link, ports.timer, ports.entropy);
    this.#refused = new RefusalCache(ports.verifier.sha256);
    this.#rate = new RateLimit(ports.timer);
    this.#installer = new Installer({
      ...ports,
      store: this.#store,
      asker: this.#asker,
      interrupted: () => this.#interruption(),
      progress: (bytes, of) => this.#tell({ kind: 'progress', bytes, of }),
    });
  }

  /**
   * The factory's step, once in a device's life, beside writing the image into the slot.
   * @throws Refusal BAD_PROVISION, MALFORMED, BAD_ROOT
   */
  static provision(store: Flash, verifier: Verifier, record: Uint8Array, slot: SlotNumber = 0): void {
    Store.provision(store, verifier, record, slot);
  }

  /** What the device stores, read-only. */
  get state(): Store['state'] {
    return this.#store.state;
  }

  /**
   * Runs after every boot: judges a trial, then opens the link.
   * @returns 'restart' when the boot loader must run again first; nothing else has been started then
   */
  async start(): Promise<'running' | 'restart'> {
    const settled = await settleBoot({ ...this.#p, store: this.#store });
    if (this.#store.closed) return 'restart';
    if (settled === 'restart') {
      this.#tell({ kind: 'restart', version: this.state.running.version });
      return settled;
    }
    this.#p.link.open(
      {
        up: () => this.#up(),
        down: () => this.#down(),
        announcement: (bytes) => this.#receive(bytes),
        answer: (bytes) => this.#guard(() => this.#asker.deliver(bytes)),
        command: (bytes) => this.#guard(() => this.#command(bytes)),
      },
      () => this.#faultless(() => this.#login()),
    );
    return settled;
  }

  /** Ends all work; stored state is untouched. A device that was stopped is not started again: make a new one. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#p.link.close();
  }

  // --- the link ---

  #up(): void {
    if (this.#store.closed) return;
    this.#asker.up();
    this.#tell({ kind: 'link', up: true });
    this.#retryMs = RETRY_MS;
    this.#resendMs = RESEND_MS;
    this.#resend();
    this.#ask();
  }

  #down(): void {
    if (this.#store.closed) return;
    this.#asker.down();
    this.#cancelAsk();
    this.#cancelResend();
    this.#tell({ kind: 'link', up: false });
  }

  /** The counter is stored before it is used: a power cut costs a number, never a replay. */
  async #login(): Promise<Uint8Array> {
    const { counters, identity } = this.state;
    const login = counters.login + 1;
    this.#commit({ counters: { ...counters, login } });
    const value = loginValue({ deviceId: identity.deviceId, brokerId: identity.brokerId, counter: login });
    return signStatement(this.#p.verifier.sha256, 'login', value, this.#p.keys);
  }

  /** The link must not swallow a fault of the device (a flash that fails, a power cut): it stops the device first. */
  async #faultless<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refusal)) this.#fault(error);
      throw error;
    }
  }

  /** Hostile bytes end here: a refusal is told, a fault stops the device, nothing reaches the link's own code. */
  #guard(work: () => void): void {
    if (this.#store.closed) return;
    try {
      work();
    } catch (error) {
      if (error instanceof Refusal) this.#tell({ kind: 'refused', code: error.code, text: error.message });
      else this.#fault(error);
    }
  }

  #command(bytes: Uint8Array): void {
    if (kindOf(bytes) === 'ack') {
      const change = takeAck(this.#p.verifier, this.state, bytes);
      if (change) this.#commit(change);
      if (this.state.outbox.length === 0) this.#cancelResend();
      return;
    }
    const statement = verifyStatement(this.#p.verifier, this.state.root.root, bytes, 'cmd', 'command');
    const command = readCommand(statement.payload);
    const { counters, identity } = this.state;
    if (!equal(command.deviceId, identity.deviceId) || command.counter <= counters.command) return;
    this.#commit({ counters: { ...counters, command: command.counter } });
    if (command.command === COMMAND_RETRY) this.#refused.clear();
    this.#ask();
  }

  /** Sends every unacknowledged report, and again until its acknowledgement comes. */
  #resend(): void {
    this.#cancelResend();
    if (this.#store.closed || !this.#asker.connected || this.state.outbox.length === 0) return;
    for (const { bytes } of this.state.outbox) this.#p.link.report(bytes).catch(() => {});
    this.#cancelResend = this.#p.timer.after(this.#resendMs, () => this.#resend());
    this.#resendMs = Math.min(2 * this.#resendMs, RESEND_MS_MAX);
  }

  /** Asks for the announcement now; then again at jittered intervals for as long as the link is up. */
  #ask(): void {
    this.#askAfter(this.#jittered((this.#p.askSeconds ?? ASK_SECONDS) * 1000));
    fetchAnnouncement(this.#asker).then(
      (bytes) => bytes && this.#receive(bytes),
      (error: unknown) => {
        if (!(error instanceof Refusal)) this.#fault(error);
        else if (this.#asker.connected) this.#retryLater();
      },
    );
  }

  #retryLater(): void {
    this.#askAfter(this.#jittered(this.#retryMs));
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
  }

  #askAfter(ms: number): void {
    this.#cancelAsk();
    if (this.#store.closed) return;
    this.#cancelAsk = this.#p.timer.after(ms, () => this.#asker.connected && this.#ask());
  }

  #jittered(ms: number): number {
    const [a, b] = this.#p.entropy.random(2);
    return Math.round(ms * (0.75 + (0.5 * (a! * 256 + b!)) / 65_536));
  }

  // --- announcements ---

  #receive(bytes: Uint8Array): void {
    if (this.#store.closed || this.#refused.has(bytes)) return;
    this.#mail = bytes.slice();
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      while (this.#mail && !this.#store.closed) {
        const bytes = this.#mail;
        this.#mail = undefined;
        await this.#consider(bytes);
      }
    } catch (error) {
      this.#fault(error);
    } finally {
      this.#working = false;
    }
  }

  async #consider(bytes: Uint8Array): Promise<void> {
    try {
      this.#rate.take();
      const release = await this.#believe(bytes);
      if (release) await this.#install(release);
      this.#retryMs = RETRY_MS;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#alive();
      this.#tell({ kind: 'refused', code: error.code, text: error.message });
      // What the message itself is to blame for is remembered. Everything else may rest on an answer that somebody on the
      // link made up or damaged, so the device asks again: else one such answer would keep a good release away for good.
      const again = AGAIN.has(error.code) || !(PASSING.has(error.code) || this.#refused.has(bytes));
      if (again && this.#asker.connected) this.#retryLater();
    }
  }

  /** From bytes to a release that is current and for this device; undefined where it runs already. */
  async #believe(bytes: Uint8Array): Promise<{ proven: Proven; proofs: Proofs } | undefined> {
    const proven = await this.#prove(bytes);
    const unchanged = isUnchanged(proven, this.#trust());
    const needs = needsOf(proven, this.#trust());
    const proofs = unchanged
      ? await fetchProofs(this.#asker, this.#p.entropy, { consistency: needs.consistency, freshness: false }, [])
      : await fetchProofs(this.#asker, this.#p.entropy, needs, proven.rollout.cohorts);
    this.#alive();
    await this.#telling(proven, () => this.#adopt(proven, proofs));
    return unchanged ? undefined : { proven, proofs };
  }

  async #prove(bytes: Uint8Array): Promise<Proven> {
    const shaped = this.#blaming(bytes, () => shapeAnnouncement(this.#p.verifier, bytes));
    const prove = () => this.#blaming(bytes, () => proveRelease(this.#p.verifier, shaped, this.#trust()));
    try {
      return prove();
    } catch (error) {
      if (!(error instanceof Refusal) || error.code !== 'OLD_ROOT') throw error;
      const wanted = shaped.receipt.signed.fields.rootVersion;
      await fetchRoots(this.#asker, this.#p.verifier, this.state.root, wanted, (root) => this.#commit({ root }));
      return prove();
    }
  }

  /** A message that is refused for its own bytes alone is not looked at again until the next boot. */
  #blaming<T>(bytes: Uint8Array, check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (error instanceof Refusal && !PASSING.has(error.code)) this.#refused.add(bytes);
      throw error;
    }
  }

  /** The stored head moves only with an announcement that is current and for this device. */
  #adopt(proven: Proven, proofs: Proofs): void {
    const head = verifyCurrent(this.#p.verifier, proven, this.#trust(), proofs);
    const stored = this.state;
    const rolloutSequence = Math.max(stored.rolloutSequence, proven.rollout.rolloutSequence);
    const newer = head.size > stored.head.size || head.time > stored.head.time;
    if (newer || rolloutSequence > stored.rolloutSequence) this.#commit({ head, rolloutSequence });
  }

  /** Verifies against what is stored now, and installs branch after branch until one works or none is left. */
  async #install({ proven, proofs }: { proven: Proven; proofs: Proofs }): Promise<void> {
    if (this.state.pending?.phase === 'trial') return; // waits for the restart that begins its trial
    await this.#spread(proven);
    if (this.#mail) return; // something newer came while this device waited for its turn
    let failure: Code | undefined;
    for (;;) {
      const release = await this.#telling(proven, () => this.#verify(proven, proofs), failure);
      await this.#consent('fetch', proven);
      this.#stage('verify', 'OK', proven);
      const outcome = await this.#installer.run(release);
      this.#alive();
      this.#stage('apply', outcome.code, proven);
      if (outcome.code === 'OK') return this.#beginTrial(proven, outcome.stages);
      failure = outcome.code; // counted; the next round takes the next branch, or ends with FAILED_BEFORE
    }
  }

  #verify(proven: Proven, proofs: Proofs): Verified<Release> {
    const failed = hasFailed(this.state, proven.envelope.manifestDigest);
    demand(!failed, 'FAILED_BEFORE', 'the trial of this release failed on this device');
    return verifyRelease(this.#p.verifier, proven, this.#trust(), proofs, this.#resources());
  }

  async #beginTrial(proven: Proven, stages: [Stage, StageCode][]): Promise<void> {
    const { policy, version } = proven.manifest;
    await this.#consent('restart', proven);
    // A release that is not to be logged keeps its result in the ledger, but not the stages that led to it.
    await this.#installer.begin(policy & POLICY_LOG ? stages : []);
    this.#resend();
    this.#stage('trial', 'OK', proven);
    if (policy & POLICY_REBOOT) this.#p.boot.restart();
    this.#tell({ kind: 'restart', version });
  }

  async #consent(stage: VetoStage, { manifest }: Proven): Promise<void> {
    const allowed = (await this.#p.veto?.allow(stage, manifest)) ?? true;
    this.#alive();
    demand(allowed, 'VETO', 'the owner says not now');
  }

  /** Runs a check; a refusal of it that is a result goes to the ledger before it goes on. */
  async #telling<T>(proven: Proven, check: () => T, failure?: Code): Promise<T> {
    try {
      return check();
    } catch (error) {
      if (error instanceof Refusal && TOLD.has(error.code)) {
        await this.#reportRefusal(proven, error.code === 'FAILED_BEFORE' ? (failure ?? error.code) : error.code);
      }
      throw error;
    }
  }

  /** One report per release and code: a re-issued announcement must not make the fleet report again. */
  async #reportRefusal(proven: Proven, code: Code): Promise<void> {
    const { manifestDigest } = proven.envelope;
    const { told } = this.state;
    if (told && told.code === code && equal(told.digest, manifestDigest)) return;
    // Its trial or its branches failed earlier, and that was reported then.
    if (code === 'FAILED_BEFORE') return;
    const { running } = this.state;
    const slotDigest = digestSlot(this.#p.slots[this.#p.boot.running()], running.image.bytes, this.#p.verifier.hash());
    const finding = {
      kind: 'refused',
      code,
      rolloutId: proven.rollout.rolloutId,
      attempt: 0,
      manifestDigest,
      slotDigest,
    } as const;
    const report = await makeReport(this.#store, this.#p.keys, { ...finding, stages: [['verify', code]] });
    this.#commit({ told: { digest: manifestDigest, code }, ...report });
    this.#resend();
  }

  /** Spreads a fleet over the rollout's jitter: each device has its own place, always the same. */
  async #spread(proven: Proven): Promise<void> {
    const seconds = Math.min(proven.rollout.jitterSeconds, JITTER_SECONDS_MAX);
    if (seconds === 0 || this.state.pending) return;
    const { sha256 } = this.#p.verifier;
    const digest = sha256(concat(this.state.identity.deviceId, proven.rollout.rolloutId));
    const fraction = (digest[0]! * 256 + digest[1]!) / 65_536;
    await new Promise<void>((resolve) => void this.#p.timer.after(Math.round(seconds * 1000 * fraction), resolve));
    this.#alive();
  }

  /** Called between frames: a newer announcement that proves itself may end the install under way. */
  #interruption(): 'none' | 'other' {
    const bytes = this.#mail;
    if (!bytes) return 'none';
    try {
      this.#rate.take();
      const proven = proveRelease(this.#p.verifier, shapeAnnouncement(this.#p.verifier, bytes), this.#trust());
      const same = this.state.pending && equal(proven.envelope.manifestDigest, this.state.pending.manifestDigest);
      if (!same || proven.rollout.state !== OPEN) return 'other';
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    this.#mail = undefined;
    return 'none';
  }

  #trust(): Trust {
    const { root, head, identity, running, floor, rolloutSequence } = this.state;
    const device = { ...identity, running, floor, now: this.#p.clock.now() };
    return { root: root.root, head, device, rolloutSequence };
  }

  #resources(): Resources {
    const { slots, workspace, memoryClass, boot } = this.#p;
    const target = slots[boot.running() === 0 ? 1 : 0];
    const failedBranches = this.state.failed.filter((item) => item.count >= 2).map((item) => item.digest);
    return { slotBytes: target.bytes, workspaceBytes: workspace.length, memoryClass, failedBranches };
  }

  #commit(change: Parameters<Store['commit']>[0]): void {
    this.#alive();
    this.#store.commit(change);
  }

  #alive(): void {
    this.#store.demandOpen();
  }

  #halt(): void {
    this.#store.close();
    this.#cancelAsk();
    this.#cancelResend();
    this.#rate.close();
    this.#asker.down();
  }

  #fault(error: unknown): void {
    if (this.#store.closed || error instanceof Closed) return;
    this.#halt();
    this.#tell({ kind: 'fault', error });
  }

  #stage(stage: Stage, code: StageCode, { manifest }: Proven): void {
    this.#tell({ kind: 'stage', stage, code, sequence: manifest.sequence, version: manifest.version });
  }

  #tell(event: DeviceEvent): void {
    this.#p.on?.(event);
  }
}
