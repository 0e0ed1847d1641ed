/** Small signed messages between the distribution server and one device. */
import { decode, type Value } from './cbor.ts';
import { HASH_BYTES } from './merkle.ts';
import { ID_BYTES } from './rollout.ts';
import { asArray, asBytes, asText, asUint } from './shape.ts';

/** A device's proof for one MQTT connection. The broker takes each counter once. */
export interface Login {
  deviceId: Uint8Array;
  brokerId: string;
  counter: number;
}

export function loginValue(m: Login): Value {
  return [m.deviceId, m.brokerId, m.counter];
}

export function readLogin(payload: Uint8Array): Login {
  const [deviceId, brokerId, counter] = asArray(decode(payload), 'login', 3);
  return {
    deviceId: asBytes(deviceId, 'device id', ID_BYTES),
    brokerId: asText(brokerId, 'broker id'),
    counter: asUint(counter, 'counter'),
  };
}

/** "I hold this key, and want to be this device under this grant": by the key that is to be enrolled. */
export interface Claim {
  origin: string;
  grantId: Uint8Array;
  deviceId: Uint8Array;
  classId: Uint8Array;
}

export function claimValue(m: Claim): Value {
  return [m.origin, m.grantId, m.deviceId, m.classId];
}

export function readClaim(payload: Uint8Array): Claim {
  const [origin, grantId, deviceId, classId] = asArray(decode(payload), 'claim', 4);
  return {
    origin: asText(origin, 'origin'),
    grantId: asBytes(grantId, 'grant id', ID_BYTES),
    deviceId: asBytes(deviceId, 'device id', ID_BYTES),
    classId: asBytes(classId, 'class id', 16),
  };
}

/** "Your report with this counter is this leaf of the ledger", sent only after the ledger's fdatasync. */
export interface Acknowledgement {
  deviceId: Uint8Array;
  counter: number;
  leafHash: Uint8Array;
}

export function ackValue(m: Acknowledgement): Value {
  return [m.deviceId, m.counter, m.leafHash];
}

export function readAck(payload: Uint8Array): Acknowledgement {
  const [deviceId, counter, leaf] = asArray(decode(payload), 'acknowledgement', 3);
  return {
    deviceId: asBytes(deviceId, 'device id', ID_BYTES),
    counter: asUint(counter, 'counter'),
    leafHash: asBytes(leaf, 'leaf hash', HASH_BYTES),
  };
}

/** The answer to a freshness request of a device without a clock. */
export interface Freshness {
  nonce: Uint8Array;
  /** {@link headDigest} of the head under which the device's class is announced now. */
  headDigest: Uint8Array;
}

export const NONCE_BYTES = 16;

export function freshValue(m: Freshness): Value {
  return [m.nonce, m.headDigest];
}

export function readFresh(payload: Uint8Array): Freshness {
  const [nonce, digest] = asArray(decode(payload), 'freshness', 2);
  return { nonce: asBytes(nonce, 'nonce', NONCE_BYTES), headDigest: asBytes(digest, 'head digest', HASH_BYTES) };
}

/** Commands to one device. */
export const COMMAND_ASK = 1; // ask for the announcement now
export const COMMAND_RETRY = 2; // forget refusals in RAM and try the current release again

export interface Command {
  deviceId: Uint8Array;
  /** Rises with every command to this device; a device takes each once. */
  counter: number;
  command: number;
}

export function commandValue(m: Command): Value {
  return [m.deviceId, m.counter, m.command];
}

export function readCommand(payload: Uint8Array): Command {
  const [deviceId, counter, command] = asArray(decode(payload), 'command', 3);
  return {
    deviceId: asBytes(deviceId, 'device id', ID_BYTES),
    counter: asUint(counter, 'counter'),
    command: asUint(command, 'command', 255),
  };
}
