/** How much travelled, and how much did not have to. */
import type { Fleet } from '../fleet/fleet.ts';
import type { Meter } from '../fleet/tap.ts';
import type { FleetOutcome } from './outcome.ts';

export function carriedBytes({ devices }: Pick<Fleet, 'devices'>): FleetOutcome['bytes'] {
  const sum = (of: (meter: Meter) => number) => devices.reduce((total, { meter }) => total + of(meter), 0);
  const all = sum(({ announcements, answers, commands }) => announcements + answers + commands);
  return {
    image: sum(({ images }) => images),
    delta: sum(({ frames }) => frames),
    perDevice: devices.length === 0 ? 0 : Math.round(all / devices.length),
  };
}
