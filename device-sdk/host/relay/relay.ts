/**
 * A gateway: children on one side, the server on the other, a disk between them. It keeps what it has heard, and gives it
 * to children when the server is away; it holds no key and no name. To a child it is one more network that may lie.
 */
import { createHash, randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Code, codeOf, demand, Refusal } from '../../src/errors.ts';
import { equal, hex } from '../../src/format/bytes.ts';
import {
  ANNOUNCE,
  type Answer,
  CONSISTENCY,
  ENTRIES,
  encodeAnswer,
  encodeRequest,
  ISSUED,
  REFUSED,
  type Request,
  ROOTS,
  readAnswer,
} from '../../src/format/requests.ts';
import type { Link, Timer, Verifier } from '../../src/ports.ts';
import { readAddress } from '../local/address.ts';
import { ANNOUNCEMENT, type Hello } from '../local/format.ts';
import { systemTimer } from '../system.ts';
import { Connection } from './connection.ts';
import { FrameCache } from './frame-cache.ts';
import { FrameSource } from './frame-source.ts';
import { Notes } from './notes.ts';
import { ReportStore } from './report-store.ts';
import { type Shelf, Shelves } from './shelf.ts';
import { type Identity, Station } from './station.ts';

export interface RelayOptions {
  /** Cache, reports and logins: nobody else's. */
  folder: string;
  /** `tcp://host:port` or `unix:/path`. */
  listen: string;
  verifier: Verifier;
  /** A child's way to the server; undefined where there is none. */
  link?: ((identity: Identity, trouble: (error: unknown) => void) => Link) | undefined;
  /** What answers where the server does not. */
  shelves?: readonly Shelf[];
  limits?: Partial<RelayLimits>;
  timer?: Timer;
  on?: (event: RelayEvent) => void;
}

export interface RelayLimits {
  /** Connections, and children that are known by name; each has a connection to the server. */
  children: number;
  /** Connections from one address: whoever is near must not take all places with sockets of one machine. */
  perAddress: number;
  /** Of frames on the disk. The largest image of a product has to fit. */
  cacheBytes: number;
}

export const RELAY_LIMITS: Readonly<RelayLimits> = { children: 256, perAddress: 64, cacheBytes: 256 * 1024 * 1024 };

export type RelayEvent =
  | { kind: 'listening'; address: string }
  | { kind: 'child'; deviceId: string; here: boolean; code?: Code }
  | { kind: 'server'; deviceId: string; error: unknown }
  | { kind: 'refused'; deviceId: string; code: Code; text: string };

export interface RelayCounts {
  children: number;
  framesFetched: number;
  cacheBytes: number;
  reportsWaiting: number;
}

/** Classes whose announcement is kept, and answers to questions: 11 KB and 24 KB at most. */
const CLASSES_MAX = 64;
const ANSWERS_MAX = 256;

export class Relay {
  readonly #options: RelayOptions;
  readonly #limits: Readonly<RelayLimits>;
  readonly #cache: FrameCache;
  readonly #frames: FrameSource;
  readonly #reports: ReportStore;
  readonly #announced: Notes;
  readonly #answers: Notes;
  readonly #logins: Notes;
  readonly #classes: Notes;
  readonly #stations = new Map<string, Station>();
  readonly #connections = new Set<Connection>();
  readonly #addresses = new Map<string, number>();
  readonly #server: Server;
  readonly #shelves: Shelves;
  #turn = 0;

