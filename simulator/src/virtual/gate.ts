import { type Authenticate, type DeviceRecord, deviceGate } from '@countersign/broker/distribution/delivery/login';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import type { DeviceView } from '@countersign/broker/ledger/contract/views';
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import { hex, unhex } from '@countersign/device-sdk/format';

/** The true gate for devices; the counters of their logins are kept in memory, and outlive the server. */
export function virtualGate(verifier: Verifier, ledger: LedgerClient, brokerId: string): Authenticate {
  const highest = new Map<string, number>();
  const counters = {
    async take(deviceId: Uint8Array, counter: number): Promise<void> {
      const last = highest.get(hex(deviceId)) ?? -1;
      demand(counter > last, 'BAD_COUNTER', `login ${counter} after ${last}`);
      highest.set(hex(deviceId), counter);
    },
    async close() {},
  };
  return deviceGate({ brokerId, counters, verifier, device: (deviceId) => deviceOf(ledger, deviceId) });
}

async function deviceOf(ledger: LedgerClient, deviceId: Uint8Array): Promise<DeviceRecord | undefined> {
  try {
    const view = (await ledger.evaluate('getDevice', hex(deviceId))) as DeviceView;
    const key = { alg: view.alg, bytes: unhex(view.publicKey)! };
    return { key, classId: unhex(view.classId)!, revoked: view.state !== 'enrolled' };
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}
