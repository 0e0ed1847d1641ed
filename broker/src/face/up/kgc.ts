/** A key generation centre as a process of its own: whoever also ran a signer would be both halves of its key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { ALG_ESP256 } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createKey, loadPair } from '@countersign/device-sdk/host/key-file';
import { type Centre, openCentre } from '../../keys/kgc/centre.ts';
import { kgcRoutes } from '../api/kgc-routes.ts';
import { KEY_HOLDERS, keysFolder } from './folders.ts';
import { lockFolder, type Running, type StartOptions, serve, started } from './parts.ts';

export interface RunningKgc extends Running {
  readonly centre: Centre;
}

export function identitiesFolder(data: string): string {
  return join(data, 'kgc', 'identities');
}

export function kgcKeyPath(data: string): string {
  return join(data, 'kgc', 'keys', 'kgc.key');
}

/** @throws Refusal BAD_REQUEST in a folder of another server; LOCKED, BAD_STORE */
export async function startKgc(options: StartOptions): Promise<RunningKgc> {
  return started(async (closers) => {
    const { data, passphrase, verifier = nodeVerifier() } = options;
    demandApart(data);
    await lockFolder(data, closers);
    const path = kgcKeyPath(data);
    if (!existsSync(path)) await createKey(path, 'kgc', { alg: ALG_ESP256, passphrase });
    const pair = await loadPair(path, 'kgc', passphrase);
    const centre = openCentre({ folder: identitiesFolder(data), pair, sha256: verifier.sha256 });
    const routes = [kgcRoutes(centre, verifier.sha256)];
    const endpoints = () => ({
      ...{ servers: ['kgc'], origin: '', ledger: null, collection: null },
      ...{ distribution: null, mqtt: null, devices: null, brokerId: null },
    });
    const running = await serve(options, { server: 'kgc', routes, figures: [], endpoints }, closers);
    return Object.assign(running, { centre });
  });
}

/** @throws Refusal BAD_REQUEST where another server's, a peer's or the root's keys lie */
export function demandApart(data: string): void {
  for (const holder of [...KEY_HOLDERS, 'root'] as const) {
    const apart = !existsSync(keysFolder(data, holder));
    demand(apart, 'BAD_REQUEST', `${data} is the folder of a ${holder} key: a key generation centre has its own`);
  }
}
