/** What this server says of a head to devices that have no clock: they believe it, so it says no more than it knows. */
import { demand, type Verifier } from '@countersign/device-sdk';
import { proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import type { Current } from './announcer.ts';
import type { ServerClock } from './ports.ts';
import type { Witness } from './witness.ts';

/**
 * A device without a clock takes this server's word for the age of a head; a device with one would refuse a head over
 * the maximum age, so the word must not reach further. While peers are away or the log is still no newer head comes, and
 * without this limit the last one would stay fresh for ever: a withdrawn release with it.
 *
 * @returns what demands, of what a class is told, that
 *  1. this server holds it as proven under the trust root that is now in force: log signature, quorum, index entry;
 *  2. the head is not older than that trust root's maximum age, nor as far ahead of this server's clock: a clock so wrong
 *     knows no age.
 * @throws Refusal (from what is returned) FREEZE; NO_QUORUM and the other codes of an announcement that a newer trust
 * root does not bear
 */
export function freshness({
  verifier,
  witness,
  clock,
}: {
  verifier: Verifier;
  witness: Witness;
  clock: ServerClock;
}): (current: Current) => void {
  const provenUnder = new WeakMap<Current, number>();
  return (current) => {
    const { root } = witness;
    if (provenUnder.get(current) !== root.version) {
      proveRelease(verifier, shapeAnnouncement(verifier, current.bytes), { root });
      provenUnder.set(current, root.version);
    }
    const age = clock.now() - current.head.time;
    const limit = root.headAgeMax;
    demand(Math.abs(age) <= limit, 'FREEZE', `the newest head with a proof is ${age} s old, ${limit} s are allowed`);
  };
}
