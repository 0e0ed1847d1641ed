/**
 * Slots and journal of a profile. One component lies in `slot-0.bin` and `slot-1.bin`; several lie in the folders `slot-0`
 * and `slot-1`, a file for each, so that one link or one number names a whole release.
 */
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { demand } from '../src/errors.ts';
import { APPLICATION } from '../src/format/suit.ts';
import type { ComponentSlots, TwoSlots } from '../src/ports.ts';
import { BlockFlash } from './block-flash.ts';
import { makeFolder } from './durable.ts';
import type { FdFlash } from './fd-flash.ts';
import { FileFlash } from './file-flash.ts';
import type { Profile, SlotsProfile } from './profile.ts';

/** Root, head, state and eight reports need 16 KB twice over; the rest is fewer compactions. */
const STORE_BYTES = 65_536;

type Pair = readonly [FdFlash, FdFlash];

export interface Regions {
  slots: TwoSlots;
  store: FdFlash;
  close(): void;
}

/** @throws Refusal BAD_STORE, LOCKED */
export function openRegions(profile: Profile): Regions {
  const { folder, components } = profile;
  if (existsSync(recordFile(profile))) demandSlots(profile);
  makeFolder(folder);
  if (components.length > 0) for (const slot of [0, 1]) makeFolder(join(folder, slotName(slot)));
  const opened: FdFlash[] = [];
  const keep = <T extends FdFlash>(region: T): T => {
    opened.push(region);
    return region;
  };
  const close = () => {
    for (const region of opened) region.close();
  };
  try {
    const pair = (slots: SlotsProfile, id: string) =>
      [0, 1].map((n) => keep(open(profile, slots, n, id))) as unknown as Pair;
    const own = pair(profile.slots, APPLICATION);
    const further = components.map(({ id, slots }): ComponentSlots => ({ id, slots: pair(slots, id) }));
    // What the journal says of a slot is said after the slot has it.
    const store = keep(new FileFlash(join(folder, 'store.bin'), { bytes: STORE_BYTES, first: [...opened] }));
    return { slots: further.length > 0 ? Object.assign(own, { components: further }) : own, store, close };
  } catch (error) {
    close();
    throw error;
  }
}

/** What the factory knew of the device; its last step, so where this file is there is a device. */
export function recordFile({ folder }: Profile): string {
  return join(folder, 'provision.cbor');
}

/**
 * A slot that is gone, or that components added to the profile have moved, would be made anew, erased; and the boot control
 * would start what is not there instead of what runs.
 */
function demandSlots(profile: Profile): void {
  const { components, slots } = profile;
  for (const one of [{ id: APPLICATION, slots }, ...components]) {
    for (const path of one.slots.kind === 'file' ? [0, 1].map((slot) => slotFile(profile, slot, one.id)) : []) {
      demand(existsSync(path), 'BAD_STORE', `${path} is missing, and there is a device: has its profile been changed?`);
    }
  }
}

function open(profile: Profile, slots: SlotsProfile, slot: number, id: string): FdFlash {
  return slots.kind === 'file'
    ? new FileFlash(slotFile(profile, slot, id), { bytes: slots.bytes, flush: 'later' })
    : new BlockFlash(slots.devices[slot]!, { flush: 'later' });
}

function slotName(slot: number): string {
  return `slot-${slot}`;
}

function slotFile({ folder, components }: Profile, slot: number, id: string): string {
  const name = slotName(slot);
  return components.length > 0 ? join(folder, name, `${id}.bin`) : join(folder, `${name}.bin`);
}

/** What `current` names where the profile does not say it: as the link sees it, so that the whole folder may be moved. */
export function slotTargets(profile: Profile, current: string): readonly [string, string] {
  const { slots, components, folder } = profile;
  if (slots.kind === 'block') return slots.devices;
  const from = (slot: number) =>
    components.length > 0 ? join(folder, slotName(slot)) : slotFile(profile, slot, APPLICATION);
  const [first, second] = [0, 1].map((slot) => relative(dirname(current), from(slot)));
  return [first!, second!];
}
