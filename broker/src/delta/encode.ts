/**
 * Makes deltas: every candidate that the memory class allows is built, the smallest is decoded again with the decoder
 * that devices run, and compared. A delta that is not smaller than the compressed full image does not ship.
 */
import { demand } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES } from '@countersign/device-sdk/delta/model';
import { align, type Copy } from './align.ts';
import { smallestOf } from './choose.ts';
import { composeCopies } from './compose.ts';
import type { Made, MadeInfo, MakeOptions } from './made.ts';
import { type Found, findModel } from './model/find.ts';
import { suffixArray } from './suffix-array.ts';

export type { Made, MadeInfo, MakeOptions } from './made.ts';

/**
 * The smallest container that turns `old` into `fresh` on a device of this class; of kind full where that is smaller.
 * @throws Refusal TOO_LARGE for images of 1 GiB or more; INTERNAL if a candidate decodes to another image
 */
export function makeDelta(old: Uint8Array, fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(old);
  checkSize(fresh);
  const full = makeFull(fresh, options);
  const direct = makeAligned(old, fresh, align(old, fresh, suffixArray(old)), options, 'direct');
  const made = [direct, full];
  if (options.through) {
    const copies = composed(old, options.through, fresh);
    made.push(makeAligned(old, fresh, copies, options, 'composed'));
  }
  return made.reduce((best, other) => (other.delta.length < best.delta.length ? other : best), full);
}

function makeAligned(
  old: Uint8Array,
  fresh: Uint8Array,
  copies: Copy[],
  options: MakeOptions,
  alignment: MadeInfo['alignment'],
): Made {
  const { delta, info } = smallestOf(
    { kind: 'delta', old, fresh, copies },
    options,
    modelOf(old, fresh, copies, options),
  );
  return { delta, info: { ...info, alignment } };
}

/** What is named is not looked for; whether it helps is still decided by the bytes. */
function modelOf(old: Uint8Array, fresh: Uint8Array, copies: Copy[], { cpu, base }: MakeOptions): Found | undefined {
  const predictor = cpu === undefined ? {} : { predictor: PREDICTOR_NAMES.indexOf(cpu) };
  return findModel(old, fresh, copies, { ...predictor, ...(base !== undefined && { base }) });
}

function composed(old: Uint8Array, middle: Uint8Array, fresh: Uint8Array): Copy[] {
  checkSize(middle);
  return composeCopies(align(old, middle, suffixArray(old)), align(middle, fresh, suffixArray(middle)));
}

/** The compressed full image. @throws as {@link makeDelta} */
export function makeFull(fresh: Uint8Array, options: MakeOptions): Made {
  checkSize(fresh);
  return smallestOf({ kind: 'full', old: new Uint8Array(), fresh, copies: [] }, options, undefined);
}

function checkSize(image: Uint8Array): void {
  demand(image.length <= IMAGE_BYTES_MAX, 'TOO_LARGE', `an image of ${image.length} bytes`);
}
