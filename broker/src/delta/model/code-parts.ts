/** Splits regions into code and data: strings and tables decoded as instructions give false calls by the thousand. */
import type { Region } from '@countersign/device-sdk/delta/model';
import { REGIONS_MAX, Regions } from '@countersign/device-sdk/delta/model';
import type { Copy } from '../align.ts';
import { CHOICES } from '../choices.ts';
import { fit, type Model } from './fitting.ts';
import { findRuns } from './runs.ts';
import { collectVotes } from './votes.ts';

/** Parts begin at multiples of this: linkers align sections to less, but a boundary costs five bytes. */
const PART_BITS = 12;
const LEARNED = 4096;

export function splitCode(model: Model, old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Region[] {
  const asCode = costs(model, old, fresh, copies);
  const asData = costs({ ...model, old: model.old.map((region) => ({ ...region, code: false })) }, old, fresh, copies);
  const kinds = cheapestKinds(asCode, asData);
  const regions = Regions.of(model.old, old.length);
  const cuts = model.old.map(({ offset }) => offset);
  for (let part = 1; part < kinds.length; part++) if (kinds[part] !== kinds[part - 1]) cuts.push(part << PART_BITS);
  const parts = [...new Set(cuts)]
    .sort((a, b) => a - b)
    .map((offset) => {
      const middle = Math.min(offset + (1 << (PART_BITS - 1)), old.length - 1) >> PART_BITS;
      return { offset, address: regions.addressOf(offset), code: kinds[middle] === 1 && regions.isCode(offset) };
    });
  return parts.length <= REGIONS_MAX ? parts : [...model.old];
}

/** Wrong bytes in every part of the old image. */
export function costs(model: Model, old: Uint8Array, fresh: Uint8Array, copies: readonly Copy[]): Float64Array {
  const votes = collectVotes(model, old, fresh, copies);
  const whole = { ...model, runs: findRuns(votes.image, 512), ramRuns: findRuns(votes.ram, 64) };
  const { predictor } = fit(whole, LEARNED, old, fresh.length);
  const found = new Float64Array((old.length >> PART_BITS) + 1);
  for (const { oldStart, newStart, length } of copies) {
    predictor.copy(oldStart, newStart, length);
    for (let done = 0; done < length; done += predictor.unit.size) {
      predictor.look(oldStart + done, newStart + done, length - done);
      const { unit, guess } = predictor;
      let wrong = 0;
      for (let i = 0; i < unit.size; i++) if (guess[i] !== fresh[newStart + done + i]) wrong++;
      if (wrong > 0) found[(oldStart + done) >> PART_BITS]! += wrong + CHOICES.unitPrice;
      if (unit.kind === 0) continue;
      const target = predictor.targetOf(fresh.subarray(newStart + done, newStart + done + unit.size));
      if (target >= 0) predictor.learn(target);
    }
  }
  return found;
}

/** 1 for code, 0 for data, for every part. */
function cheapestKinds(asCode: Float64Array, asData: Float64Array): Uint8Array {
  const parts = asCode.length;
  const stayed = new Uint8Array(2 * parts);
  let data = 0;
  let code = 0;
  for (let i = 0; i < parts; i++) {
    const [dataBefore, codeBefore] = [data, code];
    stayed[2 * i] = dataBefore <= codeBefore + CHOICES.changePrice ? 1 : 0;
    stayed[2 * i + 1] = codeBefore <= dataBefore + CHOICES.changePrice ? 1 : 0;
    data = Math.min(dataBefore, codeBefore + CHOICES.changePrice) + asData[i]!;
    code = Math.min(codeBefore, dataBefore + CHOICES.changePrice) + asCode[i]!;
  }
  const kinds = new Uint8Array(parts);
  let kind = code <= data ? 1 : 0;
  for (let i = parts - 1; i >= 0; i--) {
    kinds[i] = kind;
    if (stayed[2 * i + kind] === 0) kind = 1 - kind;
  }
  return kinds;
}
