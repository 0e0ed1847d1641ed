/**
 * What must hold at every step, read from outside: out of the flash, past power, boot loader and SDK. A device that boots
 * runs an image that was released and rolled out; what it has confirmed never grows older, and works on its hardware.
 */
import { createHash } from 'node:crypto';
import { findDescriptor, passesSelfTest } from '@countersign/device-sdk/rig';
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';
import { runningImage } from '../oracle/judge.ts';
import { FACTORY_VERSION, imageOf } from './product.ts';
import type { VirtualWorld } from './world.ts';

export interface Safety {
  readonly problems: readonly string[];
  readonly looks: number;
}

/** Changes after which flash or boot record may be another. */
const LOOKED_AT: ReadonlySet<Change['kind']> = new Set(['on', 'off', 'cut', 'updated', 'reverted']);

export function watchSafety({ fleet, rolledOut }: VirtualWorld, say: (text: string) => void): Safety {
  const problems: string[] = [];
  const confirmed = new Map<VirtualDevice, number>();
  let looks = 0;
  fleet.watch((device, change) => {
    if (change.kind === 'stuck') report(device, `is stuck: ${change.text}`);
    if (!LOOKED_AT.has(change.kind)) return;
    looks++;
    const allowed = [FACTORY_VERSION, ...rolledOut].map(known);
    const digest = runningImage(device, new Map(allowed.map((image) => [image.digest, image])));
    const image = allowed.find((item) => item.digest === digest);
    if (!image) return report(device, `${change.kind}: boots an image that was never rolled out`);
    if (change.kind === 'updated' && !passesSelfTest(image.descriptor, device.profile.revision)) {
      report(device, `confirmed ${image.version}, which fails on its hardware`);
    }
    const { running, floor } = device.state ?? { running: { sequence: 0 }, floor: 0 };
    const before = confirmed.get(device) ?? 0;
    if (running.sequence < before) report(device, `went from release ${before} back to ${running.sequence}`);
    if (device.state && running.sequence < floor) report(device, `runs ${running.sequence} below its floor ${floor}`);
    confirmed.set(device, Math.max(before, running.sequence));
  });
  return {
    problems,
    get looks() {
      return looks;
    },
  };

  function report({ profile }: VirtualDevice, text: string): void {
    const problem = `device ${profile.number} (${profile.revision}): ${text}`;
    problems.push(problem);
    say(`UNSAFE ${problem}`);
  }
}

interface Known {
  version: string;
  digest: string;
  bytes: number;
  descriptor: ReturnType<typeof findDescriptor>;
}

const images = new Map<string, Known>();

function known(version: string): Known {
  const image = imageOf(version);
  const digest = () => createHash('sha256').update(image).digest('hex');
  const made = () => ({ version, digest: digest(), bytes: image.length, descriptor: findDescriptor(image) });
  const entry = images.get(version) ?? made();
  images.set(version, entry);
  return entry;
}
