/**
 * The boot stage of a device with one slot. An application cannot write over the flash that it runs from, and half an
 * image cannot run at all: so whatever starts before the image calls this, every time, and jumps only when told to.
 *
 *   journal: phase trial          by the application, its last word before the restart
 *   every page, see in-place.ts   cut here, any number of times: goes on, link or no link
 *   journal: written              only now the image is there, and has been read back whole
 *   journal: one more start       counted before the jump: an image that hangs has used its start
 *
 * There is no image to go back to. An image that starts and fails its own test keeps running and says so; one that does
 * not start is started a few times and then never again.
 */
import type { DecoderPart } from '../delta/parts.ts';
import { Refusal } from '../errors.ts';
import type { ImageId } from '../format/suit.ts';
import type { BootControl, Flash, OneSlotFlash, Verifier } from '../ports.ts';
import { slotHolds } from '../store/slots.ts';
import type { InPlace } from '../store/state.ts';
import { Store } from '../store/store.ts';
import { applyInPlace } from './in-place-apply.ts';
import { Staged } from './staged.ts';

/** Starts of an image on trial: one that loses its power twice is not at fault yet. */
export const TRIAL_STARTS_MAX = 3;

export interface BootInPlacePorts {
  /** Region of the journal. */
  store: Flash;
  verifier: Verifier;
  slots: OneSlotFlash;
  workspace: Uint8Array;
  /** As those of the device: {@link DevicePorts}. */
  decoders?: readonly DecoderPart[];
}

/**
 * @returns 'run': the slot holds a whole image. 'recover': it does not, or the image never came up; only what the maker
 * of the device keeps for this (a serial loader, a second processor) helps.
 * @throws Refusal BAD_STATE for a damaged journal
 */
export function bootInPlace(ports: BootInPlacePorts): 'run' | 'recover' {
  const store = Store.open(ports.store, ports.verifier);
  const { pending, running, damaged } = store.state;
  const holds = ({ bytes, digest }: ImageId) => slotHolds(ports.slots.slot, bytes, ports.verifier.hash(), digest);
  if (pending?.phase !== 'trial' || !store.state.inPlace) {
    // A journal that fell back may have forgotten that pages were being written.
    return !damaged || holds(running.image) || (pending && holds(pending.image)) ? 'run' : 'recover';
  }
  // Or that the image was whole already: made once more, it would be made from itself. A spoilt header of a bank looks
  // like one that a cut has torn, so the journal need not say that it fell back.
  if (!store.state.inPlace.written && (damaged || !touched(store.state.inPlace)) && holds(pending.image)) {
    store.commit({ inPlace: { ...store.state.inPlace, written: true } });
  }
  if (!store.state.inPlace.written && !make(store, ports)) {
    return touched(store.state.inPlace) || !holds(running.image) ? 'recover' : 'run';
  }
  const inPlace: InPlace = store.state.inPlace;
  if (inPlace.boots >= TRIAL_STARTS_MAX) return 'recover';
  store.commit({ inPlace: { ...inPlace, boots: inPlace.boots + 1 } });
  return 'run';
}

/** @returns false where the image cannot be made: then the old one runs, if nothing of it is lost */
function make(store: Store, { slots, workspace, decoders = [], verifier }: BootInPlacePorts): boolean {
  const { pending, running, inPlace } = store.state;
  const change = (part: Partial<InPlace>) => store.commit({ inPlace: { ...store.state.inPlace!, ...part } });
  try {
    const container = new Staged(slots.staging, { ...inPlace!, chainHead: pending!.chainHead });
    if (!touched(inPlace!)) container.prove(verifier.sha256);
    applyInPlace({
      ...slots,
      container,
      workspace,
      decoders,
      oldImage: running.image,
      newImage: pending!.image,
      hash: () => verifier.hash(),
      progress: touched(inPlace!) ? inPlace : undefined,
      save: change,
    });
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
  change({ written: true });
  return true;
}

/** From the first record on a page may have been erased. */
function touched({ done, copying }: InPlace): boolean {
  return done > 0 || copying;
}

/** Boot control where {@link bootInPlace} decides everything: the journal is the loader's record. */
export function oneSlotBoot(restart: () => void): BootControl {
  const nothing = (): void => undefined;
  return {
    running: () => 0,
    onTrial: () => false,
    setTrial: nothing,
    confirm: nothing,
    markUnbootable: nothing,
    restart,
  };
}
