/**
 * A link that answers from bundles where the network does not. Frames come from the bundle in any case: they are proven
 * by their chain, and need not travel twice. Reports wait for the network.
 */
import { Refusal } from '../../src/errors.ts';
import { equal } from '../../src/format/bytes.ts';
import {
  ANNOUNCE,
  type Answer,
  encodeAnswer,
  FRAMES,
  REFUSED,
  type Request,
  readRequest,
} from '../../src/format/requests.ts';
import type { Link, LinkEvents } from '../../src/ports.ts';
import { type Shelf, Shelves } from '../relay/shelf.ts';

/** What a device keeps, too. */
const REPORTS_MAX = 8;
/** When the device should ask again for what a bundle cannot answer. */
const RETRY_SECONDS = 60;

export interface BundleLinkOptions {
  shelves: readonly Shelf[];
  classId: Uint8Array;
  /** The network, where the device has one at times. */
  network?: Link;
}

export interface BundleAndNetwork extends Link {
  /** False while the bundle alone answers. */
  readonly networkUp: boolean;
}

/** Up as long as it is open. */
export function bundleLink(options: BundleLinkOptions): BundleAndNetwork {
  return new BundleLink(options);
}

class BundleLink implements BundleAndNetwork {
  readonly #options: BundleLinkOptions;
  #events: LinkEvents | undefined;
  #networkUp = false;
  /** The device knows that the link is up. */
  #told = false;
  #reports: Uint8Array[] = [];
  readonly #shelves: Shelves;
  #turn = 0;

  constructor(options: BundleLinkOptions) {
    this.#options = options;
    this.#shelves = new Shelves(options.shelves);
  }

  get networkUp(): boolean {
    return this.#networkUp;
  }

  open(events: LinkEvents, login: () => Promise<Uint8Array>): void {
    if (this.#events) throw new TypeError('a link is opened once');
    this.#events = events;
    this.#options.network?.open(
      {
        ...{ up: () => this.#changed(true), down: () => this.#changed(false) },
        announcement: (bytes) => events.announcement(bytes),
        answer: (bytes) => events.answer(bytes),
        command: (bytes) => events.command(bytes),
      },
      login,
    );
    // Whoever opens a link is told later, as by every other link.
    queueMicrotask(() => this.#wentUp());
  }

  async request(bytes: Uint8Array): Promise<void> {
    const request = readRequest(bytes);
    const frames = request.kind === FRAMES ? this.#frames(request) : [];
    if (frames.length === 0 && this.#networkUp) return this.#options.network!.request(bytes);
    const answers = frames.length > 0 ? frames : [this.#answer(request)];
    queueMicrotask(() => {
      for (const answer of answers) this.#events?.answer(encodeAnswer(answer));
    });
  }

  async report(bytes: Uint8Array): Promise<void> {
    if (this.#networkUp) return this.#options.network!.report(bytes);
    const others = this.#reports.filter((report) => !equal(report, bytes));
    this.#reports = [...others, bytes].slice(-REPORTS_MAX);
    throw new Refusal('LINK_LOST', 'the report waits for the network');
  }

  /** What bundles answer was proven when they were opened; where the network is up, it was the network. */
  distrust(): void {
    if (this.#networkUp) this.#options.network?.distrust?.();
  }

  async close(): Promise<void> {
    this.#events = undefined;
    await this.#options.network?.close();
  }

  #wentUp(): void {
    const { shelves, classId } = this.#options;
    const events = this.#events;
    this.#told = true;
    events?.up();
    for (const shelf of shelves) for (const bytes of shelf.announcements(classId)) events?.announcement(bytes);
  }

  /** What is open was asked of the other side: to the device the link goes down and comes up again. */
  #changed(up: boolean): void {
    const events = this.#events;
    // A network that says again what it is has changed nothing, and what is open of the bundle stays open.
    if (!events || up === this.#networkUp) return;
    this.#networkUp = up;
    if (this.#told) {
      events.down();
      events.up();
    }
    if (!up) return;
    for (const report of this.#reports.splice(0)) this.#options.network!.report(report).catch(() => undefined);
  }

  #frames({ id, kind, chainHead, first, count }: Extract<Request, { kind: typeof FRAMES }>): Answer[] {
    for (const shelf of this.#options.shelves) {
      const frames = shelf.frames(chainHead, first, count);
      if (frames) return frames.map((frame, i): Answer => ({ id, kind, index: first + i, frame }));
    }
    return [];
  }

  #answer(request: Request): Answer {
    const { id } = request;
    const { shelves, classId } = this.#options;
    if (request.kind === ANNOUNCE) {
      const known = shelves.flatMap((shelf) => shelf.announcements(classId));
      const announcement = known[this.#turn++ % Math.max(1, known.length)] ?? null;
      return { id, kind: ANNOUNCE, announcement, membership: null };
    }
    const answer = this.#shelves.answer(classId, request);
    if (answer) return { ...answer, id };
    const code = request.kind === FRAMES ? 'NOT_FOUND' : 'UNREACHABLE';
    return { id, kind: REFUSED, code, retrySeconds: RETRY_SECONDS };
  }
}
