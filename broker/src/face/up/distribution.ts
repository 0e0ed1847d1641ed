import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Code, codeOf, demand, type Verifier } from '@countersign/device-sdk';
import { decodeSign1, HEADER_TYP, hex, readTransaction, typOf, unhex } from '@countersign/device-sdk/format';
import type { TlsOptions } from '@countersign/device-sdk/host/mqtt';
import { createDelivery, type Delivery } from '../../distribution/delivery/broker.ts';
import { connectDelivery, type DeliveryCredentials } from '../../distribution/delivery/client.ts';
import { openLoginCounters } from '../../distribution/delivery/counters.ts';
import { Door } from '../../distribution/delivery/door.ts';
import {
  type DeviceLoginOptions,
  type DeviceRecord,
  deviceGate,
  loginGate,
} from '../../distribution/delivery/login.ts';
import { enrolmentDesk } from '../../distribution/enrolment/desk.ts';
import { type Log, systemClock } from '../../distribution/ports.ts';
import { createDistribution, type Distribution } from '../../distribution/server.ts';
import type { KeyRing } from '../../keys/ring.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { readRevoke } from '../../ledger/contract/args.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';
import type { BlobSource } from '../../store/blobs.ts';
import { makeFolder } from '../../store/durable.ts';
import type { ShownRoute } from '../access/guard.ts';
import { closeApi } from '../api/app.ts';
import { authorityKeys, type EnrolAuthority } from '../api/client-certificate.ts';
import { createDeviceApi, type DeviceApiOptions } from '../api/device-api.ts';
import type { DeviceKnowledge } from '../api/device-json.ts';
import { distributionFigures } from '../metrics/distribution-figures.ts';
import type { FigureSource } from '../metrics/figures.ts';
import { rolloutFigures } from '../metrics/ledger-figures.ts';
import { countRefusal, type RefusalCounts, refusalFigures } from '../metrics/server-figures.ts';
import { serverFolder } from './folders.ts';
import { adoptKeys } from './new-keys.ts';
import { type Closers, checkHost, lastPort, listen, type StartOptions } from './parts.ts';
import { text } from './text.ts';

export interface DistributionPart {
  distribution: Distribution;
  /** Where devices connect. */
  mqtt: string;
  brokerId: string;
  /** The embedded broker, unless another is used. */
  delivery: Delivery | undefined;
  /** Where devices without MQTT ask, if anywhere. */
  devices: string | undefined;
  deviceRoutes: readonly ShownRoute[] | undefined;
  figures: FigureSource[];
}

export interface MqttLogin {
  username?: string | undefined;
  password?: string | undefined;
  tls?: TlsOptions | undefined;
}

export interface DistributionPartOptions extends Pick<StartOptions, 'data' | 'host' | 'tls' | 'allowPlain'> {
  mqttPort?: number | undefined;
  /** Another broker of MQTT 3.1.1 instead of the embedded one. */
  mqttUrl?: string | undefined;
  /** User name and password at that broker, and what TLS needs there. */
  mqttLogin?: MqttLogin | undefined;
  /** Devices may also come by HTTP, on this port; where not given, on the one that this folder had last, else not. */
  devicePort?: number | undefined;
  /** In PEM: such devices need a certificate of this authority besides. */
  deviceCa?: string | undefined;
  /** Certificates with which devices may enrol themselves. */
  enrol?: EnrolAuthority | undefined;
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
  const { verifier, ledger, blobs, trustRoot, log } = o;
  const counters = await openLoginCounters(join(dir, 'login-counters'));
  closers.add(() => counters.close());
  const revoked = new Set<string>();
  const device = (id: Uint8Array) => deviceRecord(ledger, id, revoked);
  const logins: DeviceLoginOptions = { brokerId, device, counters, verifier };
  const embedded = o.mqttUrl === undefined ? await openBroker(o, logins, closers) : undefined;
  const mqtt = embedded?.broker.url ?? o.mqttUrl!;
  const port = await connectDelivery(mqtt, credentialsOf(o, embedded?.secret), {
    onTrouble: (error) => log.warn(text(error), 'the connection to the MQTT broker failed'),
  });
  closers.add(() => port.close());
  const devicePort = o.devicePort ?? (await lastPort(o.data, 'devices'));
  const door = devicePort === undefined ? undefined : new Door({ mqtt: port, authenticate: deviceGate(logins) });
  await endRevoked(ledger, [embedded?.broker, door], revoked, log, closers);
  const distribution = await createDistribution({
    ...{ ledger, blobs, delivery: door ?? port, verifier, trustRoot, dir, brokerId, log },
    adopted: (root) => adoptKeys(o.ring, root, log),
    signers: { distribution: o.ring.signer('distribution'), command: o.ring.signer('command') },
  });
  closers.add(() => distribution.close());
  const { lists, registry } = distribution;
  const named = async (deviceId: Uint8Array, serial: string) => {
    // What an operator called it since then stays.
    if (registry.get(deviceId)?.name !== undefined) return;
    const labels = registry.get(deviceId)?.labels ?? {};
    await registry.put([{ deviceId: hex(deviceId), labels, name: serial }]);
  };
  const desk = enrolmentDesk({
    ledger,
    verifier,
    clock: systemClock,
    lists,
    named,
    authorities: authorityKeys(o.enrol),
  });
  const refusals: RefusalCounts = {};
  const refused = (code: Code) => countRefusal(refusals, code);
  const parts = door && { door, desk, payload: distribution.payload, refused };
  const api = parts && (await openDeviceApi(o, devicePort!, parts, closers));
  const figures = [
    distributionFigures({ distribution, delivery: embedded?.broker, door }),
    ...(door ? [refusalFigures('devices', refusals)] : []),
    rolloutFigures(ledger),
  ];
  const { url: devices, routes: deviceRoutes } = api ?? {};
  return { distribution, mqtt, brokerId, delivery: embedded?.broker, devices, deviceRoutes, figures };
}

