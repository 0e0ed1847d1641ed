/** A model as it stands in a container, and the predictor that a decoder would make of it. */
import type { BlockOrder } from '@countersign/device-sdk/delta';
import {
  type Bytes,
  cpuOf,
  ModelSection,
  type ModelShape,
  modelBytes,
  modelMemory,
  PREDICTOR_NONE,
  type Predictor,
  type Range,
  type Region,
} from '@countersign/device-sdk/delta/model';
import { varint } from '../header.ts';

/** Runs of an address map: from `start` on, new place less old place is `shift`. */
export interface Run {
  start: number;
  shift: number;
}

/** All of a model that the encoder finds; nothing in it depends on a coder. */
export interface Model {
  predictor: number;
  pointers: boolean;
  ram: Range;
  old: readonly Region[];
  fresh: readonly Region[];
  runs: readonly Run[];
  ramRuns: readonly Run[];
}

export const NO_MODEL: Model = {
  predictor: PREDICTOR_NONE,
  pointers: false,
  ram: { address: 0, bytes: 0 },
  old: [],
  fresh: [],
  runs: [],
  ramRuns: [],
};

/** A predictor ready to encode with. */
export interface Fitting {
  section: Uint8Array;
  mapRuns: number;
  learnedEntries: number;
  predictor: Predictor;
  /** The old image as the decoder sees it while it makes the block that was opened. */
  bytes: Bytes;
  /** At the start of every block: forgets what was learned, and what has been written over. */
  open(order: BlockOrder, turn: number): void;
}

/** Writes the model and reads it again as a decoder does, so that both sides predict from the same numbers. */
export function fit(model: Model, learnedEntries: number, old: Uint8Array, newBytes: number): Fitting {
  const none = model.predictor === PREDICTOR_NONE;
  const mapRuns = model.runs.length + model.ramRuns.length;
  const section = none ? new Uint8Array() : writeModel(model);
  const counts = { mapRuns, learnedEntries: none ? 0 : learnedEntries };
  const shape: ModelShape = { ...counts, predictor: model.predictor, oldBytes: old.length, newBytes };
  const memory = modelMemory(new Uint8Array(modelBytes(counts)), counts);
  const reader = new ModelSection(shape, memory);
  for (const byte of section) reader.feed(byte);
  let [from, to] = [0, old.length];
  const bytes = { byte: (offset: number) => (offset >= from && offset < to ? old[offset]! : 0) };
  const predictor = reader.predictor(bytes, (registers) => cpuOf(model.predictor, registers));
  const open = (order: BlockOrder, turn: number) => {
    memory.learned.fill(0);
    [from, to] = order.remaining(turn, old.length);
  };
  return { section, ...counts, predictor, bytes, open };
}

/** The bytes of the model section. Reader: device-sdk/src/delta/model/section.ts. */
function writeModel(model: Model): Uint8Array {
  const { ram, old, fresh, runs, ramRuns } = model;
  const bytes = [
    ...[model.pointers ? 1 : 0, ram.address, ram.bytes].flatMap(varint),
    ...regions(old),
    ...regions(fresh),
    ...varint(ramRuns.length),
    ...mapped(runs),
    ...mapped(ramRuns),
  ];
  return Uint8Array.from(bytes);
}

function regions(list: readonly Region[]): number[] {
  const bytes = varint(list.length);
  let before = { offset: 0, address: 0 };
  for (const region of list) {
    const distance = region.offset - before.offset;
    bytes.push(...varint(2 * distance + (region.code ? 1 : 0)));
    bytes.push(...zigzag((region.address - (before.address + distance)) | 0));
    before = region;
  }
  return bytes;
}

function mapped(runs: readonly Run[]): number[] {
  let before = { start: 0, shift: 0 };
  return runs.flatMap((run) => {
    const bytes = [...varint(run.start - before.start), ...zigzag((run.shift - before.shift) | 0)];
    before = run;
    return bytes;
  });
}

function zigzag(value: number): number[] {
  return varint(value >= 0 ? 2 * value : -2 * value - 1);
}
