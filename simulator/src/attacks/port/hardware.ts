/** The boards of the rig as the suite sees them: with two slots, or with one and what belongs to it. */
import type { Device, Verifier } from '@countersign/device-sdk';
import {
  type Board,
  createBoard,
  createOneSlotBoard,
  type FlashRegion,
  type OneSlotBoard,
  type VirtualBoot,
} from '@countersign/device-sdk/rig';
import type { Birth } from './port.ts';

export type SlotLayout = 'two slots' | 'one slot';

/** Of an update in place; the scratch page holds one. */
export const PAGE_BYTES = 4096;

export type Hardware = (Board | OneSlotBoard) & {
  /** A slot; with one slot, 1 is the staging area. */
  region(slot: 0 | 1): FlashRegion;
  /** The two slots of each further component. */
  further: readonly { id: string; slots: readonly [FlashRegion, FlashRegion] }[];
  /** What the loader has written down. */
  record(): { good: 0 | 1; trial: 0 | 1 | undefined };
  /** Whether the release that is pending runs now, on trial. */
  runs(state: Device['state']): boolean;
};

export function makeHardware(birth: Birth, layout: SlotLayout, verifier: Verifier): Hardware {
  return layout === 'two slots' ? twoSlots(createBoard({ ...birth }, 'attacked')) : oneSlot(birth, verifier);
}

function twoSlots(board: Board): Hardware {
  return Object.assign(board, {
    region: (slot: 0 | 1) => board.slots[slot],
    further: board.slots.components ?? [],
    record: () => (board.boot as VirtualBoot).record,
    runs: ({ pending }: Device['state']) => pending?.slot === board.boot.running(),
  });
}

function oneSlot(birth: Birth, verifier: Verifier): Hardware {
  // Room for a whole image of noise with its hashes: what is too long is refused for what it says, not for what is here.
  const sizes = { scratchBytes: PAGE_BYTES, stagingBytes: 2 * birth.slotBytes };
  const board = createOneSlotBoard({ ...birth, ...sizes, verifier }, 'attacked');
  return Object.assign(board, {
    region: (slot: 0 | 1) => (slot === 0 ? board.slots.slot : board.slots.staging),
    further: [],
    record: () => ({ good: 0 as const, trial: undefined }),
    runs: ({ pending, inPlace }: Device['state']) => pending !== undefined && inPlace?.written === true,
  });
}
