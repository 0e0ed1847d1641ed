import { type Authenticate, type DeviceRecord, deviceGate } from '@countersign/broker/distribution/delivery/login';
import type { LedgerClient } from '@countersign/broker/ledger/client';
import type { DeviceView } from '@countersign/broker/ledger/contract/views';
import { codeOf, type Verifier } from '@countersign/device-sdk';
import { hex, unhex } from '@countersign/device-sdk/format';
import { memoryCounters } from '../world/login-counters.ts';

/** The true gate for devices; the counters of their logins are kept in memory, and outlive the server. */
export function virtualGate(verifier: Verifier, ledger: LedgerClient, brokerId: string): Authenticate {
  const counters = memoryCounters();
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
