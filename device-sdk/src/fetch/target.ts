/** Where what is fetched goes: two slots, or one that is written over; and what lies in the one that runs. */

import type { DecoderPart } from '../delta/parts.ts';
import { demand } from '../errors.ts';
import type { Sha256 } from '../format/merkle.ts';
import type { ImageId, Payload, ReleaseImage } from '../format/suit.ts';
import type { BootControl, Flash, Hash, OneSlotFlash, SlotNumber, TwoSlots, Verifier } from '../ports.ts';
import type { Progress } from '../store/pending.ts';
import { other, slotHolds } from '../store/slots.ts';
import type { State } from '../store/state.ts';
import type { Position, Route } from './window.ts';

/** What takes the frames of a payload, in order and proven. */
export interface FrameTaker {
  /** Where the frames must begin; undefined for the first. */
  readonly route: Route | undefined;
  /** @param next where the frame behind this one stands, and the hash that this one named for it */
  take(bytes: Uint8Array, position: Position, next: Position | undefined): void;
  /** All frames have been taken: what they made is read back and judged. */
  finish(): void;
}

export interface TakerOptions {
  newImage: ImageId;
  payload: Payload;
  workspace: Uint8Array;
  decoders: readonly DecoderPart[];
  oldImage: ImageId;
  resume: Progress | undefined;
  save(progress: Progress): void;
  hash(): Hash;
  sha256: Sha256;
}

/** One slot: made by `oneSlot`, so that a device with two does not carry what it takes. */
export interface OneSlot extends OneSlotFlash {
  stage(options: TakerOptions): FrameTaker;
  /** Whether the staging area holds every frame of a payload. */
  isStaged(payload: Payload, sha256: Sha256): boolean;
}

export type Slots = TwoSlots | OneSlot;

export function isOneSlot(slots: Slots): slots is OneSlot {
  return 'staging' in slots;
}

export function flashOf(slots: Slots, slot: SlotNumber): Flash {
  return isOneSlot(slots) ? slots.slot : slots[slot];
}

/** The slots of the application, or those of a further component. @throws Refusal BAD_STATE where it has none */
export function pairOf(slots: TwoSlots, id: string | undefined): TwoSlots {
  const pair = id === undefined ? slots : slots.components?.find((item) => item.id === id)?.slots;
  demand(pair, 'BAD_STATE', `there are no slots for the component ${id}`);
  return pair;
}

/** Every image of a release with the flash in which it lies when `slot` is booted. */
export function placesOf(
  slots: Slots,
  slot: SlotNumber,
  image: ReleaseImage,
): (ImageId & { id?: string; flash: Flash })[] {
  const further = (image.components ?? []).map((item) => ({
    ...item,
    flash: pairOf(slots as TwoSlots, item.id)[slot],
  }));
  return [{ ...image, flash: flashOf(slots, slot) }, ...further];
}

/** Whether all images of a release lie there whole. */
export function holds(
  { store, slots }: { store: { verifier: Verifier }; slots: Slots },
  slot: SlotNumber,
  image: ReleaseImage,
): boolean {
  return placesOf(slots, slot, image).every(({ flash, bytes, digest }) =>
    slotHolds(flash, bytes, store.verifier.hash(), digest),
  );
}

/** Where an update goes while `running` runs. */
export function targetOf(slots: Slots, running: SlotNumber): SlotNumber {
  return isOneSlot(slots) ? running : other(running);
}

/** Whether what runs is the release under way, and not yet the one before it. */
export function runsPending(p: { store: { state: Readonly<State> }; slots: Slots; boot: BootControl }): boolean {
  const { pending, inPlace } = p.store.state;
  return isOneSlot(p.slots) ? inPlace?.written === true : pending?.slot === p.boot.running();
}
