/** One image of the folder images/, as its manifest.json describes it. */
export interface Sample {
  /** Product class, such as `sensor-node`. */
  readonly product: string;
  /** Version label, such as `1.0.1`. */
  readonly version: string;
  /** File name inside images/. */
  readonly file: string;
  /** Size of the image in bytes. */
  readonly bytes: number;
  /** SHA-256 of the image, 64 lower-case hex digits. */
  readonly sha256: string;
  /** Core it is compiled for, as the compiler's -mcpu or -march names it. */
  readonly cpu: 'cortex-m4' | 'cortex-m0plus' | 'rv32imac';
  /** Address at which the image is linked to run. */
  readonly imageBase: number;
  /** Hardware revisions on which the self-test of this release fails. */
  readonly failsOn: readonly string[];
}

/** Vendor domain of every sample; with the product name it gives the SUIT class id. */
export const vendorDomain: string;

/** Every sample, by product and then by version, oldest first. */
export const samples: readonly Sample[];

/**
 * Reads one image from disk.
 *
 * @example
 * const image = readSample('sensor-node', '1.0.0');
 *
 * @throws RangeError where there is no such sample.
 */
export function readSample(product: string, version: string): Uint8Array;

/**
 * The same program as the image of another product class, whose name is as long: only the name in its descriptor differs.
 *
 * @throws RangeError where there is no such sample, or the name has another length.
 */
export function readSampleAs(product: string, version: string, name: string): Uint8Array;
