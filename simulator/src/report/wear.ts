/** What the updates of a fleet cost its flash. */
import type { Wear } from '@countersign/device-sdk/rig';
import type { Fleet } from '../fleet/fleet.ts';
import type { FleetOutcome } from './outcome.ts';

export function wornFlash({ devices, counts: { installs } }: Pick<Fleet, 'devices' | 'counts'>): FleetOutcome['wear'] {
  const worn = devices.map((device) => device.wear());
  const sum = (of: (wear: { slots: Wear; store: Wear }) => number) => worn.reduce((total, wear) => total + of(wear), 0);
  return {
    installs,
    slotErases: sum(({ slots }) => slots.erases),
    slotBytes: sum(({ slots }) => slots.written),
    storeErases: sum(({ store }) => store.erases),
    storeBytes: sum(({ store }) => store.written),
    worstBlock: Math.max(0, ...worn.flatMap(({ slots, store }) => [slots.worst, store.worst])),
  };
}

/** On average for one image that was brought into a slot. */
export function wearText({ installs, ...wear }: NonNullable<FleetOutcome['wear']>): string {
  const each = (count: number) => (count / Math.max(1, installs)).toFixed(1);
  const slot = `slots ${each(wear.slotErases)} erases, ${Math.round(wear.slotBytes / Math.max(1, installs))} B`;
  const store = `store ${each(wear.storeErases)} erases, ${Math.round(wear.storeBytes / Math.max(1, installs))} B`;
  return `per install: ${slot}; ${store}; no block more than ${wear.worstBlock} times`;
}
