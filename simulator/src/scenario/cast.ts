/** Who plays which part in the demo. */
import type { Enrollable } from './fleet-process.ts';

/** The hardware revision on which the bad release fails its self-test. */
export const BAD_REVISION = 'C';

/** Which device plays which part. */
export interface Cast {
  all: number[];
  /** Not yet switched on when the first two releases go out. */
  late: number[];
  early: number[];
  /** The first wave of the bad release: every device of the bad revision, and some others. */
  canary: number[];
  badRevision: number[];
  /** Up to date and outside the first wave: for announcements that nobody published. */
  bystanders: number[];
}

export function castOf(made: readonly Enrollable[]): Cast {
  const numbers = (of: (device: Enrollable) => boolean) => made.filter(of).map(({ number }) => number);
  const isLate = ({ number }: Enrollable) => number % 10 === 4;
  const isCanary = ({ number, revision }: Enrollable) => revision === BAD_REVISION || number % 10 === 7;
  return {
    all: numbers(() => true),
    late: numbers(isLate),
    early: numbers((device) => !isLate(device)),
    canary: numbers(isCanary),
    badRevision: numbers(({ revision }) => revision === BAD_REVISION),
    // With a clock, a device does not have to ask how fresh a head is, and comes to the point of each attack.
    bystanders: numbers((device) => !isLate(device) && !isCanary(device) && device.clock),
  };
}
