import { demand } from '../errors.ts';
import { OLD_BUFFER_BYTES, STATE_BYTES } from './classes.ts';
import { Commands } from './commands.ts';
import { CODER_STORED, type DeltaHeader } from './header.ts';
import { type Coder, Heatshrink, stored } from './heatshrink.ts';
import { type OldImage, type PageSink, Pages } from './pages.ts';

export interface BodyPorts {
  workspace: Uint8Array;
  old: OldImage;
  sink: PageSink;
  /** Told before each plain byte what it will be; for measuring only. */
  watch?: (commands: Commands) => void;
}

/** Output offset, eight numbers of the commands, three of the coder. */
export const BODY_NUMBERS = 12;

/** Everything behind the header: the coder feeds the commands, the commands feed the pages. */
export class Body {
  readonly pages: Pages;
  readonly commands: Commands;
  readonly #coder: Coder;
  readonly #newBytes: number;
  readonly #interval: number;
  readonly #plain: (byte: number) => boolean;

  constructor(header: DeltaHeader, ports: BodyPorts, saved?: readonly number[]) {
    const areas = layOut(header, ports.workspace);
    this.#newBytes = header.newBytes;
    this.#interval = header.checkpointBits === 0 ? header.newBytes : 2 ** header.checkpointBits;
    this.pages = new Pages(areas.page, header.newBytes, ports.sink);
    this.commands = new Commands(ports.old, areas.old, this.pages, header);
    const { windowBits, lookaheadBits } = header;
    this.#coder = header.coder === CODER_STORED ? stored : new Heatshrink(areas.window, windowBits, lookaheadBits);
    const { watch } = ports;
    this.#plain = watch === undefined ? (byte) => this.commands.step(byte) : (byte) => this.#watched(byte, watch);
    if (saved === undefined) {
      areas.window.fill(0);
      this.openBlock();
    } else this.#load(saved);
  }

  feed(byte: number): boolean {
    return this.#coder.feed(byte, this.#plain);
  }

  #watched(byte: number, watch: (commands: Commands) => void): boolean {
    watch(this.commands);
    return this.commands.step(byte);
  }

  openBlock(): void {
    this.commands.blockEnd = Math.min(this.#newBytes, this.pages.offset + this.#interval);
  }

  save(): number[] {
    return [this.pages.offset, ...this.commands.save(), ...this.#coder.save()];
  }

  #load(saved: readonly number[]): void {
    const offset = saved[0]!;
    demand(offset <= this.#newBytes && saved[2]! <= this.#newBytes, 'BAD_STATE', 'dumped output offset');
    this.pages.offset = offset;
    this.commands.load(saved.slice(1, 9));
    this.#coder.load(saved.slice(9));
  }
}

/** State, coder window, old buffer, page: in this order from the start of the workspace. */
function layOut(header: DeltaHeader, workspace: Uint8Array): { window: Uint8Array; old: Uint8Array; page: Uint8Array } {
  const windowEnd = STATE_BYTES + (header.windowBits === 0 ? 0 : 2 ** header.windowBits);
  const oldEnd = windowEnd + OLD_BUFFER_BYTES;
  return {
    window: workspace.subarray(STATE_BYTES, windowEnd),
    old: workspace.subarray(windowEnd, oldEnd),
    page: workspace.subarray(oldEnd, oldEnd + 2 ** header.pageBits),
  };
}
