/**
 * What a gateway keeps of one child: its connection while it has one, and its way to the server, which is the child's
 * own. The gateway has no name and no right of its own there; it carries logins that the child has signed.
 */
import { type Code, codeOf, Refusal } from '../../src/errors.ts';
import { hex } from '../../src/format/bytes.ts';
import {
  type Answer,
  encodeAnswer,
  encodeRequest,
  FRAMES,
  REFUSED,
  type Request,
  readAnswer,
  readRequest,
} from '../../src/format/requests.ts';
import { kindOf } from '../../src/format/statement.ts';
import type { Link, Timer } from '../../src/ports.ts';
import { ANNOUNCEMENT, ANSWER, COMMAND, type Hello, STORED } from '../local/format.ts';
import { lost } from '../wire.ts';
import type { Connection } from './connection.ts';
import type { FrameSource, Way } from './frame-source.ts';
import type { Notes } from './notes.ts';
import type { ReportStore } from './report-store.ts';

export interface Identity {
  deviceId: Uint8Array;
  classId: Uint8Array;
}

export interface StationPorts {
  timer: Timer;
  frames: FrameSource;
  reports: ReportStore;
  /** Logins signed beforehand, for reports of a child that sleeps when the server is back. */
  logins: Notes;
  link(identity: Identity, trouble: (error: unknown) => void): Link;
  /** Answers without the server. */
  alone(identity: Identity, request: Request): Answer;
  /** Something came from the server that is worth keeping. */
  heard(identity: Identity, what: { announcement: Uint8Array } | { question: Request; answer: Answer }): void;
  trouble(error: unknown): void;
  /** It has nothing left to do. */
  over(station: Station): void;
}

/** A child that has just said hello asks at once; its way to the server takes a moment. */
const FIRST_MS = 3_000;
/** A child that restarts into its new image is back within seconds. */
const LINGER_MS = 60_000;
/** Reports are sent again after this while the server does not acknowledge them, doubling. */
const RESEND_MS = 5_000;
const RESEND_MS_MAX = 10 * 60_000;
/** Questions of a child that wait for the server's answer. */
const OPEN_MAX = 16;
/** After these a login may still be good. Any other code may mean that it was used, or is void: the next one is fresh. */
const LOGIN_KEPT: ReadonlySet<Code> = new Set(['LINK_LOST', 'UNREACHABLE', 'BUSY', 'RATE_LIMITED']);
const RETRY_SECONDS = 10;

export class Station implements Way {
  readonly identity: Identity;
  readonly #p: StationPorts;
  readonly #link: Link;
  readonly #open = new Map<number, Request>();
  connection: Connection | undefined;
  up = false;
  #login: Uint8Array | undefined;
  #settled: Promise<void>;
  #settle = (): void => undefined;
  #closed = false;
  /** Questions that wait for the way to come up. */
  #asking = 0;
  #known = false;
  #cancelFirst: () => void;
  #cancelLinger = (): void => undefined;
  #cancelResend = (): void => undefined;
  #resendMs = RESEND_MS;

