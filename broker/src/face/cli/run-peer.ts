import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import type { Log } from '../../distribution/ports.ts';
import { trustRootPath } from '../up/folders.ts';
import { readTrustRoot } from '../up/ledger.ts';
import { type RunningPeer, startPeer } from '../up/peer.ts';
import type { Other } from '../up/start.ts';
import { nextCommand } from './connect.ts';
import { orderOf } from './engine.ts';
import { followed, tokenIn } from './followed.ts';
import { closeInTime, logTo, stopSignal, type TlsFiles, tlsOf } from './process.ts';
import { note, WrongUse } from './program.ts';
import { printable } from './table.ts';

export interface PeerOptions extends TlsFiles {
  follow: string[];
  tokenFile?: string[];
  data?: string;
  trust?: string;
  ledger?: string;
  fabricProfile?: string;
  evmProfile?: string;
  contents?: string;
  contentsTokenFile?: string;
  host?: string;
  port?: number;
  plain?: boolean;
  newToken?: boolean;
  passphraseFile?: string;
  logLevel: string;
  json?: boolean;
}

/** Starts, says where everything is, waits for a signal. A peer that caught its orderer at a lie ends with 1. */
export async function runPeer(options: PeerOptions) {
  const data = options.data ?? process.env.COUNTERSIGN_DATA;
  if (!data) throw new WrongUse('say where the copy is kept: --data DIR');
  const stopped = stopSignal();
  const { follow, trust } = await followed(options);
  const trustFile = options.trust ?? trust;
  const running = await startPeer({
    ...{ data, follow, contents: await contentsOf(options), order: await orderOf(options) },
    ...{ host: options.host, port: options.port, tls: await tlsOf(options), allowPlain: options.plain },
    newToken: options.newToken,
    trustRoot: trustFile === undefined ? undefined : await readTrustRoot(trustFile),
    passphrase: await findPassphrase({ file: options.passphraseFile }),
    log: options.json ? logTo(options.logLevel) : plainLog(options.logLevel),
  });
  if (options.json) process.stdout.write(`${JSON.stringify(readyJson(running, data))}\n`);
  else process.stdout.write(`${readyText(running, data)}\n`);
  note(`stopping on ${await stopped}`);
  const forked = running.peer.evidence.length > 0;
  await closeInTime(() => running.close());
  if (forked) note('FORK: the orderer was caught at a lie; see peer/evidence');
  process.exitCode = forked ? 1 : 0;
  return undefined;
}

async function contentsOf({ contents, contentsTokenFile }: PeerOptions): Promise<Other[] | undefined> {
  if (contents === undefined && contentsTokenFile === undefined) return undefined;
  if (contents === undefined || contentsTokenFile === undefined)
    throw new WrongUse('--contents and --contents-token-file go together');
  return [{ url: contents, token: await tokenIn(contentsTokenFile) }];
}

/** For scripts: one line when everything answers. */
function readyJson({ url, token, tokenIsNew, endpoints, keys, peer }: RunningPeer, data: string) {
  const { origin } = endpoints;
  const fresh = tokenIsNew ? token : null;
  return { ready: true, url, data, pid: process.pid, origin, token: fresh, keys: keys.keys, peer: peer.state() };
}

function readyText({ url, token, tokenIsNew, endpoints, keys, peer }: RunningPeer, data: string): string {
  const { state, entries, blocks, kid, quorum } = peer.state();
  const listed = peer.listed ? '' : '  (not in the trust root: it follows and serves, and is not heard)';
  return [
    `countersign peer is up: ${state}`,
    '',
    `  API      ${url}`,
    `  ledger   ${endpoints.origin}: ${entries} entries in ${blocks} blocks so far`,
    `  follows  ${peer
      .state()
      .sources.map((source) => source.url)
      .join(', ')}`,
    `  folder   ${data}`,
    `  trust    ${trustRootPath(data)}`,
    `  key      ${keys.keys[0]!.publicKey}`,
    `           key id ${kid}${listed}`,
    `  quorum   ${quorum.needed} of ${quorum.peers} peers`,
    ...(tokenIsNew && token ? ['', `  token    ${token}`, '           shown this once'] : []),
    '',
    `try  ${nextCommand({ data }, 'head')}`,
  ].join('\n');
}

/** For people: what happened and when, a line each. */
function plainLog(level: string): Log {
  const most = ['error', 'warn', 'info'].indexOf(level);
  if (most < 0) throw new WrongUse('--log-level is error, warn or info');
  const say = (_fields: object, text: string) => note(`${new Date().toISOString().slice(0, 19)}Z ${printable(text)}`);
  const nothing = () => undefined;
  return { error: say, warn: most >= 1 ? say : nothing, info: most >= 2 ? say : nothing };
}
