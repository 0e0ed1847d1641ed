import { demand } from '../errors.ts';
import { BlockOrder } from './block-order.ts';
import { CODER_HEATSHRINK, OLD_BUFFER_BYTES, STATE_BYTES } from './classes.ts';
import { Commands } from './commands.ts';
import type { DeltaHeader } from './fields.ts';
import { type Coder, Heatshrink, stored } from './heatshrink.ts';
import type { ModelMemory } from './model/memory.ts';
import type { Predictor } from './model/predictor.ts';
import type { ModelSection } from './model/section.ts';
import { OldBytes, type OldImage } from './old-bytes.ts';
import { type PageSink, Pages } from './pages.ts';
import {
  type CoderPart,
  type CpuPart,
  coderPart,
  cpuPart,
  type DecoderPart,
  type Engine,
  type Modelling,
} from './parts.ts';

import { workspaceParts } from './workspace.ts';

export interface BodyPorts {
  workspace: Uint8Array;
  old: OldImage;
  sink: PageSink;
  /** What this device can decode beside coders 0 and 1. */
  decoders?: readonly DecoderPart[] | undefined;
  /** Told before each plain byte what it will be; for measuring only. */
  watch?: (commands: Commands) => void;
  /** Given the predictor, where there is one; for measuring only. */
  predicting?: (predictor: Predictor) => void;
}

/** Output offset, bytes left of the model section, a shift, seven numbers of that, and at most 26 of what follows. */
export const BODY_NUMBERS = 38;

/** Everything behind the header: the model section, then block after block into pages. */
export class Body {
  readonly pages: Pages;
  readonly #header: DeltaHeader;
  readonly #ports: BodyPorts;
  readonly #coder: CoderPart | undefined;
  readonly #cpu: CpuPart | undefined;
  readonly #model: Modelling | undefined;
  readonly #areas: Areas;
  readonly #memory: ModelMemory | undefined;
  readonly #section: ModelSection | undefined;
  readonly #order: BlockOrder;
  readonly #old: OldBytes;
  /** The block at hand, counted in the order of decoding. */
  #turn = 0;
  #engine: Engine | undefined;
  #modelLeft: number;

