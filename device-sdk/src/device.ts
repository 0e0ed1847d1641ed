/**
 * A device, composed: settles its boot, listens, believes only what verify proves, installs, tries, reports. One piece
 * of work at a time; what arrives meanwhile waits in a mailbox (only the newest announcement matters).
 *
 * Who is blamed for what: an announcement that proves itself wrong is remembered, in RAM. What the network answers is
 * never held against an announcement: lies are asked again, later and later. Only what was verified whole and failed
 * here goes to the persistent list.
 */

import { within } from './deadline.ts';
import { type Code, demand, Refusal } from './errors.ts';
import { Asker } from './fetch/asker.ts';
import { RateLimit, RefusalCache } from './fetch/guard.ts';
import { type Letter, Mailbox } from './fetch/mailbox.ts';
import { fetchAnnouncement, fetchFresh, fetchProofs, fetchRoots } from './fetch/proofs.ts';
import { AskSchedule } from './fetch/schedule.ts';
import { ANNOUNCEMENT_BYTES_MAX } from './format/announcement.ts';
import { concat, equal } from './format/bytes.ts';
import { OPEN } from './format/index-entry.ts';
import { COMMAND_RETRY, loginValue, readCommand } from './format/messages.ts';
import type { Stage, StageCode } from './format/report.ts';
import { JITTER_SECONDS_MAX } from './format/rollout.ts';
import { kindOf, signStatement, statementBytesMax } from './format/statement.ts';
import type { MemoryClass } from './format/suit.ts';
import { POLICY_LOG, POLICY_REBOOT } from './format/suit.ts';
import { Installer } from './install/installer.ts';
import { digestSlot } from './install/slots.ts';
import { Closed, Store, type Told } from './install/state.ts';
import { addTold, hasFailed, settleBoot, type TrialPorts, withdrawTrial } from './install/trial.ts';
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
import { isFull, makeReport, takeAck } from './report/reports.ts';
import { Resender } from './report/resender.ts';
import { checkApplicability, checkRollout } from './verify/applies.ts';
import { checkSuccession } from './verify/head.ts';
import {
  isUnchanged,
  needsOf,
  proveRelease,
  shapeAnnouncement,
  verifyCurrent,
  verifyRelease,
} from './verify/release.ts';
import { restartHead } from './verify/root.ts';
import { verifyStatement } from './verify/signed.ts';
import type { Proofs, Proven, Release, Resources, Shaped, Trust, Verified } from './verify/types.ts';

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

/** Refusals that no other answer of the network would change: the next announcement or the regular question may. */
const SETTLED: ReadonlySet<Code> = new Set([
  'STALE',
  'NOT_OPEN',
  'NOT_IN_COHORT',
  'VETO',
  'FAILED_BEFORE',
  'NO_SPACE',
  'NO_MEMORY',
  'CAP_REACHED',
  'WRONG_VENDOR',
  'WRONG_CLASS',
  'ROLLBACK',
]);
/** Refusals after full verification that are a result and go to the ledger, once per release, rollout and code. */
const TOLD: ReadonlySet<Code> = new Set(['NO_SPACE', 'NO_MEMORY', 'FAILED_BEFORE', 'FREEZE', 'CAP_REACHED']);
/** Login counters stored at once: a link that flaps would otherwise wear the flash with one record per connection. */
const LOGINS_AT_ONCE = 32;
/** An owner who says nothing has said no. */
const VETO_MS = 60_000;
/** A release that has used up its fetches gets one more chance after this long. */
const FORGIVE_MS = 86_400_000;

export class Device {
  readonly #p: DevicePorts;
  readonly #store: Store;
  readonly #asker: Asker;
  readonly #installer: Installer;
  readonly #refused: RefusalCache;
  readonly #rate: RateLimit;
  readonly #mail = new Mailbox();
  readonly #schedule: AskSchedule;
  readonly #resender: Resender;
  #working = false;
  /** The release that is being installed now. */
  #current: Proven | undefined;
  /** The rollout whose jitter this device has waited for. */
  #waited: Uint8Array | undefined;
  /** The head that was found stale. It is an alarm only where asking again brings no other. */
  #frozen: Uint8Array | undefined;
  /** The release whose trial has been held up once for a newer trust root. */
  #deferred: Uint8Array | undefined;
  #nextLogin: number;
  #wake = () => {};
  #cancelForgive: (() => void) | undefined;

