/** How much one device, and all together, may ask for. Topics are only as true as the broker that carries them. */
import { hex } from '@countersign/device-sdk/format';
import { BoundedMap } from './bounded-map.ts';
import { Bucket, type Rate } from './bucket.ts';
import { DEVICES_CACHED_MAX } from './devices.ts';
import type { ServerClock } from './ports.ts';

export interface AllowanceOptions {
  /** Messages of one device. */
  messages: Rate;
  /** Bytes sent to one device. */
  bytes: Rate;
  /** Bytes sent to all devices. */
  allBytes: Rate;
  /** Refusals sent to one device; what is over it gets silence. */
  refusals: Rate;
}

/** A device of the smallest class fetches 40 KB in 160 frames of 256 bytes, four at a time, within a second. */
export const ALLOWANCE: AllowanceOptions = {
  messages: { perSecond: 100, burst: 200 },
  bytes: { perSecond: 1024 * 1024, burst: 2 * 1024 * 1024 },
  // Ten thousand devices with an image of 475 KB in two minutes are 40 MB a second.
  allBytes: { perSecond: 96 * 1024 * 1024, burst: 192 * 1024 * 1024 },
  refusals: { perSecond: 2, burst: 8 },
};

export interface Allowance {
  message(deviceId: Uint8Array): boolean;
  bytes(deviceId: Uint8Array, count: number): boolean;
  refusal(deviceId: Uint8Array): boolean;
}

export function allowance(clock: ServerClock, options: AllowanceOptions = ALLOWANCE): Allowance {
  const devices = new BoundedMap<{ messages: Bucket; bytes: Bucket; refusals: Bucket }>(DEVICES_CACHED_MAX);
  const all = new Bucket(options.allBytes, clock.elapsedMs());

  return {
    message: (deviceId) => of(deviceId).messages.take(1, clock.elapsedMs()),
    bytes(deviceId, count) {
      const now = clock.elapsedMs();
      return of(deviceId).bytes.take(count, now) && all.take(count, now);
    },
    refusal: (deviceId) => of(deviceId).refusals.take(1, clock.elapsedMs()),
  };

  function of(deviceId: Uint8Array) {
    const id = hex(deviceId);
    const known = devices.get(id);
    if (known) return known;
    const now = clock.elapsedMs();
    const made = {
      messages: new Bucket(options.messages, now),
      bytes: new Bucket(options.bytes, now),
      refusals: new Bucket(options.refusals, now),
    };
    devices.set(id, made);
    return made;
  }
}
