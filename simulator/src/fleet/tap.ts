/**
 * A link with somebody on it. The meter only counts; a liar, where there is one, decides what the device hears. Both
 * stand outside the device: the SDK sees a {@link Link} like any other.
 */
import type { Link, LinkEvents } from '@countersign/device-sdk';
import type { FrameFaults } from './faults.ts';

/** A man in the middle. Each method gives what is passed on, or undefined for nothing. */
export interface Liar {
  announcement?(bytes: Uint8Array): Uint8Array | undefined;
  answer?(bytes: Uint8Array): Uint8Array | undefined;
}

/** What one device's links have carried since it was made. Bytes of payload, without MQTT and TCP around it. */
export interface Meter {
  announcements: number;
  answers: number;
  /** Of the answers, those that carry frames. */
  frames: number;
  commands: number;
  /** Size of the images that were made from them. */
  images: number;
}

export function newMeter(): Meter {
  return { announcements: 0, answers: 0, frames: 0, commands: 0, images: 0 };
}

export interface TapOptions {
  inner: Link;
  meter: Meter;
  liar(): Liar | undefined;
  /** Loses or damages frames. The first of a connection has number 0. */
  frames?: FrameFaults | undefined;
  heard?(announcement: Uint8Array): void;
  /** Answers that carry no frame. */
  answered?(answer: Uint8Array): void;
}

export class Tap implements Link {
  readonly #options: TapOptions;
  #events: LinkEvents | undefined;
  #frames = 0;

  constructor(options: TapOptions) {
    this.#options = options;
  }

  open(events: LinkEvents, login: () => Promise<Uint8Array>): void {
    const { inner, meter, liar, heard, answered } = this.#options;
    this.#events = events;
    inner.open(
      {
        up: () => events.up(),
        down: () => events.down(),
        announcement: (bytes) => {
          meter.announcements += bytes.length;
          heard?.(bytes);
          pass(liar()?.announcement, bytes, events.announcement);
        },
        answer: (bytes) => {
          meter.answers += bytes.length;
          const isFrame = carriesFrame(bytes);
          if (!isFrame) answered?.(bytes);
          const arrived = isFrame ? this.#frame(bytes) : bytes;
          if (arrived) pass(liar()?.answer, arrived, events.answer);
        },
        command: (bytes) => {
          meter.commands += bytes.length;
          events.command(bytes);
        },
      },
      login,
    );
  }

  #frame(bytes: Uint8Array): Uint8Array | undefined {
    const { meter, frames } = this.#options;
    meter.frames += bytes.length;
    return frames ? frames(this.#frames++, bytes) : bytes;
  }

  /** Puts bytes on the class's announce topic of this one device, as a broker that lies could. */
  inject(announcement: Uint8Array): void {
    this.#events?.announcement(announcement);
  }

  request(bytes: Uint8Array): Promise<void> {
    return this.#options.inner.request(bytes);
  }

  report(bytes: Uint8Array): Promise<void> {
    return this.#options.inner.report(bytes);
  }

  close(): Promise<void> {
    this.#events = undefined;
    return this.#options.inner.close();
  }
}

function pass(
  lie: ((bytes: Uint8Array) => Uint8Array | undefined) | undefined,
  bytes: Uint8Array,
  on: (bytes: Uint8Array) => void,
): void {
  const heard = lie ? lie(bytes) : bytes;
  if (heard) on(heard);
}

/** [id, kind, …] in CBOR: the kind stands behind a number of one to nine bytes. 1 is a frame. */
function carriesFrame(answer: Uint8Array): boolean {
  const width = { 24: 2, 25: 3, 26: 5, 27: 9 }[answer[1]! & 0x1f] ?? 1;
  return answer[1 + width] === 1;
}
