import { demand } from '../errors.ts';
import { BODY_NUMBERS, Body } from './body.ts';
import type { Checkpoint } from './checkpoint.ts';
import { STATE_BYTES } from './classes.ts';
import type { DeltaHeader } from './fields.ts';
import { HEADER_BYTES_MAX, readHeader } from './header.ts';
import type { OldImage } from './old-bytes.ts';
import type { PageSink } from './pages.ts';
import type { DecoderPart } from './parts.ts';

/** What the signed manifest and the device say about this update, before the first byte of the container is read. */
export interface DeltaLimits {
  /** Size of the old image; not compared for a container of kind full. */
  oldBytes: number;
  /** Size of the new image. */
  newBytes: number;
  /** Size of the slot the pages go to. */
  slotBytes: number;
}

export interface DeltaPorts {
  /** All memory the decoder uses for image bytes, tables and saved state, at a multiple of 4. At most 1 MiB is used. */
  workspace: Uint8Array;
  /** The running image. Never read for a container of kind full. */
  old: OldImage;
  sink: PageSink;
  limits: DeltaLimits;
  /** What this device can decode beside coders 0 and 1: parts of the entry point `decoders`. */
  decoders?: readonly DecoderPart[] | undefined;
}

/** Where the numbers of a dumped state begin: after the raw header and its length. */
const NUMBERS_AT = 64;
const DUMP_MARK = 0x44555031; // a workspace that was never dumped does not load by accident

/**
 * Decodes one delta container, fed in pieces of any size, into pages of the new image.
 *
 * ```ts
 * const decoder = new DeltaDecoder({ workspace, old, sink: (offset, bytes) => slot.write(offset, bytes), limits });
 * for await (const piece of pieces) decoder.push(piece);
 * decoder.finalize(); // then compare the slot's SHA-256 with the signed one: the decoder checks sizes, not digests
 * ```
 *
 * After a refusal, or an error thrown by `old` or `sink`, every further call throws the same error.
 */
export class DeltaDecoder {
  readonly #ports: DeltaPorts;
  readonly #decoders: readonly DecoderPart[];
  /** Container bytes used so far. */
  #used = 0;
  #headerBytes = 0;
  #header: DeltaHeader | undefined;
  #body: Body | undefined;
  #failure: { error: unknown } | undefined;
  #checkpoint: Checkpoint | undefined;

  /** Begins at the first byte of a container. The workspace may hold anything; it is overwritten. */
  constructor(ports: DeltaPorts) {
    this.#ports = ports;
    this.#decoders = ports.decoders ?? [];
    if (ports.workspace.byteOffset % 4 !== 0) throw new RangeError('the workspace does not begin at a multiple of 4');
    demand(ports.workspace.length >= STATE_BYTES, 'NO_MEMORY', `workspace of ${ports.workspace.length} bytes`);
  }

  /**
   * Begins again at a checkpoint: feed the container from {@link wants} on, asking again after each piece. Whatever the
   * slot holds at and above `checkpoint.outputOffset`, backward: below it, will be written again: erase it first.
   * @throws Refusal BAD_STATE when the checkpoint contradicts itself; else as for a header in {@link push}
   */
  static restore(ports: DeltaPorts, checkpoint: Checkpoint): DeltaDecoder {
    const decoder = new DeltaDecoder(ports);
    decoder.#guard(() => decoder.#restore(checkpoint));
    return decoder;
  }

  /**
   * Goes on from a workspace that {@link dump} left, byte for byte where it stopped.
   * @throws Refusal BAD_STATE when the workspace holds no dumped state
   */
  static load(ports: DeltaPorts): DeltaDecoder {
    const decoder = new DeltaDecoder(ports);
    decoder.#guard(() => decoder.#load());
    return decoder;
  }

  /** The container's header, once enough bytes have come. */
  get header(): DeltaHeader | undefined {
    return this.#header;
  }

  /**
   * Container offset of the next byte to feed. Rises by the length of each piece. After {@link restore} it is the
   * checkpoint's offset; with a predictor first that of the model section, and the checkpoint's when that is complete:
   * ask again after each piece. A piece that reaches beyond the model section may go on; what is not needed is skipped.
   */
  get wants(): number {
    return this.#mayJump() ? this.#checkpoint!.streamOffset : this.#used;
  }

