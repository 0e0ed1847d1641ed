import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import type { EnrolAuthority } from '../api/client-certificate.ts';
import type { MqttLogin } from '../up/distribution.ts';
import type { ServerName } from '../up/folders.ts';
import { bringBack } from '../up/from-peer.ts';
import { type FirstPerson, readFirstPerson, readServerKeysFile } from '../up/identities.ts';
import { readTrustRoot } from '../up/ledger.ts';
import type { Running, StartOptions } from '../up/parts.ts';
import {
  type Other,
  type RunningAll,
  startAll,
  startCollectionServer,
  startDistributionServer,
  startLedgerServer,
} from '../up/start.ts';
import { readInput } from './connect.ts';
import { engineOf } from './engine.ts';
import { followed } from './followed.ts';
import { closeInTime, logTo, pemOf, stopSignal, tlsOf } from './process.ts';
import { note, WrongUse } from './program.ts';
import { readyJson, readyText, warningsOf } from './ready.ts';

export interface UpOptions {
  only?: ServerName;
  data?: string;
  host?: string;
  port?: number;
  mqttPort?: number;
  mqttUrl?: string;
  mqttUser?: string;
  mqttPasswordFile?: string;
  mqttCa?: string;
  mqttCert?: string;
  mqttKey?: string;
  devicePort?: number;
  deviceCa?: string;
  enrolCa?: string;
  enrolCrl?: string;
  enrolDeny?: string;
  tlsCert?: string;
  tlsKey?: string;
  plain?: boolean;
  openGateway?: boolean;
  newToken?: boolean;
  requireTotp?: boolean;
  passphraseFile?: string;
  origin?: string;
  people?: string[];
  personFile?: string[];
  serverKeys?: string[];
  headAge?: number;
  fromPeer?: string[];
  fromPeerTokenFile?: string[];
  head?: string;
  peerKey?: string[];
  witness?: string[];
  quorum?: number;
  samples: boolean;
  trust?: string;
  ledger?: string;
  fabricProfile?: string;
  evmProfile?: string;
  ledgerTokenFile?: string;
  ledgerPeer?: string[];
  ledgerPeerTokenFile?: string[];
  collection?: string;
  collectionTokenFile?: string;
  logLevel: string;
  json?: boolean;
}

/** Starts, says where everything is, waits for a signal, stops. */
export async function runUp(options: UpOptions): Promise<void> {
  const named = options.data ?? process.env.COUNTERSIGN_DATA;
  const data = named ?? (await mkdtemp(join(tmpdir(), 'countersign-')));
  const stopped = stopSignal();
  try {
    const running = await start(options, data);
    const warnings = warningsOf(options);
    for (const warning of warnings) note(`warning: ${warning}`);
    if (options.json) process.stdout.write(`${JSON.stringify(readyJson(running, data, warnings))}\n`);
    else process.stdout.write(`${readyText(running, data, named === undefined)}\n`);
    note(`stopping on ${await stopped}`);
    await closeInTime(() => running.close());
  } finally {
    if (named === undefined) await rm(data, { recursive: true, force: true });
  }
}

async function start(options: UpOptions, data: string): Promise<Running & Partial<RunningAll>> {
  const { only } = options;
  // The others pass codes on. Said there, the option would look like protection, and be none.
  if (options.requireTotp && only !== undefined && only !== 'ledger')
    throw new WrongUse('second factors are checked by the server that holds the ledger: --require-totp belongs there');
  const common = await startOptions(options, data);
  const contents = await comeBack(options, common);
  const mqtt = {
    ...{ mqttPort: options.mqttPort, mqttUrl: options.mqttUrl, mqttLogin: await mqttLogin(options) },
    ...{ devicePort: options.devicePort, deviceCa: await pemOf(options.deviceCa) },
    enrol: await enrolOf(options),
  };
  const engine = only === undefined || only === 'ledger' ? await engineOf({ ...options, data }) : undefined;
  if (only === undefined) {
    return startAll({
      ...common,
      ...mqtt,
      engine,
      ...(await firstStart(options)),
      contents,
      witnesses: options.witness,
      samples: options.samples,
      tell: note,
    });
  }
  if (only === 'ledger') {
    const serverKeys = await Promise.all((options.serverKeys ?? []).map(readServerKeysFile));
    return startLedgerServer({
      ...common,
      engine,
      ...(await firstStart(options)),
      witnesses: options.witness,
      serverKeys,
    });
  }
  const trustRoot = options.trust === undefined ? undefined : await readTrustRoot(options.trust);
  const ledger = await other('ledger', options.ledger, options.ledgerTokenFile);
  const { follow: peers } = await followed({
    follow: options.ledgerPeer ?? [],
    tokenFile: options.ledgerPeerTokenFile,
  });
  if (only === 'collection') return startCollectionServer({ ...common, ledger, peers, trustRoot });
  const collection = await other('collection', options.collection, options.collectionTokenFile);
  return startDistributionServer({ ...common, ...mqtt, ledger, peers, collection, trustRoot });
}

