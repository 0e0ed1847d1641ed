import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { codeOf, demand, type Verifier } from '@countersign/device-sdk';
import { decodeSign1, HEADER_TYP, readTransaction, typOf, unhex } from '@countersign/device-sdk/format';
import { createDelivery, type Delivery } from '../../distribution/delivery/broker.ts';
import { connectDelivery, type DeliveryCredentials } from '../../distribution/delivery/client.ts';
import { openLoginCounters } from '../../distribution/delivery/counters.ts';
import { type DeviceRecord, loginGate } from '../../distribution/delivery/login.ts';
import type { Log } from '../../distribution/ports.ts';
import { createDistribution, type Distribution } from '../../distribution/server.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { readRevoke } from '../../ledger/contract/args.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';
import type { BlobSource } from '../../store/blobs.ts';
import { makeFolder } from '../../store/durable.ts';
import { serverFolder } from './folders.ts';
import { type Closers, lastPort, type StartOptions } from './parts.ts';
import { text } from './text.ts';

export interface DistributionPart {
  distribution: Distribution;
  /** Where devices connect. */
  mqtt: string;
  brokerId: string;
  /** The embedded broker, unless another is used. */
  delivery: Delivery | undefined;
}

export interface DistributionPartOptions extends Pick<StartOptions, 'data' | 'host' | 'tls' | 'allowPlain'> {
  mqttPort?: number | undefined;
  /** Another broker of MQTT 3.1.1 instead of the embedded one. */
  mqttUrl?: string | undefined;
  /** User name and password at that broker. */
  mqttLogin?: { username: string; password: string } | undefined;
  ring: KeyRing;
  ledger: LedgerClient;
  blobs: BlobSource;
  trustRoot: Uint8Array;
  /** The ledger's origin: it is what devices name in their login. */
  origin: string;
  verifier: Verifier;
  log: Log;
}

/** The distribution server with its MQTT broker, its keys and its folder. */
export async function openDistributionPart(o: DistributionPartOptions, closers: Closers): Promise<DistributionPart> {
  const dir = serverFolder(o.data, 'distribution');
  await makeFolder(dir, 0o700);
  const brokerId = o.origin;
  const delivery = o.mqttUrl === undefined ? await openBroker(o, dir, brokerId, closers) : undefined;
  const mqtt = delivery?.broker.url ?? o.mqttUrl!;
  const port = await connectDelivery(mqtt, credentialsOf(o, delivery?.secret), {
    onTrouble: (error) => o.log.warn(text(error), 'the connection to the MQTT broker failed'),
  });
  closers.add(() => port.close());
  const signers = { distribution: o.ring.signer('distribution'), command: o.ring.signer('command') };
  const { ledger, blobs, verifier, trustRoot, log } = o;
  const distribution = await createDistribution({
    ledger,
    blobs,
    delivery: port,
    signers,
    verifier,
    trustRoot,
    dir,
    brokerId,
    log,
  });
  closers.add(() => distribution.close());
  return { distribution, mqtt, brokerId, delivery: delivery?.broker };
}

/** What operators noted about a device, for answers about devices. */
export function notesOf({ distribution }: DistributionPart) {
  return (deviceId: string) => distribution.registry.get(Uint8Array.from(Buffer.from(deviceId, 'hex')));
}

/** Our own broker shows the certificate that this process was given, and knows the secret that it made. */
function credentialsOf({ tls, mqttLogin }: DistributionPartOptions, secret: string | undefined): DeliveryCredentials {
  if (secret === undefined) {
    demand(mqttLogin, 'BAD_REQUEST', 'another MQTT broker needs a user name and a password for this server');
    return mqttLogin;
  }
  return { password: secret, ...(tls && { tls: { ca: tls.cert } }) };
}

async function openBroker(o: DistributionPartOptions, dir: string, brokerId: string, closers: Closers) {
  const counters = await openLoginCounters(join(dir, 'login-counters'));
  closers.add(() => counters.close());
  // Known to this process alone, and another one at every start.
  const secret = randomBytes(32).toString('base64url');
  const { verifier, ledger, log } = o;
  const device = (id: Uint8Array) => deviceRecord(ledger, id);
  const port = o.mqttPort ?? (await lastPort(o.data, 'mqtt'));
  const broker = await createDelivery({
    ...(o.host !== undefined && { host: o.host }),
    ...(port !== undefined && { port }),
    ...(o.tls && { tls: o.tls }),
    ...(o.allowPlain && { allowPlain: true }),
    brokerId,
    authenticate: loginGate({ brokerId, secret, device, counters, verifier }),
    onError: (error) => log.error(text(error), 'a fault inside the MQTT broker'),
  });
  closers.add(() => broker.close());
  await endRevoked(ledger, broker, log, closers);
  return { broker, secret };
}

async function deviceRecord(ledger: LedgerClient, id: Uint8Array): Promise<DeviceRecord | undefined> {
  try {
    const view = (await ledger.evaluate('getDevice', Buffer.from(id).toString('hex'))) as DeviceView;
    return {
      key: { alg: view.alg, bytes: unhex(view.publicKey)! },
      classId: unhex(view.classId)!,
      revoked: view.state === 'revoked',
    };
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/** A login is checked once; a device that is revoked afterwards loses its connection too. */
async function endRevoked(ledger: LedgerClient, broker: Delivery, log: Log, closers: Closers): Promise<void> {
  const { head } = await ledger.head();
  const following = ledger.follow(
    head.size,
    ({ bytes }) => {
      const id = revokedDevice(bytes);
      if (id) broker.disconnect(id);
    },
    (error) => log.error(text(error), 'revoked devices keep their connections until this server starts anew'),
  );
  closers.add(() => following.stop());
}

function revokedDevice(entry: Uint8Array): Uint8Array | undefined {
  try {
    // Most entries are reports, and an exception costs more than reading one: what is no transaction is left here.
    const { protected: header, payload } = decodeSign1(entry);
    if (header.get(HEADER_TYP) !== typOf('tx') || payload === null) return undefined;
    const { action, args } = readTransaction(payload);
    if (action !== 'revoke') return undefined;
    const { kind, id } = readRevoke(args);
    return kind === 'device' ? id : undefined;
  } catch {
    return undefined; // a trust root
  }
}