  /** True between the model section and the checkpoint that was restored. */
  #mayJump(): boolean {
    return this.#body?.started === true && this.#used < (this.#checkpoint?.streamOffset ?? 0);
  }

  /** Bytes of the new image produced. Those of the page being filled have not reached the sink yet. */
  get outputBytes(): number {
    return this.#body?.produced ?? 0;
  }

  /** True when the whole new image has reached the sink. Any further byte is refused. */
  get done(): boolean {
    return this.#header !== undefined && this.outputBytes === this.#header.newBytes;
  }

  /** The newest checkpoint passed, or the one restored from. Undefined before the first. */
  checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  /**
   * Feeds the next piece of the container, of any length. Pages go to the sink during the call.
   * @throws Refusal BAD_DELTA, UNSUPPORTED, NO_MEMORY (workspace too small), NO_SPACE (new image over the slot)
   */
  push(piece: Uint8Array): void {
    this.#guard(() => {
      this.#used = this.wants;
      for (let i = 0; i < piece.length; i++) this.#feed(piece[i]!);
    });
  }

  /** Says that no byte will follow. @throws Refusal BAD_DELTA when the container is cut short */
  finalize(): void {
    this.#guard(() => {
      demand(this.done, 'BAD_DELTA', `container ends at byte ${this.#used}, after ${this.outputBytes} output bytes`);
    });
  }

  /**
   * Writes the cursors into the workspace and returns the part of it that is in use. Stored anywhere and put back at
   * the start of a workspace, it is loaded by {@link load}. Possible between any two pieces.
   */
  dump(): Uint8Array {
    return this.#guard(() => {
      const { workspace } = this.#ports;
      const view = viewOf(workspace);
      const numbers = [DUMP_MARK, this.#used, this.#headerBytes, ...this.#checkpointNumbers(), ...this.#bodyNumbers()];
      for (let i = 0; i < numbers.length; i++) view.setUint32(NUMBERS_AT + 4 * i, numbers[i]!, true);
      return workspace.subarray(0, this.#header?.workspaceBytes ?? STATE_BYTES);
    });
  }

  #guard<T>(work: () => T): T {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      return work();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  #feed(byte: number): void {
    demand(!this.done, 'BAD_DELTA', 'bytes after the end of the container');
    const body = this.#body;
    const skip = this.#mayJump();
    this.#used++;
    if (skip) return;
    if (body === undefined) this.#feedHeader(byte);
    else if (body.started) {
      if (body.feed(byte)) this.#endBlock(body);
    } else {
      body.feed(byte);
      if (body.started && this.#checkpoint !== undefined) body.resumeAt(this.#checkpoint.oldOffset);
    }
  }

  #feedHeader(byte: number): void {
    const { workspace, limits } = this.#ports;
    demand(this.#headerBytes < HEADER_BYTES_MAX, 'BAD_DELTA', 'header over its limit');
    workspace[this.#headerBytes++] = byte;
    const header = readHeader(workspace.subarray(0, this.#headerBytes), this.#decoders);
    if (header === undefined) return;
    checkLimits(header, limits, workspace.length);
    this.#start(header);
  }

  #start(header: DeltaHeader): Body {
    this.#header = header;
    this.#body = new Body(header, this.#ports);
    return this.#body;
  }

  #endBlock(body: Body): void {
    if (this.done) return;
    body.nextBlock();
    this.#checkpoint = {
      streamOffset: this.#used,
      oldOffset: body.oldOffset,
      outputOffset: body.border,
      header: this.#ports.workspace.slice(0, this.#headerBytes),
    };
  }

  #restore(c: Checkpoint): void {
    const { workspace, limits } = this.#ports;
    demand(c.header.length <= HEADER_BYTES_MAX, 'BAD_STATE', 'checkpoint header over its limit');
    const header = readHeader(c.header, this.#decoders);
    demand(header !== undefined && header.headerBytes === c.header.length, 'BAD_STATE', 'checkpoint header is cut');
    checkLimits(header, limits, workspace.length);
    const interval = 2 ** header.checkpointBits;
    const between = c.outputOffset > 0 && c.outputOffset < header.newBytes && c.outputOffset % interval === 0;
    demand(header.checkpointBits > 0 && between, 'BAD_STATE', `checkpoint at output ${c.outputOffset}`);
    demand(c.oldOffset >= 0 && c.oldOffset <= header.oldBytes, 'BAD_STATE', 'checkpoint outside the old image');
    const front = header.headerBytes + header.modelBytes;
    demand(c.streamOffset > front, 'BAD_STATE', 'checkpoint inside the header');
    workspace.set(c.header);
    this.#headerBytes = c.header.length;
    this.#used = header.modelBytes === 0 ? c.streamOffset : header.headerBytes;
    this.#checkpoint = c;
    const body = this.#start(header);
    body.goTo(c.outputOffset);
    if (body.started) body.resumeAt(c.oldOffset);
  }

  #load(): void {
    const { workspace, limits } = this.#ports;
    const view = viewOf(workspace);
    const number = (i: number): number => view.getUint32(NUMBERS_AT + 4 * i, true);
    demand(number(0) === DUMP_MARK && number(2) <= HEADER_BYTES_MAX, 'BAD_STATE', 'no dumped decoder here');
    this.#used = number(1);
    this.#headerBytes = number(2);
    const raw = workspace.slice(0, this.#headerBytes);
    const header = readHeader(raw, this.#decoders);
    if (header === undefined) return;
    checkLimits(header, limits, workspace.length);
    if (number(3) > 0) {
      this.#checkpoint = { streamOffset: number(3), oldOffset: number(4), outputOffset: number(5), header: raw };
    }
    this.#header = header;
    const dumped = number(3) === 0 || number(5) <= header.newBytes;
    demand(dumped && number(4) <= Math.max(header.oldBytes, 0), 'BAD_STATE', 'dumped checkpoint');
    this.#body = new Body(
      header,
      this.#ports,
      Array.from({ length: BODY_NUMBERS }, (_, i) => number(6 + i)),
    );
  }

  #checkpointNumbers(): number[] {
    const c = this.#checkpoint;
    return c === undefined ? [0, 0, 0] : [c.streamOffset, c.oldOffset, c.outputOffset];
  }

  #bodyNumbers(): number[] {
    return this.#body?.save() ?? [];
  }
}

/** The signed sizes come first: nothing of the container is believed against them. */
function checkLimits(header: DeltaHeader, limits: DeltaLimits, workspaceLength: number): void {
  demand(header.newBytes <= limits.slotBytes, 'NO_SPACE', `image of ${header.newBytes}, slot of ${limits.slotBytes}`);
  demand(
    header.newBytes === limits.newBytes,
    'BAD_DELTA',
    `new image of ${header.newBytes}, expected ${limits.newBytes}`,
  );
  const old = header.kind === 'full' ? 0 : limits.oldBytes;
  demand(header.oldBytes === old, 'BAD_DELTA', `old image of ${header.oldBytes}, expected ${old}`);
  demand(
    header.workspaceBytes <= workspaceLength,
    'NO_MEMORY',
    `workspace of ${header.workspaceBytes} needed, ${workspaceLength} given`,
  );
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