  constructor(header: DeltaHeader, ports: BodyPorts, saved?: readonly number[]) {
    this.#header = header;
    this.#ports = ports;
    const { decoders = [] } = ports;
    this.#coder = coderPart(decoders, header.coder);
    this.#cpu = cpuPart(decoders, header.predictor);
    this.#model = (this.#coder ?? this.#cpu)?.model;
    this.#areas = layOut(header, ports.workspace, decoders);
    this.#memory = this.#model?.memory(this.#areas.model, header);
    this.#modelLeft = header.modelBytes;
    this.#order = BlockOrder.of(header);
    this.#old = new OldBytes(ports.old, this.#areas.old, header.oldBytes);
    this.pages = new Pages(this.#areas.page, header.newBytes, ports.sink);
    this.#section = this.#memory && this.#model!.section(header, this.#memory);
    if (saved !== undefined) this.#load(saved);
    else {
      this.#areas.tables.fill(0);
      this.pages.offset = this.#order.start(0);
      if (this.#modelLeft === 0) this.#start();
    }
  }

  /** Bytes of the new image that are made. */
  get produced(): number {
    return this.#order.produced(this.#turn) + this.pages.offset - this.#order.start(this.#turn);
  }

  /** Where the blocks that are done meet those that are not. */
  get border(): number {
    return this.#order.border(this.#turn);
  }

  /** False while bytes of the model section are missing. */
  get started(): boolean {
    return this.#engine !== undefined;
  }

  /** Place in the old image that the next copy is expected at. */
  get oldOffset(): number {
    return this.#engine?.oldOffset ?? 0;
  }

  /** For measuring only. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** @returns true when this byte completed a block */
  feed(byte: number): boolean {
    if (this.#engine !== undefined) return this.#engine.feed(byte);
    this.#section!.feed(byte);
    if (--this.#modelLeft === 0) this.#start();
    return false;
  }

  #start(): void {
    demand(this.#section?.done ?? true, 'BAD_DELTA', 'the model section is cut short');
    this.#engine = this.#makeEngine();
    if (this.#order.backward) this.#placeOld();
    this.#openBlock();
  }

  /** The block at hand is complete, and not the last one. */
  nextBlock(): void {
    this.#turn++;
    if (this.#order.backward) this.#placeOld();
    this.#openBlock();
  }

  /** Before the first byte: the blocks on one side of a border are done. */
  goTo(border: number): void {
    this.#turn = this.#order.turnAt(border);
    this.pages.offset = this.#order.start(this.#turn);
  }

  /** Goes on at the start of a block, as soon as the model section is complete. */
  resumeAt(oldOffset: number): void {
    this.#engine!.oldOffset = oldOffset;
    this.#openBlock();
  }

  #openBlock(): void {
    const start = this.#order.start(this.#turn);
    this.pages.offset = start;
    this.#engine!.blockEnd = start + this.#order.length(this.#turn);
    this.#old.open(this.#order, this.#turn);
    if (!this.#coder) this.#memory?.learned.fill(0);
  }

  /** A block that comes before the one that was made: its copies begin elsewhere than where those ended. */
  #placeOld(): void {
    this.#engine!.oldOffset = this.#order.oldStart(this.#turn, this.#old.shift, this.#header.oldBytes);
  }

  #makeEngine(): Engine {
    const { old: image, watch } = this.#ports;
    const header = this.#header;
    const bytes = this.#old;
    const predictor = this.#section?.predictor(bytes, this.#cpu?.cpu);
    if (predictor !== undefined) this.#ports.predicting?.(predictor);
    if (this.#coder) {
      const reset = () => this.#memory!.learned.fill(0);
      return this.#coder.engine(header, { ...this.#areas, predictor: predictor!, bytes, pages: this.pages, reset });
    }
    const commands = new Commands({ image, bytes }, this.pages, header, predictor && this.#model!.copier(predictor));
    return new Plain(this.#makeCoder(), commands, watch);
  }

  #makeCoder(): Coder {
    const { coder, windowBits, lookaheadBits } = this.#header;
    return coder === CODER_HEATSHRINK ? new Heatshrink(this.#areas.tables, windowBits, lookaheadBits) : stored;
  }

  save(): number[] {
    const section = this.#section?.save() ?? new Array<number>(SECTION_NUMBERS).fill(0);
    return [this.pages.offset, this.#modelLeft, this.#old.save(), ...section, ...(this.#engine?.save() ?? [])];
  }

  #load(saved: readonly number[]): void {
    const [offset, modelLeft, shift] = saved as [number, number, number];
    const { newBytes, modelBytes } = this.#header;
    demand(offset <= newBytes && modelLeft <= modelBytes, 'BAD_STATE', 'dumped output offset');
    this.pages.offset = offset;
    this.#modelLeft = modelLeft;
    this.#section?.load(saved.slice(3, 3 + SECTION_NUMBERS));
    if (modelLeft > 0) {
      this.#loadBorder(offset);
      return;
    }
    demand(this.#section?.done ?? true, 'BAD_STATE', 'dumped model section');
    this.#engine = this.#makeEngine();
    this.#engine.load(saved.slice(3 + SECTION_NUMBERS));
    this.#loadBlock(offset, this.#engine.blockEnd);
    this.#old.load(shift);
  }

  /** Still in the model section: the next byte of the image begins a block. */
  #loadBorder(offset: number): void {
    if (this.#header.newBytes > 0) this.#turn = this.#order.turnOf(offset);
    demand(offset === this.#order.start(this.#turn), 'BAD_STATE', 'dumped output offset');
  }

  #loadBlock(offset: number, end: number): void {
    if (end > 0) this.#turn = this.#order.turnOf(end - 1);
    const start = this.#order.start(this.#turn);
    const whole = end === start + this.#order.length(this.#turn);
    demand(whole && offset >= start && offset <= end, 'BAD_STATE', 'dumped block');
    this.#old.open(this.#order, this.#turn);
  }
}

const SECTION_NUMBERS = 7;

/** Commands that are bytes, behind a coder of bytes. */
export class Plain implements Engine {
  readonly commands: Commands;
  readonly #coder: Coder;
  readonly #take: (byte: number) => boolean;

  constructor(coder: Coder, commands: Commands, watch: ((commands: Commands) => void) | undefined) {
    this.commands = commands;
    this.#coder = coder;
    this.#take = (byte) => {
      watch?.(commands);
      return commands.step(byte);
    };
  }

  get oldOffset(): number {
    return this.commands.oldOffset;
  }

  set oldOffset(offset: number) {
    this.commands.oldOffset = offset;
  }

  get blockEnd(): number {
    return this.commands.blockEnd;
  }

  set blockEnd(offset: number) {
    this.commands.blockEnd = offset;
  }

  feed(byte: number): boolean {
    return this.#coder.feed(byte, this.#take);
  }

  save(): number[] {
    return [...this.#coder.save(), ...this.commands.save()];
  }

  load(numbers: readonly number[]): void {
    const own = this.#coder.save().length;
    this.#coder.load(numbers.slice(0, own));
    this.commands.load(numbers.slice(own));
  }
}

interface Areas {
  tables: Uint8Array;
  model: Uint8Array;
  queue: Uint8Array;
  old: Uint8Array;
  page: Uint8Array;
}

/** State, coder tables or window, predictor, queue, old buffer, page: in this order from the start of the workspace. */
function layOut(header: DeltaHeader, workspace: Uint8Array, decoders: readonly DecoderPart[]): Areas {
  let at = STATE_BYTES;
  const take = (bytes: number): Uint8Array => workspace.subarray(at, (at += bytes));
  const parts = workspaceParts(header, decoders);
  const tables = take(parts.tables);
  const model = take(parts.model);
  const queue = take(parts.queue);
  return { tables, model, queue, old: take(OLD_BUFFER_BYTES), page: take(2 ** header.pageBits) };
}
