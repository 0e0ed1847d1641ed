/** What a device is: drawn from (seed, number), so that device 17 of a seed is the same one in every run. */

import type { KeyStore } from '@countersign/device-sdk';
import { ALG_ED25519 } from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { type GEOMETRIES, Prng } from '@countersign/device-sdk/rig';

/** Flash parts of the fleet: write units of 1, 4 and 8 bytes, erase blocks of 2 and 4 KB. */
export const FLEET_GEOMETRIES = [
  'nrf52',
  'stm32l4',
  'serialNor',
] as const satisfies readonly (keyof typeof GEOMETRIES)[];
export type FleetGeometry = (typeof FLEET_GEOMETRIES)[number];

export interface Profile {
  /** Place in the fleet, from 0. */
  readonly number: number;
  /** 16 bytes. */
  readonly id: Uint8Array;
  readonly keys: KeyStore;
  /** Hardware revision, which decides about the self-test. */
  readonly revision: string;
  readonly geometry: FleetGeometry;
  /** Has a wall clock that it trusts; others ask for freshness by a nonce. */
  readonly clock: boolean;
}

/** Hardware revisions with their shares of the fleet: A:6,B:3,C:1. */
export type Revisions = readonly (readonly [name: string, share: number])[];

/**
 * The first devices get their revisions in the given proportion, not by chance: a fleet of ten has every revision.
 * The key comes from the seed as well. That is fit for a simulation only: whoever knows the seed knows the key.
 */
export function drawProfile(seed: string, number: number, revisions: Revisions): Profile {
  const random = new Prng(seed, 'device', number);
  return {
    number,
    id: random.bytes(16),
    keys: nodeKeyStore(ALG_ED25519, random.bytes(32)),
    revision: revisionOf(number, revisions),
    geometry: FLEET_GEOMETRIES[random.below(FLEET_GEOMETRIES.length)]!,
    clock: !random.oneIn(4),
  };
}

/** Walks through the shares in strides, so that neighbours differ and every round has each revision its share of times. */
function revisionOf(number: number, revisions: Revisions): string {
  const total = revisions.reduce((sum, [, share]) => sum + share, 0);
  let left = (number * STRIDE) % total;
  for (const [name, share] of revisions) {
    if (left < share) return name;
    left -= share;
  }
  return revisions.at(-1)![0];
}

/** Coprime to the sums of shares that people write; a share of whole numbers is then met exactly over one round. */
const STRIDE = 7919;

/** `A:6,B:3,C:1`. @returns undefined where the text is not that */
export function readRevisions(text: string): Revisions | undefined {
  const parts = text.split(',').map((part) => /^([\w.-]{1,16}):([1-9]\d{0,4})$/.exec(part.trim()));
  if (parts.some((part) => part === null) || parts.length > 16) return undefined;
  return parts.map((part): [string, number] => [part![1]!, Number(part![2])]);
}

export function formatRevisions(revisions: Revisions): string {
  return revisions.map(([name, share]) => `${name}:${share}`).join(',');
}