/** @returns where the content of releases can be had again */
async function comeBack(o: UpOptions, { data, passphrase }: StartOptions): Promise<Other[] | undefined> {
  if (o.fromPeer === undefined) return undefined;
  if (o.only !== undefined && o.only !== 'ledger') throw new WrongUse('--from-peer brings back a ledger');
  const { follow: peers } = await followed({ follow: o.fromPeer, tokenFile: o.fromPeerTokenFile });
  const head = o.head === undefined ? undefined : await readInput(o.head);
  const trustRoot = o.trust === undefined ? undefined : await readTrustRoot(o.trust);
  await bringBack({ data, peers, head, trustRoot, passphrase, verifier: nodeVerifier(), tell: note });
  return peers;
}

async function startOptions(o: UpOptions, data: string): Promise<StartOptions> {
  return {
    data,
    host: o.host,
    port: o.port,
    tls: await tlsOf(o),
    allowPlain: o.plain,
    openGateway: o.openGateway,
    newToken: o.newToken,
    demandFactor: o.requireTotp,
    passphrase: await findPassphrase({ file: o.passphraseFile }),
    log: logTo(o.logLevel),
  };
}

async function firstStart(o: UpOptions) {
  const enrolments = await Promise.all((o.personFile ?? []).map(readInput));
  const peers = await Promise.all((o.peerKey ?? []).map(readServerKeysFile));
  return { origin: o.origin, people: peopleOf(o), enrolments, headAgeMax: o.headAge, peers, quorum: o.quorum };
}

function peopleOf({ people }: UpOptions): FirstPerson[] | undefined {
  try {
    return people?.map(readFirstPerson);
  } catch (error) {
    throw error instanceof Refusal ? new WrongUse(error.message) : error;
  }
}

async function mqttLogin(o: UpOptions): Promise<MqttLogin | undefined> {
  const { mqttUser: username, mqttPasswordFile: file } = o;
  if (username !== undefined && file === undefined && o.mqttCert === undefined)
    throw new WrongUse('--mqtt-user needs --mqtt-password-file or --mqtt-cert');
  if ((o.mqttCert === undefined) !== (o.mqttKey === undefined))
    throw new WrongUse('--mqtt-cert and --mqtt-key go together');
  const password = file === undefined ? undefined : (await readFile(file, 'utf8')).trim();
  const [ca, cert, key] = await Promise.all([o.mqttCa, o.mqttCert, o.mqttKey].map(pemOf));
  return { username, password, tls: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } };
}

async function enrolOf(o: UpOptions): Promise<EnrolAuthority | undefined> {
  const ca = await pemOf(o.enrolCa);
  if (ca !== undefined) {
    return { ca, crl: await pemOf(o.enrolCrl), crlFile: o.enrolCrl, denyFile: o.enrolDeny };
  }
  if (o.enrolCrl !== undefined || o.enrolDeny !== undefined)
    throw new WrongUse('--enrol-crl and --enrol-deny need --enrol-ca');
  return undefined;
}

/** Tokens come from files: arguments can be read by every user of a machine. */
async function other(name: string, url: string | undefined, tokenFile: string | undefined): Promise<Other> {
  if (url === undefined || tokenFile === undefined)
    throw new WrongUse(`--${name} URL and --${name}-token-file FILE are needed`);
  return { url, token: new TextDecoder().decode(await readInput(tokenFile)).trim() };
}
