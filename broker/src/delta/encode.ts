/**
 * Makes deltas: every candidate that the memory class allows is built, the smallest is decoded again with the decoder
 * that devices run, and compared. A delta that is not smaller than the compressed full image does not ship.
 */
import { demand } from '@countersign/device-sdk';
import { IMAGE_BYTES_MAX } from '@countersign/device-sdk/delta';
import { PREDICTOR_NAMES } from '@countersign/device-sdk/delta/model';
import { alignmentsOf } from './alignments.ts';
import { smallestDelta, smallestFull } from './choose.ts';
import type { Made, MakeOptions } from './made.ts';
import type { Hints } from './model/find.ts';
import { Progress, type Tell } from './progress.ts';

export type { Made, MadeInfo, MakeOptions } from './made.ts';

/**
 * The smallest container that turns `old` into `fresh` on a device of this class; of kind full where that is smaller.
 * @throws Refusal TOO_LARGE for images of 1 GiB or more; INTERNAL if a candidate decodes to another image
 */
export function makeDelta(old: Uint8Array, fresh: Uint8Array, options: MakeOptions, tell?: Tell): Made {
  const progress = new Progress(tell);
  checkSize(old);
  checkSize(fresh);
  if (options.through) checkSize(options.through);
  progress.note('aligning the images, finding the model');
  const alignments = alignmentsOf(old, fresh, options, hintsOf(options));
  const delta = smallestDelta(old, fresh, alignments, options, progress);
  return smallestFull(fresh, options, progress, delta.delta.length) ?? delta;
}

/** What is named is not looked for; whether it helps is still decided by the bytes. */
function hintsOf({ cpu, base }: MakeOptions): Hints {
  const predictor = cpu === undefined ? {} : { predictor: PREDICTOR_NAMES.indexOf(cpu) };
  return { ...predictor, ...(base !== undefined && { base }) };
}

/** The compressed full image. @throws as {@link makeDelta} */
export function makeFull(fresh: Uint8Array, options: MakeOptions, tell?: Tell): Made {
  checkSize(fresh);
  return smallestFull(fresh, options, new Progress(tell))!;
}

function checkSize(image: Uint8Array): void {
  demand(image.length <= IMAGE_BYTES_MAX, 'TOO_LARGE', `an image of ${image.length} bytes`);
}
