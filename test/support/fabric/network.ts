/** A small Fabric of two organisations: true chaincode services as processes, true sockets, true protobufs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CERT, KEY } from '../../broker/delivery-certificate.ts';
import { freePort } from '../ports.ts';
import { repository } from '../repository.ts';
import { Channel } from './channel.ts';
import { Endorser } from './endorser.ts';
import { type GatewayServer, gatewayServer } from './gateway-server.ts';

export const ORGANISATIONS = ['VendorMSP', 'AuditorMSP'] as const;
const SERVICE = join(repository, 'broker/dist/ledger/fabric/chaincode/service.js');

export interface FabricNetwork {
  gateway: GatewayServer;
  /** A channel, made when it is first asked for. */
  channel(name: string): Channel;
  /** Writes a connection profile. @returns its path */
  profile(channel: string, change?: object): Promise<string>;
  close(): Promise<void>;
}

/** @param service the chaincode's program, for a test of the packed one */
export async function fabricNetwork(service = SERVICE): Promise<FabricNetwork> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-fabric-'));
  const processes = await Promise.all(ORGANISATIONS.map((mspId) => chaincodeProcess(mspId, service)));
  const organisations = processes.map(({ address }, i) => {
    return { mspId: ORGANISATIONS[i]!, endorser: new Endorser(address) };
  });
  await Promise.all(organisations.map(({ endorser }) => endorser.ready));
  const channels = new Map<string, Channel>();
  const gateway = await gatewayServer((name) => channels.get(name), organisations, { key: KEY, cert: CERT });
  await writeFile(join(folder, 'cert.pem'), CERT);
  await writeFile(join(folder, 'key.pem'), KEY);
  let profiles = 0;
  const channel = (name: string) => {
    const found = channels.get(name) ?? new Channel(ORGANISATIONS);
    channels.set(name, found);
    return found;
  };
  return {
    gateway,
    channel,
    async profile(name, change = {}) {
      channel(name);
      const path = join(folder, `profile-${profiles++}.json`);
      const fields = {
        ...{ peer: gateway.address, tlsRoots: 'cert.pem', mspId: ORGANISATIONS[0] },
        ...{ certificate: 'cert.pem', privateKey: 'key.pem', channel: name, endorsers: ORGANISATIONS },
        ...change,
      };
      await writeFile(path, JSON.stringify(fields));
      return path;
    },
    async close() {
      for (const { endorser } of organisations) endorser.close();
      await gateway.close();
      await Promise.all(processes.map(({ child }) => ended(child)));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function chaincodeProcess(mspId: string, service: string): Promise<{ child: ChildProcess; address: string }> {
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(process.execPath, [service], {
    env: {
      ...process.env,
      CHAINCODE_SERVER_ADDRESS: address,
      CHAINCODE_ID: `countersign:${mspId}`,
      CORE_CHAINCODE_LOGGING_LEVEL: 'CRITICAL',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr!.on('data', (data) => {
    said += data;
  });
  const died = once(child, 'exit').then(() => {
    throw new Error(`the chaincode ended: ${said}`);
  });
  await Promise.race([once(child.stdout!, 'data'), died]);
  died.catch(() => undefined);
  return { child, address };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exit = once(child, 'exit');
  child.kill();
  await exit;
}