async function openDeviceApi(
  { host = '127.0.0.1', tls, allowPlain, deviceCa, enrol, log }: DistributionPartOptions,
  port: number,
  parts: Pick<DeviceApiOptions, 'door' | 'desk' | 'payload' | 'refused'>,
  closers: Closers,
): Promise<{ url: string; routes: readonly ShownRoute[] }> {
  checkHost(host, { tls, allowPlain });
  demand(tls || deviceCa === undefined, 'BAD_REQUEST', 'device certificates need --tls-cert and --tls-key');
  demand(tls || enrol === undefined, 'BAD_REQUEST', 'enrolment by certificate needs --tls-cert and --tls-key');
  // Their certificates have names of different kinds: an id there, a serial here.
  demand(!enrol || deviceCa === undefined, 'BAD_REQUEST', '--device-ca and --enrol-ca are for two servers');
  const app = createDeviceApi({ ...parts, tls, deviceCa, enrol, log });
  closers.add(() => closeApi(app));
  // A poll under way would hold the stop for its half minute.
  closers.add(() => parts.door.endAll());
  return { url: await listen(app, host, port, tls !== undefined), routes: app.shownRoutes };
}

/** What this server knows of devices beside the ledger, for answers about devices. */
export function knowledgeOf({ distribution }: DistributionPart): DeviceKnowledge {
  return {
    notes: (deviceId) => distribution.registry.get(Uint8Array.from(Buffer.from(deviceId, 'hex'))),
    clone: distribution.clone,
    unanswered: (deviceId, classId) => distribution.unanswered(deviceId, classId),
  };
}

/**
 * Our own broker shows the certificate that this process was given, and knows the secret that it made. The certificate
 * names the server as devices know it and comes from any authority: it is compared, not verified.
 */
function credentialsOf({ tls, mqttLogin }: DistributionPartOptions, secret: string | undefined): DeliveryCredentials {
  if (secret !== undefined) return { password: secret, ...(tls && { pin: tls.cert }) };
  const { username, password, tls: own } = mqttLogin ?? {};
  const known = password !== undefined || own?.cert !== undefined;
  demand(known, 'BAD_REQUEST', 'another MQTT broker needs a password or a certificate for this server');
  return {
    password: password ?? '',
    ...(username !== undefined && { username }),
    ...(own && { tls: own }),
  };
}

async function openBroker(o: DistributionPartOptions, logins: DeviceLoginOptions, closers: Closers) {
  // Known to this process alone, and another one at every start.
  const secret = randomBytes(32).toString('base64url');
  const port = o.mqttPort ?? (await lastPort(o.data, 'mqtt'));
  const broker = await createDelivery({
    ...(o.host !== undefined && { host: o.host }),
    ...(port !== undefined && { port }),
    ...(o.tls && { tls: o.tls }),
    ...(o.allowPlain && { allowPlain: true }),
    brokerId: logins.brokerId,
    authenticate: loginGate({ ...logins, secret }),
    onError: (error) => o.log.error(text(error), 'a fault inside the MQTT broker'),
  });
  closers.add(() => broker.close());
  return { broker, secret };
}

/** @param revoked heard of already: a peer that is asked in place of the ledger may be behind it */
async function deviceRecord(
  ledger: LedgerClient,
  id: Uint8Array,
  revoked: ReadonlySet<string>,
): Promise<DeviceRecord | undefined> {
  try {
    const view = (await ledger.evaluate('getDevice', hex(id))) as DeviceView;
    return {
      key: { alg: view.alg, bytes: unhex(view.publicKey)! },
      classId: unhex(view.classId)!,
      revoked: view.state === 'revoked' || revoked.has(hex(id)),
      epoch: view.epoch,
    };
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return undefined;
    throw error;
  }
}

/** A login is checked once; a device that is revoked afterwards loses its connection too. */
async function endRevoked(
  ledger: LedgerClient,
  ways: readonly (Pick<Delivery, 'disconnect'> | Pick<Door, 'disconnect'> | undefined)[],
  revoked: Set<string>,
  log: Log,
  closers: Closers,
): Promise<void> {
  const following = ledger.follow(
    await sizeNow(ledger),
    ({ bytes }) => {
      const id = revokedDevice(bytes);
      if (!id) return;
      // First: whoever logs in from here on is refused, and whoever is in is put out.
      revoked.add(hex(id));
      for (const way of ways) way?.disconnect(id);
    },
    (error) => log.error(text(error), 'revoked devices keep their connections until this server starts anew'),
  );
  closers.add(() => following.stop());
}

/** Where no head has its quorum yet, nobody has connected either: the first entries are soon read. */
async function sizeNow(ledger: LedgerClient): Promise<number> {
  try {
    return (await ledger.head()).head.size;
  } catch (error) {
    if (codeOf(error) === 'NO_QUORUM') return 0;
    throw error;
  }
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
