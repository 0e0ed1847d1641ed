import { demand } from '../errors.ts';
import { Body, type BodyPorts, Plain } from './body.ts';
import { CODER_LITE, CODER_MIXING } from './classes.ts';
import type { Commands, Spending } from './commands.ts';
import { EVERY_DECODER } from './decoders.ts';
import { readWholeHeader } from './every.ts';
import type { DeltaHeader } from './fields.ts';
import { PREDICTOR_NONE } from './model/predictors.ts';
import { Ranged } from './ranged.ts';

/** Where the bytes of a container go. `bytes` sums up to `containerBytes`. */
export interface DeltaSpending {
  header: DeltaHeader;
  containerBytes: number;
  /** `stream` is what cannot be told apart without the old image, else 0. */
  bytes: { header: number; model: number; stream: number } & Record<Spending, number>;
  /** Commands of each kind; undefined without an old image that is needed. Adjacent blocks repeat one that was cut. */
  counts: { copies: number; inserts: number; fills: number } | undefined;
  checkpoints: number;
}

/** Where to look on while a container is walked; not called where the stream cannot be read without the old image. */
export type DeltaTaps = Partial<Pick<BodyPorts, 'sink' | 'predicting'>>;

/**
 * Walks a whole container: every rule is checked, except those of the old image's own bytes. With a predictor or a
 * range coder the stream cannot be read without the old image; without one only the header is read then.
 * @throws Refusal BAD_DELTA, UNSUPPORTED
 */
export function inspectDelta(container: Uint8Array, old?: Uint8Array, taps: DeltaTaps = {}): DeltaSpending {
  const header = readWholeHeader(container);
  const front = header.headerBytes + header.modelBytes;
  demand(container.length >= front, 'BAD_DELTA', 'the container is cut short');
  const bytes = { header: header.headerBytes, model: header.modelBytes };
  const containerBytes = container.length;
  if (old === undefined && needsOld(header)) {
    const unread = { ...bytes, stream: containerBytes - front, commands: 0, patches: 0, inserts: 0 };
    return { header, containerBytes, bytes: unread, counts: undefined, checkpoints: interior(header) };
  }
  const { body, coded, checkpoints } = walk(container, header, old, taps);
  const shares = rounded(takenBy(body) ?? coded, containerBytes - front);
  return { header, containerBytes, bytes: { ...bytes, stream: 0, ...shares }, counts: countsOf(body), checkpoints };
}

function needsOld(header: DeltaHeader): boolean {
  const isRanged = header.coder === CODER_LITE || header.coder === CODER_MIXING;
  return header.kind === 'delta' && (isRanged || header.predictor !== PREDICTOR_NONE);
}

function interior(header: DeltaHeader): number {
  return header.checkpointBits === 0 ? 0 : Math.max(0, Math.ceil(header.newBytes / 2 ** header.checkpointBits) - 1);
}

function walk(container: Uint8Array, header: DeltaHeader, old: Uint8Array | undefined, taps: DeltaTaps) {
  const coded: Record<Spending, number> = { commands: 0, patches: 0, inserts: 0 };
  let fresh: Spending[] = [];
  const watch = (commands: Commands): void => {
    fresh.push(commands.spending);
  };
  const workspace = new Uint8Array(header.workspaceBytes);
  const image = {
    read: (offset: number, into: Uint8Array) => into.set(old?.subarray(offset, offset + into.length) ?? []),
  };
  const ports = { workspace, old: image, sink: () => undefined, decoders: EVERY_DECODER, watch, ...taps };
  const body = new Body(header, ports);
  let checkpoints = 0;
  let waiting = 0;
  for (let at = header.headerBytes; at < container.length; at++) {
    demand(!body.started || body.produced < header.newBytes, 'BAD_DELTA', 'bytes after the end of the container');
    const ended = body.feed(container[at]!);
    if (at >= header.headerBytes + header.modelBytes) waiting++;
    for (const spending of fresh) coded[spending] += waiting / fresh.length;
    if (fresh.length > 0) waiting = 0;
    fresh = [];
    if (!ended || body.produced === header.newBytes) continue;
    checkpoints++;
    body.nextBlock();
  }
  demand(body.produced === header.newBytes, 'BAD_DELTA', 'the container is cut short');
  return { body, coded, checkpoints };
}

/** Coded bytes by what they were spent on, for the range coders. */
function takenBy({ engine }: Body): Record<Spending, number> | undefined {
  return engine instanceof Ranged ? engine.taken : undefined;
}

function countsOf({ engine }: Body): { copies: number; inserts: number; fills: number } {
  if (engine instanceof Ranged) return engine.begun;
  return engine instanceof Plain ? engine.commands.counts() : { copies: 0, inserts: 0, fills: 0 };
}

/** Whole numbers with the given sum: commands and inserts are rounded, patches take the rest. */
function rounded(coded: Record<Spending, number>, sum: number): Record<Spending, number> {
  const commands = Math.min(Math.round(coded.commands), sum);
  const inserts = Math.min(Math.round(coded.inserts), sum - commands);
  return { commands, patches: sum - commands - inserts, inserts };
}
