/** A key generation centre as a process of its own: whoever also ran a signer would be both halves of its key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { ALG_ESP256 } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { createKey, loadPair } from '@countersign/device-sdk/host/key-file';
import { silentLog } from '../../distribution/ports.ts';
import { type Centre, openCentre } from '../../keys/kgc/centre.ts';
import type { ShownRoute } from '../access/guard.ts';
import { closeApi, createApi } from '../api/app.ts';
import { kgcRoutes } from '../api/kgc-routes.ts';
import { KEY_HOLDERS, keysFolder } from './folders.ts';
import { checkHost, listen, lockFolder, type StartOptions, started } from './parts.ts';

export interface RunningKgc {
  readonly url: string;
  readonly centre: Centre;
  /** What its API answers. */
  readonly routes: readonly ShownRoute[];
  close(): Promise<void>;
}

export type KgcOptions = Pick<
  StartOptions,
  'data' | 'host' | 'port' | 'tls' | 'allowPlain' | 'passphrase' | 'verifier' | 'log'
>;

export function identitiesFolder(data: string): string {
  return join(data, 'kgc', 'identities');
}

export function kgcKeyPath(data: string): string {
  return join(data, 'kgc', 'keys', 'kgc.key');
}

/** @throws Refusal BAD_REQUEST in a folder of another server; LOCKED, BAD_STORE */
export async function startKgc(options: KgcOptions): Promise<RunningKgc> {
  return started(async (closers) => {
    const { data, passphrase, host = '127.0.0.1', tls, log = silentLog, verifier = nodeVerifier() } = options;
    demandApart(data);
    await lockFolder(data, closers);
    const path = kgcKeyPath(data);
    if (!existsSync(path)) await createKey(path, 'kgc', { alg: ALG_ESP256, passphrase });
    const pair = await loadPair(path, 'kgc', passphrase);
    const centre = openCentre({ folder: identitiesFolder(data), pair, sha256: verifier.sha256 });
    checkHost(host, options);
    // Every identity has a token of its own, once: no token of an API opens anything here.
    const app = createApi({ server: 'kgc', gate: { accepts: () => false }, log, tls });
    closers.add(() => closeApi(app));
    await app.register(kgcRoutes(centre, verifier.sha256));
    const url = await listen(app, host, options.port ?? 0, tls !== undefined);
    return { url, centre, routes: app.shownRoutes, close: () => closers.close() };
  });
}

/** @throws Refusal BAD_REQUEST where another server's, a peer's or the root's keys lie */
export function demandApart(data: string): void {
  for (const holder of KEY_HOLDERS) {
    const apart = !existsSync(keysFolder(data, holder));
    demand(apart, 'BAD_REQUEST', `${data} is the folder of a ${holder} key: a key generation centre has its own`);
  }
}
