/** A whole site: a true server, one gateway, and children behind it, over real sockets in this process. */
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { getRollout } from '@countersign/broker/face/client/rollouts';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { type RunningAll, startAll } from '@countersign/broker/face/up/start';
import { encodeProvision, publicKeyOf, readProvision } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { openLink } from '@countersign/device-sdk/host/gateway';
import { Relay, type RelayOptions } from '@countersign/device-sdk/host/relay/relay';
import { fetchFactory } from '@countersign/simulator/scenario/factory';
import { firstPeople, open, type People, release } from '@countersign/simulator/scenario/people';
import type { ExecutionContext } from 'ava';
import { Child } from './child.ts';
import { temporary } from './command.ts';
import { freePort } from './ports.ts';

export const PRODUCT = 'sensor-node';

export interface Site {
  folder: string;
  session: Session;
  people: People;
  children: Child[];
  relay: Relay;
  /** Starts the gateway again, on its folder and port. */
  again(options?: Partial<RelayOptions>): Promise<void>;
  serverGoes(): Promise<void>;
  serverComes(): Promise<void>;
  /** Publishes, approves and opens a rollout to everyone. @returns its id */
  roll(version: string): Promise<string>;
  /** Devices that the ledger says have it. */
  updated(rolloutId: string): Promise<number>;
}

/**
 * @param ways how the gateway reaches the server, in order of preference
 * @param prepare what is done to the server's folder before its first start
 */
export async function site(
  t: ExecutionContext,
  count: number,
  ways: readonly ('mqtt' | 'devices')[] = ['mqtt', 'devices'],
  prepare: (data: string) => Promise<void> = async () => undefined,
): Promise<Site> {
  const folder = await temporary(t);
  const data = join(folder, 'server');
  await prepare(data);
  // It comes back, and so does the gateway: on ports that nobody is given meanwhile.
  const ports = { port: await freePort(), mqttPort: await freePort(), devicePort: await freePort() };
  let server: RunningAll | undefined = await startAll({ data, ...ports });
  const session = await openSession(apiClient(server.url, server.token));
  const people = await firstPeople(data);
  const links = ways.map((way) => ({
    ...{ url: session.endpoints[way]!, ca: undefined, cert: undefined, key: undefined },
  }));
  let listen = `tcp://127.0.0.1:${await freePort()}`;
  const makeRelay = (options: Partial<RelayOptions> = {}) =>
    new Relay({
      ...{ folder: join(folder, 'gateway'), listen, verifier: nodeVerifier() },
      link: (identity, trouble) =>
        openLink({ links }, identity, { trouble: (_way, error) => trouble(error), change: () => undefined })!,
      ...options,
    });
  const s: Site = {
    ...{ folder, session, people, children: [], relay: makeRelay() },
    async again(options) {
      await s.relay.close();
      s.relay = makeRelay(options);
      await s.relay.listen();
    },
    async serverGoes() {
      await server?.close();
      server = undefined;
    },
    async serverComes() {
      server = await startAll({ data });
    },
    async roll(version) {
      const { releaseLeaf } = await release(session, s.people, PRODUCT, version);
      return (await open(session, s.people, releaseLeaf, { jitterSeconds: 0 })).rolloutId;
    },
    updated: async (rolloutId) => (await getRollout(session, rolloutId)).totals.updated,
  };
  listen = await s.relay.listen();
  t.teardown(async () => {
    await Promise.all(s.children.map((child) => child.stop()));
    await s.relay.close();
    await server?.close();
  });
  await enrolChildren(s, count, listen);
  return s;
}

async function enrolChildren(s: Site, count: number, url: string): Promise<void> {
  const factory = await fetchFactory(s.session, PRODUCT, '1.0.0');
  const provision = readProvision(factory.record);
  const { memoryClass, slotBytes, image } = factory;
  for (let number = 1; number <= count; number++) {
    const record = encodeProvision({ ...provision, deviceId: new Uint8Array(16).fill(number) });
    const board = { eraseBytes: 4096, slotBytes, storeBytes: 65_536 };
    const ports = { memoryClass, workspace: new Uint8Array(16_384), askSeconds: 5 };
    s.children.push(new Child({ url, number, record, image, board, ports }));
  }
  const devices = s.children.map(({ deviceId, keys }) => ({ id: deviceId, key: publicKeyOf(keys) }));
  await enrolDevices(s.session, s.people.operator, PRODUCT, devices);
}
