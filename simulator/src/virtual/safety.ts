/**
 * What must hold at every step of a virtual world: what the judge says of flash and ledger, and what the device itself
 * believes. What it has confirmed never grows older, is not below its floor, and works on its hardware.
 */
import { bootPasses, bootRegion, findDescriptor } from '@countersign/device-sdk/rig';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import type { Chronicle } from '../oracle/chronicle.ts';
import { type Watch, watchFleet } from '../oracle/watch.ts';
import type { VirtualWorld } from './world.ts';

export function watchSafety({ fleet }: VirtualWorld, chronicle: () => Chronicle, say: (text: string) => void): Watch {
  const problems: string[] = [];
  const judged = watchFleet(fleet, chronicle, say);
  const confirmed = new Map<VirtualDevice, number>();
  fleet.watch((device, change) => {
    if (change.kind !== 'updated' && change.kind !== 'on' && change.kind !== 'off') return;
    const works = () => bootPasses(lyingIn(device), device.profile.revision);
    if (change.kind === 'updated' && !works()) report(device, `confirmed ${change.to}, which fails on its hardware`);
    const { running, floor } = device.state ?? { running: { sequence: 0 }, floor: 0 };
    const before = confirmed.get(device) ?? 0;
    if (running.sequence < before) report(device, `believes release ${running.sequence} after ${before}`);
    if (device.state && running.sequence < floor) report(device, `runs ${running.sequence} below its floor ${floor}`);
    confirmed.set(device, Math.max(before, running.sequence));
  });
  return {
    get problems() {
      return [...problems, ...judged.problems];
    },
    get looks() {
      return judged.looks;
    },
  };

  function report({ profile }: VirtualDevice, text: string): void {
    const problem = `device ${profile.number} (${profile.revision}): ${text}`;
    problems.push(problem);
    say(`UNSAFE ${problem}`);
  }
}

/** What its loader boots, read past the loader. */
function lyingIn({ board }: VirtualDevice): Parameters<typeof bootPasses>[0] {
  const region = bootRegion(board);
  const descriptor = findDescriptor(region);
  if ('slot' in board.slots) return { descriptor };
  const slot = region === board.slots[0] ? 0 : 1;
  return { descriptor, components: (board.slots.components ?? []).map(({ slots }) => findDescriptor(slots[slot])) };
}
