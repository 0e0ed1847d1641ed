import { createHash, timingSafeEqual } from 'node:crypto';
import { demand, type Verifier } from '@countersign/device-sdk';
import {
  checkStatement,
  encode,
  equal,
  hex,
  ID_BYTES,
  kidOf,
  type PublicKey,
  readLogin,
  readStatement,
  unhex,
} from '@countersign/device-sdk/format';
import type { LoginCounters } from './counters.ts';
import { DISTRIBUTION, type Principal } from './rights.ts';

/** What a CONNECT carries. Nothing of it is trusted. */
export interface Credentials {
  clientId: string;
  username: string | undefined;
  password: Uint8Array | undefined;
}

/** Answers who that is, or rejects with a Refusal. */
export type Authenticate = (credentials: Credentials) => Promise<Principal>;

/** What the ledger says about an enrolled device. */
export interface DeviceRecord {
  key: PublicKey;
  classId: Uint8Array;
  revoked: boolean;
  /** Of its reports; above 0 where it was enrolled again. */
  epoch?: number;
}

export interface DeviceLoginOptions {
  /** This broker's name. A login for one broker is worthless at another. */
  brokerId: string;
  device: (deviceId: Uint8Array) => Promise<DeviceRecord | undefined>;
  counters: LoginCounters;
  verifier: Verifier;
}

export interface LoginOptions extends DeviceLoginOptions {
  /** The password of the distribution server's own client: at least 16 random characters. */
  secret: string;
}

/** A login statement with every part at its longest has about 250 bytes. */
export const LOGIN_BYTES_MAX = 512;
const SECRET_CHARS_MIN = 16;

/** The same for a way in that devices alone use. */
export function deviceGate(options: DeviceLoginOptions): Authenticate {
  return async ({ clientId, username, password }) => {
    demand(username === clientId && password !== undefined, 'UNAUTHORIZED', 'a login names its device');
    return deviceLogin(username, password, options);
  };
}

/**
 * Logins: the distribution server by its secret, a device by a signed statement that is good for one connection.
 * The counter is taken last, so that nobody but the device itself can use one up.
 *
 * @returns a function that rejects with UNAUTHORIZED, MALFORMED, TOO_LARGE, WRONG_TYPE, NOT_FOUND, UNKNOWN_KEY,
 * BAD_SIGNATURE, REVOKED, BAD_STATEMENT (another device or broker), BAD_COUNTER, BUSY, BAD_STORE
 */
export function loginGate(options: LoginOptions): Authenticate {
  if (options.secret.length < SECRET_CHARS_MIN) throw new RangeError('the secret of the distribution server is short');
  const secret = digest(Buffer.from(options.secret));
  return async (credentials) => {
    const { clientId, username, password } = credentials;
    demand(username === clientId && password !== undefined, 'UNAUTHORIZED', 'user name and client id must be equal');
    if (username !== DISTRIBUTION) return deviceLogin(username, password, options);
    demand(timingSafeEqual(digest(password), secret), 'UNAUTHORIZED', 'wrong secret');
    return { role: 'distribution' };
  };
}

async function deviceLogin(username: string, password: Uint8Array, options: DeviceLoginOptions): Promise<Principal> {
  const { verifier, counters, brokerId } = options;
  const deviceId = unhex(username);
  const named = deviceId?.length === ID_BYTES && hex(deviceId) === username;
  demand(named, 'UNAUTHORIZED', 'the user name is not a device id in lower-case hex');
  demand(password.length <= LOGIN_BYTES_MAX, 'TOO_LARGE', `the login has ${password.length} bytes`);
  const statement = readStatement(new Uint8Array(password), 'login');
  const login = readLogin(statement.payload);
  demand(equal(login.deviceId, deviceId), 'BAD_STATEMENT', 'the login is of another device');
  demand(login.brokerId === brokerId, 'BAD_STATEMENT', 'the login is for another broker');
  const device = await options.device(deviceId);
  demand(device, 'NOT_FOUND', 'this device is not enrolled');
  const kid = kidOf((bytes) => verifier.sha256(bytes), device.key);
  demand(equal(statement.kid, kid), 'UNKNOWN_KEY', "the login names another key than the device's");
  checkStatement(verifier, statement, device.key);
  demand(!device.revoked, 'REVOKED', 'this device is revoked');
  await counters.take(counterName(deviceId, device.epoch ?? 0), login.counter);
  return { role: 'device', deviceId, classId: device.classId };
}

/**
 * A device that lost its store and was enrolled again begins its counter anew, under another key: what was taken of the
 * former key says nothing of this one. The first epoch counts under the device's own id.
 */
function counterName(deviceId: Uint8Array, epoch: number): Uint8Array {
  if (epoch === 0) return deviceId;
  return new Uint8Array(digest(encode([deviceId, epoch])).subarray(0, ID_BYTES));
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
