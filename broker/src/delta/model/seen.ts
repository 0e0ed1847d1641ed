/**
 * Both images as the model sees them: every operand that moves with the code is replaced by where it points in the new
 * image. What the model predicts is then equal, byte for byte, and an alignment of these images follows the program
 * instead of its addresses. Nothing moves: offsets are those of the images.
 */
import {
  BRANCH,
  type Cpu,
  cpuOf,
  LITERAL,
  POINTER,
  type Predictor,
  REGISTER_WORDS,
  Regions,
  UNIT_BYTES_MAX,
} from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';
import { fit, type Model } from './fitting.ts';

export interface Images {
  old: Uint8Array;
  fresh: Uint8Array;
}

/** @param model with the runs of its maps */
export function imagesAsSeen(model: Model, { old, fresh }: Images, copies: readonly Copy[]): Images {
  const masks = new OperandMasks(model.predictor);
  const before = fit(model, 0, old, fresh.length).predictor;
  const inNew = { ...model, old: model.fresh, runs: [], ramRuns: [] };
  const after = fit(inNew, 0, fresh, fresh.length).predictor;
  const regions = Regions.of(model.old, old.length);
  const isCode = codeOfNew(regions, fresh.length, copies);
  return {
    old: seen(old, before, masks, (offset) => regions.isCode(offset)),
    fresh: seen(fresh, after, masks, (offset) => isCode[offset] === 1),
  };
}

function seen(image: Uint8Array, predictor: Predictor, masks: OperandMasks, isCode: (at: number) => boolean) {
  // Not slice: of a Node buffer that is no copy, and the image itself would be changed.
  const bytes = new Uint8Array(image);
  const { unit } = predictor;
  // A copy of no bytes: targets go by the map alone.
  predictor.copy(0, 0, 0);
  for (let at = 0; at < image.length; at += unit.size) {
    predictor.look(at, at, image.length - at);
    if (unit.kind === POINTER) bytes.set(predictor.guess.subarray(0, unit.size), at);
    else if (unit.kind !== 0 && isCode(at)) {
      const near = unit.kind === BRANCH || unit.kind === LITERAL;
      masks.put(bytes, at, unit.size, unit.form, near ? 0 : predictor.guessed);
    }
  }
  return bytes;
}

/** Whether each byte of the new image comes from code; inserted bytes are what stands before them. */
function codeOfNew(old: Regions, newBytes: number, copies: readonly Copy[]): Uint8Array {
  const isCode = new Uint8Array(newBytes);
  let at = 0;
  let last = 1;
  for (const { newStart, oldStart, length } of copies) {
    isCode.fill(last, at, newStart);
    for (let i = 0; i < length; i++) isCode[newStart + i] = last = old.isCode(oldStart + i) ? 1 : 0;
    at = newStart + length;
  }
  return isCode.fill(last, at);
}

/** Which bits of an instruction hold its operand, found by pointing it at many places. */
class OperandMasks {
  readonly #cpu: Cpu;
  readonly #masks = new Map<number, Uint8Array>();

  constructor(predictor: number) {
    this.#cpu = cpuOf(predictor, new Uint32Array(REGISTER_WORDS));
  }

  /** Replaces the operand by a digest of its target. */
  put(bytes: Uint8Array, at: number, size: number, form: number, target: number): void {
    let mask = this.#masks.get(form);
    if (mask === undefined) this.#masks.set(form, (mask = this.#find(bytes.subarray(at, at + size), form)));
    const low = Math.imul(target, 0x9e3779b1);
    for (let i = 0; i < size; i++) {
      const digest = i < 4 ? low >>> (8 * i) : Math.imul(low, 0x85ebca6b) >>> (8 * (i - 4));
      bytes[at + i] = (bytes[at + i]! & ~mask[i]!) | (digest & mask[i]!);
    }
  }

  #find(instruction: Uint8Array, form: number): Uint8Array {
    const mask = new Uint8Array(UNIT_BYTES_MAX);
    const here = 0x1000_0000;
    const first = new Uint8Array(UNIT_BYTES_MAX);
    let found = false;
    for (let bit = 2; bit < 28; bit++) {
      for (const target of [here + 2 ** bit, here - 2 ** bit]) {
        const tried = new Uint8Array(UNIT_BYTES_MAX);
        tried.set(instruction);
        if (!this.#cpu.retarget(tried, form, here, target)) continue;
        if (!found) first.set(tried);
        found = true;
        for (let i = 0; i < UNIT_BYTES_MAX; i++) mask[i]! |= tried[i]! ^ first[i]!;
      }
    }
    return mask;
  }
}
