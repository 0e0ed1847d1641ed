/**
 * A device without hardware: strict flash, a power cutter and a boot loader. For porters, for the collection server's
 * trial of a delta, and for the simulator.
 */
export * from './board.ts';
export * from './boot.ts';
export type { Geometry } from './cells.ts';
export * from './descriptor.ts';
export * from './faults.ts';
export * from './flash.ts';
export * from './geometries.ts';
export * from './one-slot.ts';
export { PagePool } from './pages.ts';
export * from './power.ts';
export { Prng } from './prng.ts';
export * from './wear.ts';
