/** A release's components as the planner sees them: each with its own images, bases and places in the manifest. */
import { demand } from '@countersign/device-sdk';
import { BRANCHES_MAX } from '@countersign/device-sdk/format';
import type { Product } from '../ledger/contract/args.ts';
import type { DeviceView, ReleaseView } from '../ledger/contract/views.ts';
import { BASES_MAX } from './plan.ts';

/** Images of further components, by id. */
export type Images = Readonly<Record<string, Uint8Array>>;

export interface ComponentOrder {
  /** Absent for the application. */
  id?: string;
  image: Uint8Array;
  slotBytes: number;
}

/**
 * The application first, then the product's further components in its order.
 * @throws Refusal BAD_REQUEST where an image is missing or nobody's; NO_SPACE
 */
export function componentsOf(
  product: Pick<Product, 'name' | 'slotBytes' | 'components'>,
  image: Uint8Array,
  further: Images,
): ComponentOrder[] {
  const own = product.components ?? [];
  const strange = Object.keys(further).find((id) => !own.some((item) => item.id === id));
  demand(strange === undefined, 'BAD_REQUEST', `${product.name} has no component ${strange?.slice(0, 32)}`);
  const rest = own.map(({ id, slotBytes }): ComponentOrder => {
    const held = further[id];
    demand(held && held.length > 0, 'BAD_REQUEST', `a release of ${product.name} needs an image of its ${id}`);
    const fits = held.length <= slotBytes;
    demand(fits, 'NO_SPACE', `the image of ${id} has ${held.length} bytes, its slot has ${slotBytes}`);
    return { id, image: held, slotBytes };
  });
  return [{ image, slotBytes: product.slotBytes }, ...rest];
}

/** Every component needs a place for its full image; the others are shared alike. */
export function basesMaxOf(components: number): number {
  return components === 1 ? BASES_MAX : Math.floor(BRANCHES_MAX / components) - 1;
}

/** Releases as if this component were all they have. */
export function releasesOf(releases: readonly ReleaseView[], id: string | undefined): ReleaseView[] {
  return releases.flatMap((release) => {
    if (id === undefined) return [release];
    const own = release.components?.find((item) => item.id === id);
    return own ? [{ ...release, imageDigest: own.imageDigest, imageBytes: own.imageBytes }] : [];
  });
}

/** Devices with what they run of this component. */
export function devicesOf(devices: readonly DeviceView[], id: string | undefined): DeviceView[] {
  if (id === undefined) return [...devices];
  return devices.map((device) => {
    const own = device.components?.find((item) => item.id === id);
    return { ...device, slotDigest: own?.digest ?? null };
  });
}
