/** What the virtual fleet is: the sample product of class L, and its releases. */

import { predictorOf } from '@countersign/broker/face/up/samples';
import type { Product } from '@countersign/broker/ledger/contract/args';
import { FRAME_BYTES } from '@countersign/device-sdk/format';
import { readSample, samples, vendorDomain } from '@countersign/firmware-samples';

const NAME = 'sensor-node';
export const FACTORY_VERSION = '1.0.0';
const factory = samples.find(({ product, version }) => product === NAME && version === FACTORY_VERSION)!;

export const PRODUCT: Product = {
  vendorDomain,
  name: NAME,
  memoryClass: 'L',
  frameBytes: FRAME_BYTES.L,
  /** What the linker script leaves for an image. */
  slotBytes: 229_376,
  imageBase: factory.imageBase,
  cpu: predictorOf(factory.cpu),
};

const images = new Map<string, Uint8Array>();

export function imageOf(version: string): Uint8Array {
  const image = images.get(version) ?? readSample(NAME, version);
  images.set(version, image);
  return image;
}