  constructor(options: RelayOptions) {
    const { folder, verifier, timer = systemTimer() } = options;
    this.#options = options;
    this.#limits = { ...RELAY_LIMITS, ...options.limits };
    this.#cache = new FrameCache(join(folder, 'frames'), verifier.sha256, this.#limits.cacheBytes);
    this.#reports = new ReportStore(join(folder, 'reports'), verifier.sha256);
    this.#announced = new Notes(join(folder, 'announcements'), CLASSES_MAX);
    this.#answers = new Notes(join(folder, 'answers'), ANSWERS_MAX);
    this.#logins = new Notes(join(folder, 'logins'), this.#limits.children);
    this.#classes = new Notes(join(folder, 'classes'), this.#limits.children);
    this.#frames = new FrameSource({
      ...{ cache: this.#cache, shelves: options.shelves ?? [], timer, nextId: () => randomInt(2 ** 32) },
    });
    this.#shelves = new Shelves(options.shelves ?? []);
    this.#server = createServer((socket) => this.#connected(socket));
  }

  /** @returns the address, with the port where any free one was asked for. @throws Refusal BAD_REQUEST */
  async listen(): Promise<string> {
    const { listen, on } = this.#options;
    const address = readAddress(listen);
    // A socket file outlives the process that was killed; the folder's lock says that nobody else uses it.
    if ('path' in address) rmSync(address.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) =>
        reject(new Refusal('BAD_REQUEST', `cannot listen on ${listen} (${cause.code})`, { cause })),
      );
      this.#server.listen(address, resolve);
    });
    const bound = 'path' in address ? listen : `tcp://${address.host}:${(this.#server.address() as AddressInfo).port}`;
    on?.({ kind: 'listening', address: bound });
    for (const deviceId of this.#reports.devices) this.#wake(deviceId);
    return bound;
  }

  counts(): RelayCounts {
    return {
      children: this.#connections.size,
      framesFetched: this.#frames.fetched,
      cacheBytes: this.#cache.bytes,
      reportsWaiting: this.#reports.count,
    };
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const connection of this.#connections) connection.end('LINK_LOST');
    await Promise.all([...this.#stations.values()].map((station) => station.close()));
    this.#frames.close();
    this.#cache.close();
  }

  #connected(socket: Socket): void {
    let station: Station | undefined;
    // Read now: a socket that has closed no longer says it. Those of a socket file have none.
    const address = socket.remoteAddress ?? '';
    const connection: Connection = new Connection(socket, {
      hello: (hello) => {
        station = this.#greet(connection, hello);
      },
      request: (bytes) => this.#guard(station!, () => station!.asked(bytes)),
      report: (bytes) => this.#guard(station!, () => station!.reported(bytes, digestOf(bytes))),
      closed: (code) => {
        this.#connections.delete(connection);
        this.#count(address, -1);
        station?.left(connection);
        const deviceId = station ? hex(station.identity.deviceId) : '';
        this.#options.on?.({ kind: 'child', deviceId, here: false, ...(code && { code }) });
      },
    });
    this.#connections.add(connection);
    const crowded = this.#count(address, 1) > this.#limits.perAddress && address !== '';
    if (crowded || this.#connections.size > this.#limits.children) connection.end('BUSY');
  }

  #count(address: string, change: 1 | -1): number {
    const count = (this.#addresses.get(address) ?? 0) + change;
    if (count === 0) this.#addresses.delete(address);
    else this.#addresses.set(address, count);
    return count;
  }

  /** @throws Refusal BUSY */
  #greet(connection: Connection, hello: Hello): Station {
    const { station, open } = this.#station(hello);
    this.#classes.put(hex(hello.deviceId), hello.classId);
    station.greet(connection, hello);
    open();
    this.#options.on?.({ kind: 'child', deviceId: hex(hello.deviceId), here: true });
    // After READY, which goes out when this returns.
    queueMicrotask(() => {
      for (const bytes of this.#announcements(hello.classId)) connection.send(ANNOUNCEMENT, bytes);
    });
    return station;
  }

  /** Reports of a child that is not here: its way opens with the login that it left. */
  #wake(deviceId: Uint8Array): void {
    const classId = this.#classes.get(hex(deviceId));
    if (classId && this.#logins.get(hex(deviceId))) this.#station({ deviceId, classId }).open();
  }

  /** A new one is opened when whoever made it has given it what it needs. */
  #station({ deviceId, classId }: Identity): { station: Station; open: () => void } {
    const known = this.#stations.get(hex(deviceId));
    if (known && equal(known.identity.classId, classId)) return { station: known, open: () => undefined };
    this.#makePlace(known);
    const { link, timer = systemTimer() } = this.#options;
    const trouble = (error: unknown) => this.#options.on?.({ kind: 'server', deviceId: hex(deviceId), error });
    const station = new Station(
      { deviceId, classId },
      {
        ...{ timer, trouble, frames: this.#frames, reports: this.#reports, logins: this.#logins },
        link: link ?? (() => NO_LINK),
        alone: (identity, request) => this.#alone(identity, request),
        heard: (identity, what) => this.#heard(identity, what),
        over: (done) => {
          this.#stations.delete(hex(deviceId));
          void done.close();
        },
      },
    );
    this.#stations.set(hex(deviceId), station);
    return { station, open: () => station.open() };
  }

  /**
   * Whoever only claims an id has no place that another could have: neither by another class under that id, nor by a
   * report that the server will never acknowledge. Its reports stay on the disk.
   * @throws Refusal BUSY
   */
  #makePlace(known: Station | undefined): void {
    const full = this.#stations.size >= this.#limits.children;
    const claimed = known ?? (full ? [...this.#stations.values()].find(({ away }) => away) : undefined);
    if (!known && !full) return;
    demand(claimed && !claimed.known, 'BUSY', 'no place for another child');
    this.#stations.delete(hex(claimed.identity.deviceId));
    claimed.connection?.end('DUPLICATE');
    void claimed.close();
  }

  /** Hostile bytes of a child end here, and a disk that is full: the others are served on. */
  #guard(station: Station, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      const text = error instanceof Error ? error.message : String(error);
      const deviceId = hex(station.identity.deviceId);
      this.#options.on?.({ kind: 'refused', deviceId, code: codeOf(error), text });
    });
  }

  // --- what is kept, and what is given without the server ---

  #heard({ classId }: Identity, what: { announcement: Uint8Array } | { question: Request; answer: Answer }): void {
    if ('announcement' in what) {
      this.#announced.put(hex(classId), what.announcement);
      return;
    }
    const { question, answer } = what;
    if (answer.kind === ANNOUNCE && answer.announcement) this.#announced.put(hex(classId), answer.announcement);
    if (KEPT.has(question.kind)) this.#answers.put(nameOf(question), encodeAnswer({ ...answer, id: 0 }));
  }

  #announcements(classId: Uint8Array): Uint8Array[] {
    const heard = this.#announced.get(hex(classId));
    const shelved = (this.#options.shelves ?? []).flatMap((shelf) => shelf.announcements(classId));
    return heard ? [...shelved, heard] : [...shelved];
  }

  #alone({ classId }: Identity, request: Request): Answer {
    const { id } = request;
    if (request.kind === ANNOUNCE) {
      const known = this.#announcements(classId);
      // By turns: a lie that was heard last must not stand before what came by hand for ever.
      const announcement = known[this.#turn++ % Math.max(1, known.length)] ?? null;
      return { id, kind: ANNOUNCE, announcement, membership: null };
    }
    const answer = this.#shelves.answer(classId, request);
    if (answer) return { ...answer, id };
    const kept = KEPT.has(request.kind) ? this.#answers.get(nameOf(request)) : undefined;
    if (kept) return { ...readAnswer(kept), id };
    return { id, kind: REFUSED, code: 'UNREACHABLE', retrySeconds: ALONE_SECONDS };
  }
}

/** A nonce is answered once, by the server itself; announcements have a place of their own. */
const KEPT: ReadonlySet<number> = new Set([CONSISTENCY, ENTRIES, ROOTS, ISSUED]);
/** When a child should ask again for what only the server knows. */
const ALONE_SECONDS = 60;

const NO_LINK: Link = {
  open: () => undefined,
  request: () => Promise.reject(new Refusal('LINK_LOST', 'this gateway has no way to the server')),
  report: () => Promise.reject(new Refusal('LINK_LOST', 'this gateway has no way to the server')),
  close: async () => undefined,
};

function nameOf(question: Request): string {
  return hex(digestOf(encodeRequest({ ...question, id: 0 })));
}

function digestOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}