  /**
   * Opens the stored state; touches nothing else. A device opened before on the same flash is stopped by it.
   * @throws Refusal BAD_STATE where the device was never provisioned or its store is damaged
   */
  constructor(ports: DevicePorts) {
    this.#p = ports;
    this.#store = Store.open(ports.store, ports.verifier);
    this.#nextLogin = this.state.counters.login + 1;
    this.#asker = new Asker(ports.link, ports.timer, ports.entropy);
    this.#refused = new RefusalCache(ports.verifier.sha256);
    this.#rate = new RateLimit(ports.timer);
    const { timer, entropy, askSeconds } = ports;
    this.#schedule = new AskSchedule({ timer, entropy, askSeconds, ask: () => this.#ask() });
    this.#resender = new Resender(this.#store, ports.link, timer);
    this.#installer = new Installer({
      ...this.#trialPorts(),
      asker: this.#asker,
      workspace: ports.workspace,
      memoryClass: ports.memoryClass,
      windowBytes: ports.windowBytes,
      interrupted: () => (this.#interruption() ? 'other' : 'none'),
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
    const settled = await settleBoot(this.#trialPorts());
    if (this.#store.closed) return 'restart';
    if (settled === 'restart') {
      this.#tell({ kind: 'restart', version: this.state.running.version });
      return settled;
    }
    this.#p.link.open(
      {
        up: () => this.#up(),
        down: () => this.#down(),
        announcement: (bytes) => this.#guard(() => this.#receive(bytes, false)),
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
    this.#resender.up();
    this.#schedule.up();
    this.#startWork();
  }

  #down(): void {
    if (this.#store.closed) return;
    this.#schedule.down();
    this.#resender.down();
    this.#asker.down();
    this.#tell({ kind: 'link', up: false });
  }

  /** A counter is stored before it is used, some ahead of it: a power cut costs numbers, never a replay. */
  async #login(): Promise<Uint8Array> {
    this.#alive();
    const { counters, identity } = this.state;
    const counter = this.#nextLogin++;
    if (counter > counters.login) this.#commit({ counters: { ...counters, login: counter + LOGINS_AT_ONCE - 1 } });
    const value = loginValue({ deviceId: identity.deviceId, brokerId: identity.brokerId, counter });
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
      if (error instanceof Refusal) this.#tellRefused(error);
      else this.#fault(error);
    }
  }

  #command(bytes: Uint8Array): void {
    demand(bytes.length <= statementBytesMax('cmd'), 'TOO_LARGE', `a command of ${bytes.length} bytes`);
    if (kindOf(bytes) === 'ack') this.#acknowledged(bytes);
    else this.#commanded(bytes);
  }

  #commanded(bytes: Uint8Array): void {
    const statement = verifyStatement(this.#p.verifier, this.state.root.root, bytes, 'cmd', 'command');
    const command = readCommand(statement.payload);
    const { counters, identity } = this.state;
    if (!equal(command.deviceId, identity.deviceId) || command.counter <= counters.command) return;
    this.#commit({ counters: { ...counters, command: command.counter } });
    if (command.command === COMMAND_RETRY) {
      this.#refused.clear();
      this.#installer.forgive();
    }
    this.#schedule.now();
  }

  #acknowledged(bytes: Uint8Array): void {
    const change = takeAck(this.#p.verifier, this.state, bytes);
    if (!change) return;
    this.#commit(change);
    this.#resender.moved();
    if (this.state.outbox.length === 0) this.#resender.close();
    this.#startWork();
  }

  #ask(): void {
    fetchAnnouncement(this.#asker).then(
      (bytes) => bytes && this.#guard(() => this.#receive(bytes, true)),
      (error: unknown) => {
        if (error instanceof Refusal) this.#retryLater();
        else this.#fault(error);
      },
    );
  }

  #retryLater(): void {
    if (!this.#store.closed) this.#schedule.retry(this.#asker.takeWaitMs());
  }

  // --- announcements ---

  #receive(bytes: Uint8Array, asked: boolean): void {
    demand(bytes.length <= ANNOUNCEMENT_BYTES_MAX, 'TOO_LARGE', `the announcement has ${bytes.length} bytes`);
    if (this.#refused.has(bytes)) return;
    this.#mail.put(bytes, asked);
    this.#wake();
    this.#startWork();
  }

  #startWork(): void {
    if (!this.#working) void this.#work();
  }

