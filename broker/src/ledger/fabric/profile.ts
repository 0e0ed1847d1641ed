/** The connection profile: how this organisation reaches its own peer, and whose endorsement an entry needs. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Refusal } from '@countersign/device-sdk';

export interface FabricProfile {
  /** host:port of this organisation's peer, whose gateway service is used. */
  peer: string;
  /** Name in the peer's certificate where it is not the host, or undefined. */
  peerName: string | undefined;
  /** PEM of the authority of the peer's TLS certificate. */
  tlsRoots: Buffer;
  /** PEM of this client's own TLS certificate and key, for peers that demand them. */
  tlsClient: { certificate: Buffer; key: Buffer } | undefined;
  mspId: string;
  /** PEM of the client's certificate and its private key in this organisation. */
  certificate: Buffer;
  privateKey: Buffer;
  channel: string;
  chaincode: string;
  /** Which of the chaincode's ledgers, where a channel has several. */
  ledger: string;
  /** MSP ids that must endorse every entry; undefined leaves it to the chaincode's endorsement policy. */
  endorsers: string[] | undefined;
  timeoutsMs: Timeouts;
}

export interface Timeouts {
  /** Chaincode of every endorser, and Fabric's own limit of 30 s beside it. */
  endorse: number;
  /** To the orderer. */
  submit: number;
  /** Until the block with the entry stands on this organisation's peer: batch time and ordering. */
  commit: number;
  evaluate: number;
}

/** As Fabric's own samples set them. */
export const TIMEOUTS_MS: Timeouts = { endorse: 15_000, submit: 5_000, commit: 60_000, evaluate: 5_000 };
const TIMEOUT_MS_MAX = 600_000;
/** One organisation alone would be no ledger of several. */
const ENDORSERS_MIN = 2;

const FIELDS = new Set([
  ...['peer', 'peerName', 'tlsRoots', 'tlsCertificate', 'tlsKey', 'mspId', 'certificate', 'privateKey'],
  ...['channel', 'chaincode', 'ledger', 'endorsers', 'timeoutsMs'],
]);

/** Paths in it are relative to its own folder. @throws Refusal BAD_REQUEST with the field that is wrong */
export async function readProfile(path: string): Promise<FabricProfile> {
  const fields = await readFields(path);
  for (const name of Object.keys(fields)) if (!FIELDS.has(name)) throw bad(path, `has an unknown field ${name}`);
  const text = (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string' || value === '') throw bad(path, `needs ${name}, a text`);
    return value;
  };
  const optional = (name: string) => (fields[name] === undefined ? undefined : text(name));
  const file = async (name: string): Promise<Buffer> => {
    const at = resolve(dirname(path), text(name));
    return readFile(at).catch((cause) => {
      throw bad(path, `names ${at} as ${name}, which cannot be read`, cause);
    });
  };
  const own = fields.tlsCertificate !== undefined || fields.tlsKey !== undefined;
  const peer = text('peer');
  if (!/^[^\s/:]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i.test(peer)) throw bad(path, 'needs peer as host:port');
  return {
    peer,
    peerName: optional('peerName'),
    tlsRoots: await file('tlsRoots'),
    tlsClient: own ? { certificate: await file('tlsCertificate'), key: await file('tlsKey') } : undefined,
    mspId: text('mspId'),
    certificate: await file('certificate'),
    privateKey: await file('privateKey'),
    channel: text('channel'),
    chaincode: optional('chaincode') ?? 'countersign',
    ledger: optional('ledger') ?? 'main',
    endorsers: readEndorsers(path, fields.endorsers),
    timeoutsMs: readTimeouts(path, fields.timeoutsMs),
  };
}

async function readFields(path: string): Promise<Record<string, unknown>> {
  let fields: unknown;
  try {
    fields = JSON.parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw bad(path, 'cannot be read as JSON', cause);
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) throw bad(path, 'is no JSON object');
  return fields as Record<string, unknown>;
}

function readEndorsers(path: string, value: unknown): string[] | undefined {
  if (value === undefined) return undefined;
  const list = Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== '') ? value : undefined;
  if (!list || new Set(list).size !== list.length || list.length < ENDORSERS_MIN)
    throw bad(path, `needs endorsers as at least ${ENDORSERS_MIN} different MSP ids, or none of them at all`);
  return list;
}

function readTimeouts(path: string, value: unknown = {}): Timeouts {
  const given: [string, unknown][] =
    typeof value === 'object' && value !== null ? Object.entries(value) : [['timeoutsMs', value]];
  for (const [name, ms] of given) {
    const valid =
      name in TIMEOUTS_MS && Number.isSafeInteger(ms) && (ms as number) > 0 && (ms as number) <= TIMEOUT_MS_MAX;
    if (!valid) throw bad(path, `has a wrong time ${name}: 1 to ${TIMEOUT_MS_MAX} ms of ${Object.keys(TIMEOUTS_MS)}`);
  }
  return { ...TIMEOUTS_MS, ...(value as Partial<Timeouts>) };
}

function bad(path: string, why: string, cause?: unknown): Refusal {
  return new Refusal('BAD_REQUEST', `the Fabric profile ${path} ${why}`, { cause });
}
