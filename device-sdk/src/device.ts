/**
 * A device, composed: settles its boot, listens, believes only what verify proves, installs, tries, reports. One piece
 * of work at a time; what arrives meanwhile waits in a mailbox (only the newest announcement matters).
 *
 * Who is blamed for what: an announcement that proves itself wrong is remembered, in RAM. What the network answers is
 * never held against an announcement: lies are asked again, later and later. Only what was verified whole and failed
 * here goes to the persistent list.
 *
 * This file joins the parts and holds the side of the link: login, commands, acknowledgements, the regular question.
 */

import type { DevicePorts, Tell } from './device-ports.ts';
import { demand, Refusal } from './errors.ts';
import { Asker, HINTS } from './fetch/asker.ts';
import { fetchAnnouncement } from './fetch/proofs.ts';
import { AskSchedule } from './fetch/schedule.ts';
import { placesOf } from './fetch/target.ts';
import { equal } from './format/bytes.ts';
import { COMMAND_RETRY, loginValue, readCommand } from './format/messages.ts';
import { kindOf, signStatement, statementBytesMax } from './format/statement.ts';
import { settleBoot, type TrialPorts } from './install/trial.ts';
import type { Link } from './ports.ts';
import { takeAck } from './report/reports.ts';
import { Resender } from './report/resender.ts';
import { Closed, Store } from './store/store.ts';
import { Work } from './update/work.ts';
import { verifyStatement } from './verify/signed.ts';

/** Login counters stored at once: a link that flaps would otherwise wear the flash with one record per connection. */
const LOGINS_AT_ONCE = 32;

export class Device {
  readonly #link: Link;
  readonly #store: Store;
  readonly #trial: TrialPorts;
  readonly #asker: Asker;
  readonly #schedule: AskSchedule;
  readonly #resender: Resender;
  readonly #work: Work;
  readonly #tell: Tell;
  #nextLogin: number;

  /**
   * Opens the stored state; touches nothing else. A device opened before on the same flash is stopped by it.
   * @throws Refusal BAD_STATE where the device was never provisioned or its store is damaged
   */
  constructor(ports: DevicePorts) {
    const { verifier, keys, slots, boot, health, timer, entropy, clock, link, askSeconds } = ports;
    const { veto, workspace, memoryClass, decoders, windowBytes, offline } = ports;
    const store = Store.open(ports.store, verifier);
    placesOf(slots, 0, store.state.running.image); // a component without slots could never be updated with the others
    const asker = new Asker(link, timer, entropy);
    const resender = new Resender(store, link, timer);
    const tell: Tell = (event) => ports.on?.(event);
    this.#link = link;
    this.#store = store;
    this.#trial = { store, keys, slots, boot, health, timer };
    this.#asker = asker;
    this.#schedule = new AskSchedule({ timer, entropy, askSeconds, ask: () => this.#ask() });
    this.#resender = resender;
    this.#work = new Work({
      ...this.#trial,
      ...{ asker, resender, entropy, clock, offline, veto, workspace, memoryClass, decoders, windowBytes, tell },
      retry: (refusal) => this.#retryLater(refusal),
      succeeded: () => this.#schedule.succeeded(),
      guard: (work) => this.#guard(work),
      refused: (refusal) => this.#tellRefused(refusal),
      fault: (error) => this.#fault(error),
    });
    this.#tell = tell;
    this.#nextLogin = this.state.counters.login + 1;
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
    if (this.state.damaged) this.#tell({ kind: 'damaged' });
    const settled = await settleBoot(this.#trial);
    if (this.#store.closed) return 'restart';
    if (settled === 'restart') {
      this.#tell({ kind: 'restart', version: this.state.running.version });
      return settled;
    }
    this.#link.open(
      {
        up: () => this.#up(),
        down: () => this.#down(),
        announcement: (bytes) => this.#guard(() => this.#work.receive(bytes, false)),
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
    await this.#link.close();
  }

  // --- the link ---

  #up(): void {
    if (this.#store.closed) return;
    this.#asker.up();
    this.#tell({ kind: 'link', up: true });
    this.#resender.up();
    this.#schedule.up();
    this.#work.start();
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
    this.#store.demandOpen();
    const { counters, identity } = this.state;
    const counter = this.#nextLogin++;
    if (counter > counters.login)
      this.#store.commit({ counters: { ...counters, login: counter + LOGINS_AT_ONCE - 1 } });
    const value = loginValue({ deviceId: identity.deviceId, brokerId: identity.brokerId, counter });
    return signStatement(this.#store.verifier.sha256, 'login', value, this.#trial.keys);
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
    const statement = verifyStatement(this.#store.verifier, this.state.root.root, bytes, 'cmd', 'command');
    const command = readCommand(statement.payload);
    const { counters, identity } = this.state;
    if (!equal(command.deviceId, identity.deviceId) || command.counter <= counters.command) return;
    this.#store.commit({ counters: { ...counters, command: command.counter } });
    if (command.command === COMMAND_RETRY) this.#work.forgive();
    this.#schedule.now();
  }

  #acknowledged(bytes: Uint8Array): void {
    const change = takeAck(this.#store.verifier, this.state, bytes);
    if (!change) return;
    this.#store.commit(change);
    this.#resender.moved();
    if (this.state.outbox.length === 0) this.#resender.close();
    this.#work.start();
  }

  #ask(): void {
    fetchAnnouncement(this.#asker).then(
      (bytes) => bytes && this.#guard(() => this.#work.receive(bytes, true)),
      (error: unknown) => {
        if (error instanceof Refusal) this.#retryLater(error);
        else this.#fault(error);
      },
    );
  }

  /**
   * @param refusal why an attempt came to nothing. What a server may say of itself, and a flash that fails, are nothing
   * against the link; all else that another answer would change is, for as long as the link says that it is up.
   */
  #retryLater(refusal?: Refusal): void {
    if (this.#store.closed) return;
    const blameless = !refusal || HINTS.has(refusal.code) || refusal.code === 'FLASH_FAULT';
    if (!blameless && this.#asker.connected) this.#link.distrust?.();
    this.#schedule.retry(this.#asker.takeWaitMs());
  }

  #halt(): void {
    this.#store.close();
    this.#schedule.close();
    this.#resender.close();
    this.#work.close();
    this.#asker.down();
  }

  #fault(error: unknown): void {
    if (this.#store.closed || error instanceof Closed) return;
    this.#halt();
    this.#tell({ kind: 'fault', error });
  }

  #tellRefused({ code, message }: Refusal): void {
    this.#tell({ kind: 'refused', code, text: message });
  }
}