  constructor(identity: Identity, ports: StationPorts) {
    this.identity = identity;
    this.#p = ports;
    this.#settled = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#cancelFirst = ports.timer.after(FIRST_MS, this.#settle);
    this.#link = ports.link(identity, (error) => {
      if (!LOGIN_KEPT.has(codeOf(error))) this.#login = undefined;
      ports.trouble(error);
    });
  }

  /** The server has taken a login of it. */
  get known(): boolean {
    return this.#known;
  }

  /** Nobody is here, and nobody has shown to be whom it claims to be. */
  get away(): boolean {
    return !this.#known && !this.connection;
  }

  open(): void {
    this.#link.open(
      {
        up: () => this.#wentUp(),
        down: () => {
          this.up = false;
          this.#cancelResend();
        },
        announcement: (bytes) => {
          this.connection?.send(ANNOUNCEMENT, bytes);
          this.#guard(() => this.#p.heard(this.identity, { announcement: bytes }));
        },
        answer: (bytes) => this.#guard(() => this.#answered(bytes)),
        command: (bytes) => {
          this.connection?.send(COMMAND, bytes);
          this.#guard(() => this.#commanded(bytes));
        },
      },
      () => this.#giveLogin(),
    );
  }

  request(bytes: Uint8Array): Promise<void> {
    return this.#link.request(bytes);
  }

  distrust(): void {
    this.#link.distrust?.();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelFirst();
    this.#cancelLinger();
    this.#cancelResend();
    this.#p.frames.forget(this);
    await this.#link.close();
  }

  // --- the child ---

  greet(connection: Connection, { login }: Hello): void {
    const former = this.connection;
    this.connection = connection;
    former?.end('DUPLICATE');
    this.#cancelLinger();
    if (!this.up) this.#login = login;
    this.#keepLogin(login);
  }

  left(connection: Connection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.#p.frames.forget(this);
    this.#linger();
  }

  async asked(bytes: Uint8Array): Promise<void> {
    const request = readRequest(bytes);
    const { connection } = this;
    const refuse = (code: Code, retrySeconds: number) =>
      connection?.send(ANSWER, encodeAnswer({ id: request.id, kind: REFUSED, code, retrySeconds }));
    if (this.#asking >= OPEN_MAX) {
      refuse('BUSY', 1);
      return;
    }
    if (!this.up) {
      this.#asking++;
      await this.#settled;
      this.#asking--;
    }
    if (request.kind === FRAMES) return this.#wantFrames(request, refuse);
    if (!this.up) {
      connection?.send(ANSWER, encodeAnswer(this.#p.alone(this.identity, request)));
      return;
    }
    if (this.#open.size >= OPEN_MAX) this.#open.delete(this.#open.keys().next().value!);
    this.#open.set(request.id, request);
    await this.#link.request(encodeRequest(request)).catch((error) => refuse(asHint(error), RETRY_SECONDS));
  }

  /** On the disk first, then the child's receipt, then the server. */
  async reported(bytes: Uint8Array, digest: Uint8Array): Promise<void> {
    this.#p.reports.put(this.identity.deviceId, bytes);
    this.connection?.send(STORED, digest);
    if (!this.up) return;
    await this.#link.report(bytes).catch(() => undefined);
    this.#armResend();
  }

  #wantFrames(request: Extract<Request, { kind: typeof FRAMES }>, refuse: (code: Code, seconds: number) => void): void {
    const { id, kind, chainHead, first, count } = request;
    const { connection } = this;
    this.#p.frames.want({
      ...{ chainHead, first, count, way: this, refuse },
      deliver: (index, frame) => connection?.send(ANSWER, encodeAnswer({ id, kind, index, frame })),
    });
  }

  // --- the server ---

  #wentUp(): void {
    this.up = true;
    this.#known = true;
    if (this.#login) this.#p.logins.delete(hex(this.identity.deviceId));
    this.#login = undefined;
    this.#settle();
    this.#resendMs = RESEND_MS;
    void this.#sendReports();
    this.connection?.askLogin().then(
      (login) => this.#keepLogin(login),
      () => undefined,
    );
  }

  #answered(bytes: Uint8Array): void {
    const answer = readAnswer(bytes);
    if (this.#p.frames.hear(answer)) return;
    const question = this.#open.get(answer.id);
    if (!question) return;
    this.#open.delete(answer.id);
    this.connection?.send(ANSWER, bytes);
    if (question.kind === answer.kind) this.#p.heard(this.identity, { question, answer });
  }

  #commanded(bytes: Uint8Array): void {
    if (kindOf(bytes) !== 'ack') return;
    this.#p.reports.acknowledged(bytes);
    this.#resendMs = RESEND_MS;
    if (!this.connection) this.#linger();
  }

  /** Hostile bytes of the network end here, and a disk that is full: what was heard has been passed on already. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#p.trouble(error);
    }
  }

  /** One login for as many attempts as fail before it is used: each new one costs the child's flash. */
  async #giveLogin(): Promise<Uint8Array> {
    this.#login ??= await this.#freshLogin();
    return this.#login;
  }

  async #freshLogin(): Promise<Uint8Array> {
    if (this.connection) return this.connection.askLogin();
    const name = hex(this.identity.deviceId);
    const kept = this.#p.logins.get(name);
    if (!kept) throw lost('the child is away, and has left no login');
    this.#p.logins.delete(name);
    return kept;
  }

  #keepLogin(login: Uint8Array): void {
    this.#p.logins.put(hex(this.identity.deviceId), login);
  }

  async #sendReports(): Promise<void> {
    for (const bytes of this.#p.reports.of(this.identity.deviceId))
      await this.#link.report(bytes).catch(() => undefined);
    this.#armResend();
  }

  #armResend(): void {
    this.#cancelResend();
    if (this.#closed || !this.up || this.#p.reports.of(this.identity.deviceId).length === 0) return;
    this.#cancelResend = this.#p.timer.after(this.#resendMs, () => void this.#sendReports());
    this.#resendMs = Math.min(2 * this.#resendMs, RESEND_MS_MAX);
  }

  /** A child that is away keeps its way for as long as its reports wait. */
  #linger(): void {
    this.#cancelLinger();
    if (this.#closed) return;
    // Whoever only claims an id must not hold a place once he is gone.
    if (!this.#known && this.#p.reports.of(this.identity.deviceId).length === 0) {
      this.#p.over(this);
      return;
    }
    this.#cancelLinger = this.#p.timer.after(LINGER_MS, () => {
      if (this.connection) return;
      if (this.#p.reports.of(this.identity.deviceId).length > 0) this.#linger();
      else this.#p.over(this);
    });
  }
}

function asHint(error: unknown): Code {
  return error instanceof Refusal && error.code === 'BUSY' ? 'BUSY' : 'UNREACHABLE';
}
