/** A device under attack, with the network around it: what it asks is answered truly, unless the attack lies. */
import { type Answer, encodeAnswer, type Request, readRequest } from '@countersign/device-sdk/format';
import type { PocketServer } from './pocket/publisher.ts';
import type { PocketRelease } from './pocket/release.ts';
import type { Birth, Ear, Look, Port, Said } from './port/port.ts';

/** What stands in for an answer: another one, several, none, or bytes that are no answer at all. */
export type Lied = Answer | Uint8Array | readonly (Answer | Uint8Array)[];
export type Lie = (answer: Answer, request: Request) => Lied | Promise<Lied>;

export const DEVICE_ID = new Uint8Array(16).fill(7);
export const DEVICE_KEY = new Uint8Array(32).fill(42);
/** Any device that goes on longer than this on one message has no end. */
const STEPS_MAX = 20_000;

export class Victim {
  readonly port: Port;
  readonly server: PocketServer;
  codes: string[] = [];
  faults: string[] = [];
  logins: Uint8Array[] = [];
  requests: Request[] = [];
  reports: Uint8Array[] = [];
  cuts = 0;
  boots = 0;
  /** Milliseconds that have passed for the device. */
  elapsedMs = 0;
  /** Frames it has been sent. */
  frames = 0;
  lie: Lie = (answer) => answer;
  /** What another mirror answers. Where there is one, the device goes to it when it gives up the one that it has. */
  other: Lie | undefined;
  switches = 0;
  /** While false, a restart that the device wants waits. */
  restarts = true;
  /** While false, nothing that it sends arrives. */
  online = true;
  #dueMs: number | null = null;
  #steps = 0;

  constructor(port: Port, server: PocketServer) {
    this.port = port;
    this.server = server;
  }

  /** From the factory, with `release` in slot 0, and on. */
  static async born(port: Port, server: PocketServer, release: PocketRelease, change: Partial<Birth> = {}) {
    const victim = new Victim(port, server);
    const birth: Birth = {
      record: server.provision(release, DEVICE_ID),
      image: release.image,
      components: Object.entries(release.components).map(([id, image]) => ({ id, image, slotBytes: 16_384 })),
      key: DEVICE_KEY,
      writeBytes: 8,
      eraseBytes: 1024,
      slotBytes: 16_384,
      storeBytes: 16_384,
      workspaceBytes: 8192,
      memoryClass: 'M',
      clock: server.time + 60,
      bad: [],
      veto: false,
      ...change,
    };
    await victim.take(await port.provision(birth));
    return victim;
  }

  async boot(): Promise<void> {
    this.boots++;
    await this.take(await this.port.boot());
  }

  async hear(bytes: Uint8Array, ear: Ear = 'announcement'): Promise<void> {
    this.#steps = 0;
    await this.take(await this.port.deliver(ear, bytes));
  }

  /** Lets time pass, with everything that is due in it. */
  async pass(ms: number, until: () => boolean = () => false): Promise<void> {
    const end = this.elapsedMs + ms;
    this.#steps = 0;
    while (this.elapsedMs < end && !until()) {
      const step = Math.min(Math.max(1, this.#dueMs ?? ms), end - this.elapsedMs);
      this.elapsedMs += step;
      await this.take(await this.port.advance(step));
    }
  }

  look(): Promise<Look> {
    return this.port.look();
  }

  /** Carries what the device sent, and what it is answered, until it has nothing more to say. */
  async take(first: Said): Promise<void> {
    const queue = [first];
    for (let said = queue.shift(); said; said = queue.shift()) {
      if (++this.#steps > STEPS_MAX) throw new RangeError(`no end after ${STEPS_MAX} steps`);
      this.codes.push(...said.codes);
      if (said.fault !== null) this.faults.push(said.fault);
      this.#dueMs = said.dueMs;
      if (said.cut) {
        this.cuts++;
        return;
      }
      if (said.distrusted && this.other) queue.push(...(await this.#switch(this.other)));
      if (said.restart && this.restarts) {
        this.boots++;
        queue.splice(0, queue.length, await this.port.boot());
        continue;
      }
      for (const { by, bytes } of said.sent) for await (const next of this.#carry(by, bytes)) queue.push(next);
    }
  }

  async #switch(other: Lie): Promise<Said[]> {
    this.lie = other;
    this.other = undefined;
    this.switches++;
    return [await this.port.link(false), await this.port.link(true)];
  }

  async *#carry(by: Said['sent'][number]['by'], bytes: Uint8Array): AsyncGenerator<Said> {
    if (by === 'login') this.logins.push(bytes);
    if (by === 'report') this.reports.push(bytes);
    if (!this.online) return;
    if (by === 'login') yield await this.port.link(true);
    else if (by === 'report') {
      const ack = await this.server.report(bytes);
      if (ack) yield await this.port.deliver('command', ack);
    } else {
      const request = readRequest(bytes);
      this.requests.push(request);
      for (const answer of await this.server.answers(bytes)) {
        const said = await this.lie(answer, request);
        for (const item of Array.isArray(said) ? said : [said as Answer | Uint8Array]) {
          const out = item instanceof Uint8Array ? item : encodeAnswer(item);
          if ('frame' in item) this.frames++;
          yield await this.port.deliver('answer', out);
        }
      }
    }
  }
}
