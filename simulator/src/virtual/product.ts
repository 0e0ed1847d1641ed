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

export const RADIO = 'radio';
/** The same with a radio, whose firmware is another program for another processor. */
export const PRODUCT_WITH_RADIO: Product = { ...PRODUCT, components: [{ id: RADIO, slotBytes: 65_536 }] };

/** The program of the radio, and what each release has of it: it stays in some, and changes in others. */
const RADIO_SAMPLE = 'pump-monitor';
const RADIO_VERSIONS: Readonly<Record<string, string>> = {
  [FACTORY_VERSION]: '3.0.0',
  '1.0.1': '3.0.0',
  '1.1.0': '3.0.1',
  '1.2.0': '3.1.0',
  '1.3.0': '3.1.0',
  '1.4.0': '3.0.1',
};

const images = new Map<string, Uint8Array>();

export function imageOf(version: string): Uint8Array {
  return sample(NAME, version);
}

/** Images of a product's further components, by id. */
export function partsOf({ components = [] }: Product, version: string): Record<string, Uint8Array> {
  const radio = () => sample(RADIO_SAMPLE, RADIO_VERSIONS[version]!);
  return Object.fromEntries(components.map(({ id }) => [id, radio()]));
}

function sample(name: string, version: string): Uint8Array {
  const key = `${name} ${version}`;
  const image = images.get(key) ?? readSample(name, version);
  images.set(key, image);
  return image;
}
