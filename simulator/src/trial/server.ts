/** What the devices of a trial talk to: one announcement, its frames, acknowledgements; over the virtual network. */
import type { TrialAuthority } from '@countersign/broker/collection/trial/authority';
import type { Authenticate } from '@countersign/broker/distribution/delivery/login';
import { deviceGate } from '@countersign/broker/distribution/delivery/login';
import { type Code, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ANNOUNCE,
  type Answer,
  ackValue,
  checkStatement,
  encodeAnswer,
  equal,
  FRAMES,
  FRESHNESS,
  freshValue,
  hex,
  leafHash,
  publicKeyOf,
  REFUSED,
  type Request,
  readReport,
  readRequest,
  readStatement,
  signStatement,
} from '@countersign/device-sdk/format';
import type { Profile } from '../fleet/profile.ts';
import type { VirtualNetwork } from '../virtual/network.ts';
import { memoryCounters } from '../world/login-counters.ts';

/** As the provisioning record of a trial names it. */
export const TRIAL_BROKER = 'trial-bench';

interface Parts {
  verifier: Verifier;
  network: VirtualNetwork;
  authority: TrialAuthority;
  devices: ReadonlyMap<string, Profile>;
  /** By chain head in hex. */
  frames: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** The true gate for logins, of the trial's own devices. */
export function trialGate(
  verifier: Verifier,
  devices: ReadonlyMap<string, Profile>,
  classId: Uint8Array,
): Authenticate {
  const counters = memoryCounters();
  const device = async (deviceId: Uint8Array) => {
    const profile = devices.get(hex(deviceId));
    return profile && { key: publicKeyOf(profile.keys), classId, revoked: false };
  };
  return deviceGate({ brokerId: TRIAL_BROKER, counters, verifier, device });
}

/** Every message may be a gateway's lie: what is not understood or not signed is met with silence, as in the field. */
export function serveTrial({ verifier, network, authority, devices, frames }: Parts): void {
  const { sha256 } = verifier;
  const { command, headDigest, announcement } = authority;
  network.onRequest(async (deviceId, bytes) => {
    const request = readRequest(bytes);
    for (const answer of await answersTo(request)) await network.send(deviceId, 'frm', encodeAnswer(answer));
  });
  network.onReport(async (deviceId, bytes) => {
    const statement = readStatement(bytes, 'report');
    const { counter, deviceId: named } = readReport(statement.payload);
    const profile = devices.get(hex(deviceId));
    if (!profile || !equal(named, deviceId)) throw new Refusal('NOT_FOUND', 'a report of another device');
    checkStatement(verifier, statement, publicKeyOf(profile.keys));
    const value = ackValue({ deviceId, counter, leafHash: leafHash(sha256, bytes) });
    await network.send(deviceId, 'cmd', await signStatement(sha256, 'ack', value, command));
  });

  async function answersTo(request: Request): Promise<Answer[]> {
    const { id } = request;
    if (request.kind === ANNOUNCE) return [{ id, kind: ANNOUNCE, announcement, membership: null }];
    if (request.kind === FRESHNESS) {
      const value = freshValue({ nonce: request.nonce, headDigest });
      return [{ id, kind: FRESHNESS, statement: await signStatement(sha256, 'fresh', value, command) }];
    }
    const found = request.kind === FRAMES ? frames.get(hex(request.chainHead)) : undefined;
    if (request.kind !== FRAMES || !found) return [refusal(id, 'NOT_FOUND')];
    const { first, count } = request;
    return found.slice(first, first + count).map((frame, i): Answer => ({ id, kind: FRAMES, index: first + i, frame }));
  }

  function refusal(id: number, code: Code): Answer {
    return { id, kind: REFUSED, code, retrySeconds: 60 };
  }
}
