/**
 * The SDK of a device: {@link Device} over the ports that an integrator brings. Verification, formats, decoder and the
 * virtual hardware have entry points of their own.
 */
export { Device } from './device.ts';
export type { DeviceEvent, DevicePorts } from './device-ports.ts';
export { CODES, type Code, codeOf, demand, Refusal } from './errors.ts';
export type { OneSlot, Slots } from './fetch/target.ts';
export type * from './ports.ts';
