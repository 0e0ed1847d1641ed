import { codeOf } from '@countersign/device-sdk';
import { hex, type PublicKey, unhex } from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { DeviceView } from '../ledger/contract/views.ts';
import { BoundedMap } from './bounded-map.ts';
import type { ServerClock } from './ports.ts';

/** What is needed to know a device by: its key and its class. */
export interface KnownDevice {
  deviceId: Uint8Array;
  classId: Uint8Array;
  key: PublicKey;
  epoch: number;
}

/** Under 300 bytes each: 10,000 devices that talk at once fit, and a flood of invented ids takes 5 MB at most. */
export const DEVICES_CACHED_MAX = 16_384;
/** An id that the ledger does not know is asked about once in this time: long enough to make guessing cheap for us. */
export const UNKNOWN_FOR_MS = 10_000;

export interface Devices {
  /** Undefined for a device that is not enrolled, or revoked. @throws Refusal UNREACHABLE and the like */
  find(deviceId: Uint8Array): Promise<KnownDevice | undefined>;
  /** Ask the ledger again: this device was enrolled or revoked. */
  forget(deviceId: Uint8Array): void;
}

export function deviceCache(ledger: LedgerClient, clock: ServerClock): Devices {
  const known = new BoundedMap<Promise<KnownDevice | undefined>>(DEVICES_CACHED_MAX);
  const unknownUntilMs = new BoundedMap<number>(DEVICES_CACHED_MAX);

  return {
    async find(deviceId) {
      const id = hex(deviceId);
      const until = unknownUntilMs.get(id);
      if (until !== undefined && clock.elapsedMs() < until) return undefined;
      const asking = known.get(id) ?? ask(id);
      known.set(id, asking);
      const found = await asking.catch((error) => {
        known.delete(id);
        throw error;
      });
      if (!found) {
        known.delete(id);
        unknownUntilMs.set(id, clock.elapsedMs() + UNKNOWN_FOR_MS);
      }
      return found;
    },
    forget(deviceId) {
      known.delete(hex(deviceId));
      unknownUntilMs.delete(hex(deviceId));
    },
  };

  async function ask(id: string): Promise<KnownDevice | undefined> {
    try {
      const view = (await ledger.evaluate('getDevice', id)) as DeviceView;
      if (view.state !== 'enrolled') return undefined;
      return {
        deviceId: unhex(view.deviceId)!,
        classId: unhex(view.classId)!,
        key: { alg: view.alg, bytes: unhex(view.publicKey)! },
        epoch: view.epoch,
      };
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') return undefined;
      throw error;
    }
  }
}
