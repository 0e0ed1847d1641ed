/** For devices with one slot: their slots, their boot control, and the boot stage. Others do not carry it. */
export { type BootInPlacePorts, bootInPlace, oneSlotBoot, TRIAL_STARTS_MAX } from './install/boot-in-place.ts';
export { oneSlot } from './install/staging.ts';