  async #work(): Promise<void> {
    this.#working = true;
    try {
      await this.#reportMissed();
      for (let letter = this.#mail.take(); letter && !this.#store.closed; letter = this.#mail.take()) {
        await this.#consider(letter);
        await this.#reportMissed();
      }
    } catch (error) {
      this.#fault(error);
    } finally {
      this.#working = false;
      this.#current = undefined;
    }
  }

  async #consider(letter: Letter): Promise<void> {
    try {
      if (!letter.counted) this.#rate.take();
      await this.#follow(letter.bytes);
      this.#schedule.succeeded();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#alive();
      this.#tellRefused(error);
      if (!SETTLED.has(error.code) && !this.#refused.has(letter.bytes)) this.#retryLater();
    }
  }

  async #follow(bytes: Uint8Array): Promise<void> {
    const shaped = this.#remembering(bytes, () => shapeAnnouncement(this.#p.verifier, bytes));
    await this.#followRoots(shaped);
    const proven = this.#remembering(bytes, () => proveRelease(this.#p.verifier, shaped, this.#trust()));
    const needs = needsOf(proven, this.#trust());
    this.#remembering(bytes, () => this.#checkApplicability(proven));
    const unchanged = isUnchanged(proven, this.#trust());
    const proofs = unchanged
      ? await fetchProofs(this.#asker, this.#p.entropy, { ...needs, freshness: false }, [])
      : await fetchProofs(this.#asker, this.#p.entropy, needs, proven.rollout.cohorts);
    this.#alive();
    await this.#telling(proven, () => this.#adopt(proven, proofs));
    await this.#withdraw(proven);
    if (!unchanged && this.state.pending?.phase !== 'trial') await this.#install(proven, proofs);
  }

  /** A check of the message by itself: what fails it will fail it again. */
  #remembering<T>(bytes: Uint8Array, check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (error instanceof Refusal && error.code !== 'STALE' && error.code !== 'OLD_ROOT') this.#refused.add(bytes);
      throw error;
    }
  }

  /** Nothing of the announcement has been proven yet: whatever goes wrong here is the network's fault. */
  async #followRoots(shaped: Shaped): Promise<void> {
    const wanted = shaped.receipt.signed.fields.rootVersion;
    if (wanted <= this.state.root.root.version) return;
    await fetchRoots(this.#asker, this.#p.verifier, this.state.root, wanted, (root) => {
      const head = restartHead(this.state.root.root, root.root);
      this.#commit(head ? { root, head, rolloutSequence: 0 } : { root });
    });
  }

  #checkApplicability(proven: Proven): void {
    const { root, device } = this.#trust();
    checkApplicability(proven, root, device);
  }

  /** The stored head moves only with an announcement that is current and for this device. */
  #adopt(proven: Proven, proofs: Proofs): void {
    const head = verifyCurrent(this.#p.verifier, proven, this.#trust(), proofs);
    const stored = this.state;
    const rolloutSequence = Math.max(stored.rolloutSequence, proven.rollout.rolloutSequence);
    const newer =
      head.size > stored.head.size || head.time > stored.head.time || head.rootVersion > stored.head.rootVersion;
    if (newer || rolloutSequence > stored.rolloutSequence) this.#commit({ head, rolloutSequence });
  }

  /** A trial that waits for the owner's restart does not begin where the rollout has been stopped meanwhile. */
  async #withdraw(proven: Proven): Promise<void> {
    const { pending } = this.state;
    if (pending?.phase !== 'trial' || this.#isOpenFor(proven, pending)) return;
    await withdrawTrial(this.#trialPorts(), pending);
    this.#resender.now();
  }

  /** Verifies against what is stored now, and installs branch after branch until one works or none is left. */
  async #install(proven: Proven, given: Proofs): Promise<void> {
    this.#current = proven;
    const waited = await this.#spread(proven);
    const refresh = waited && given.fresh !== undefined;
    const proofs = refresh ? { ...given, fresh: await fetchFresh(this.#asker, this.#p.entropy) } : given;
    this.#alive();
    let failure: Code | undefined;
    for (;;) {
      const release = await this.#telling(proven, () => this.#verify(proven, proofs), failure);
      await this.#consent('fetch', proven);
      this.#stage('verify', 'OK', proven);
      const outcome = await this.#telling(proven, () => this.#installer.run(release));
      this.#alive();
      this.#stage('apply', outcome.code, proven);
      if (outcome.code === 'OK') return this.#beginTrial(proven, proofs, outcome.stages);
      failure = outcome.code; // counted; the next round takes the next branch, or ends with FAILED_BEFORE
    }
  }

  #verify(proven: Proven, proofs: Proofs): Verified<Release> {
    const failed = hasFailed(this.state, proven.envelope.manifestDigest);
    demand(!failed, 'FAILED_BEFORE', 'the trial of this release failed on this device');
    return verifyRelease(this.#p.verifier, proven, this.#trust(), proofs, this.#resources());
  }

  async #beginTrial(proven: Proven, proofs: Proofs, stages: [Stage, StageCode][]): Promise<void> {
    const { policy, version } = proven.manifest;
    await this.#consent('restart', proven);
    // Fetching took its time: the rollout may have been stopped, or its window may be over.
    demand(!this.#interruption(), 'NOT_OPEN', 'another release or state is announced');
    this.#deferOnce(proven);
    const { rolloutSequence, device } = this.#trust();
    checkRollout(this.#p.verifier, proven.rollout, rolloutSequence, device, proofs.membership);
    // A release that is not to be logged keeps its result in the ledger, but not the stages that led to it.
    await this.#installer.begin(policy & POLICY_LOG ? stages : []);
    this.#resender.now();
    this.#stage('trial', 'OK', proven);
    if (policy & POLICY_REBOOT) this.#p.boot.restart();
    this.#tell({ kind: 'restart', version });
  }

  async #consent(stage: VetoStage, { manifest }: Proven): Promise<void> {
    const { veto, timer } = this.#p;
    const allowed = !veto || (await within(timer, VETO_MS, () => veto.allow(stage, manifest), false, false));
    this.#alive();
    demand(allowed === true, 'VETO', 'the owner says not now');
  }

  /** Runs a check; a refusal of it that is a result goes to the ledger before it goes on. */
  async #telling<T>(proven: Proven, check: () => T | Promise<T>, failure?: Code): Promise<T> {
    try {
      return await check();
    } catch (error) {
      if (error instanceof Refusal && TOLD.has(error.code)) {
        this.#alive();
        await this.#reportRefusal(proven, error.code === 'FAILED_BEFORE' ? (failure ?? error.code) : error.code);
      }
      throw error;
    }
  }

  /** One report per release, rollout and code: a re-issued announcement must not make the fleet report again. */
  async #reportRefusal(proven: Proven, code: Code): Promise<void> {
    const { manifestDigest } = proven.envelope;
    const { rolloutId } = proven.rollout;
    const { told, running } = this.state;
    // What is stale may only have crossed with a newer one: it is an alarm when asking again brings the same.
    if (code === 'FREEZE' && !this.#isFrozen(proven)) return;
    if (code === 'CAP_REACHED') this.#forgiveLater();
    const about = told.filter(
      (item) =>
        equal(item.manifestDigest, manifestDigest) && equal(item.rolloutId, rolloutId) && item.code !== 'FREEZE',
    );
    // What failed before was reported when it failed, unless that was in another rollout or power went before the report.
    if (code === 'FAILED_BEFORE' ? about.length > 0 : isTold(told, manifestDigest, rolloutId, code)) return;
    const slotDigest = digestSlot(this.#p.slots[this.#p.boot.running()], running.image.bytes, this.#p.verifier.hash());
    const stages: [Stage, StageCode][] = [['verify', code]];
    const finding = { kind: 'refused', code, rolloutId, attempt: 0, manifestDigest, slotDigest, stages } as const;
    const report = await makeReport(this.#store, this.#p.keys, finding);
    this.#commit({ told: addTold(this.state.told, { manifestDigest, rolloutId, code }), ...report });
    this.#resender.now();
  }

  #isFrozen(proven: Proven): boolean {
    const again = this.#frozen !== undefined && equal(this.#frozen, proven.headDigest);
    this.#frozen = proven.headDigest;
    return again;
  }

  #forgiveLater(): void {
    this.#cancelForgive ??= this.#p.timer.after(FORGIVE_MS, () => {
      this.#cancelForgive = undefined;
      this.#guard(() => this.#installer.forgive());
    });
  }

  /** What met a full outbox is reported when there is room. */
  async #reportMissed(): Promise<void> {
    const { missed, outbox, reports, running, pending } = this.state;
    if (this.#store.closed || !missed || isFull(outbox, reports.counter + 1)) return;
    const slot = this.#p.boot.running();
    const bytes = pending?.slot === slot ? pending.image.bytes : running.image.bytes;
    const slotDigest = digestSlot(this.#p.slots[slot], bytes, this.#p.verifier.hash());
    const report = await makeReport(this.#store, this.#p.keys, { ...missed, slotDigest });
    this.#commit(report);
    this.#resender.now();
  }

  /**
   * Spreads a fleet over the rollout's jitter: each device has its own place, always the same.
   * @returns whether it has waited
   * @throws Refusal NOT_OPEN when something else is announced meanwhile
   */
  async #spread(proven: Proven): Promise<boolean> {
    const { rolloutId, jitterSeconds } = proven.rollout;
    const seconds = Math.min(jitterSeconds, JITTER_SECONDS_MAX);
    if (seconds === 0 || this.state.pending || (this.#waited && equal(this.#waited, rolloutId))) return false;
    const digest = this.#p.verifier.sha256(concat(this.state.identity.deviceId, rolloutId));
    const fraction = (digest[0]! * 256 + digest[1]!) / 65_536;
    let over = false;
    const cancel = this.#p.timer.after(Math.round(seconds * 1000 * fraction), () => {
      over = true;
      this.#wake();
    });
    try {
      while (!over) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#alive();
        demand(!this.#interruption(), 'NOT_OPEN', 'another release or state is announced');
      }
    } finally {
      cancel();
      this.#wake = () => {};
    }
    this.#waited = rolloutId;
    return true;
  }

  /**
   * Called while an install waits and between its frames: a newer announcement that proves itself may end it. What does
   * not prove itself, or says the same, is thrown away here.
   */
  #interruption(): boolean {
    for (const letter of this.#mail.unread()) {
      if (!letter.counted && !this.#rate.tryTake()) continue; // looked at when the minute is over
      letter.counted = true;
      const found = this.#read(letter);
      if (found === 'nothing') this.#mail.drop(letter);
      letter.read = true;
      if (found !== 'other') continue;
      this.#retryLater(); // should it come to nothing after all, this install is taken up again
      return true;
    }
    return false;
  }

  /** An announcement under a newer trust root waits: it is followed before the trial, but may not hold it up twice. */
  #deferOnce({ envelope }: Proven): void {
    const { manifestDigest } = envelope;
    if (this.#mail.read().length === 0 || (this.#deferred && equal(this.#deferred, manifestDigest))) return;
    this.#deferred = manifestDigest;
    this.#retryLater();
    throw new Refusal('NOT_OPEN', 'an announcement under a newer trust root comes first');
  }

  #read({ bytes }: Letter): 'nothing' | 'other' | 'later' {
    const trust = this.#trust();
    try {
      const proven = this.#remembering(bytes, () =>
        proveRelease(this.#p.verifier, shapeAnnouncement(this.#p.verifier, bytes), trust),
      );
      // A replay of what was valid once must not stop what is current.
      checkSuccession(trust.root, trust.head, proven.head);
      demand(proven.rollout.rolloutSequence >= trust.rolloutSequence, 'STALE', 'an older rollout statement');
      this.#checkApplicability(proven);
      const { envelope, rollout } = this.#current!;
      const { manifestDigest } = envelope;
      return this.#isOpenFor(proven, { manifestDigest, rolloutId: rollout.rolloutId }) ? 'nothing' : 'other';
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      // Whether it holds depends on trust roots that must be asked for first: after this install, before its trial.
      return error.code === 'OLD_ROOT' ? 'later' : 'nothing';
    }
  }

  #isOpenFor(proven: Proven, by: { manifestDigest: Uint8Array; rolloutId: Uint8Array }): boolean {
    const same =
      equal(proven.envelope.manifestDigest, by.manifestDigest) && equal(proven.rollout.rolloutId, by.rolloutId);
    return same && proven.rollout.state === OPEN;
  }

  #trialPorts(): TrialPorts {
    const { keys, slots, boot, health, timer } = this.#p;
    return { store: this.#store, keys, slots, boot, health, timer };
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
    this.#schedule.close();
    this.#resender.close();
    this.#rate.close();
    this.#cancelForgive?.();
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

  #tellRefused({ code, message }: Refusal): void {
    this.#tell({ kind: 'refused', code, text: message });
  }

  #tell(event: DeviceEvent): void {
    this.#p.on?.(event);
  }
}

function isTold(told: readonly Told[], manifestDigest: Uint8Array, rolloutId: Uint8Array, code: Code): boolean {
  return told.some(
    (item) => item.code === code && equal(item.manifestDigest, manifestDigest) && equal(item.rolloutId, rolloutId),
  );
}
