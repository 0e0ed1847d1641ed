/** Counters of logins in memory: for servers of a world that outlives no process. */
import type { LoginCounters } from '@countersign/broker/distribution/delivery/counters';
import { demand } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';

export function memoryCounters(): LoginCounters {
  const highest = new Map<string, number>();
  return {
    async take(deviceId, counter) {
      const last = highest.get(hex(deviceId)) ?? -1;
      demand(counter > last, 'BAD_COUNTER', `login ${counter} after ${last}`);
      highest.set(hex(deviceId), counter);
    },
    async close() {},
  };
}
