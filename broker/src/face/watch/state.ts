/**
 * What a watch keeps between runs: the tree as far as it was verified, what each server has shown, which alarms stand and
 * which are still to be raised. It is stored before an alarm is raised, and again after: a crash between the two
 * raises an alarm twice, never not at all.
 */
import { readFile } from 'node:fs/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, type Sha256, unhex, utf8 } from '@countersign/device-sdk/format';
import { Frontier } from '../../ledger/log/frontier.ts';
import { writeDurable } from '../../store/durable.ts';
import { ALARM_KINDS, type Alarm } from './alarm.ts';
import type { SoughtRoot } from './claims.ts';
import type { SeenUploads } from './expectation.ts';
import type { SeenPoints } from './issued.ts';

const FORMAT = 'countersign-watch-1';
/** 10,000 uploads of 80 bytes, 1,000 points of 200, 100 alarms with their evidence. */
const STATE_BYTES_MAX = 4 * 1024 * 1024;

/** The newest that a server has shown and that held. */
export interface Shown {
  size: number;
  root: string;
  /** Of its signed head, seconds since the epoch. */
  time: number;
}

export interface WatchState {
  /** The signed trust root in force, and whether the first one came from outside. */
  trustRoot: Uint8Array;
  anchored: boolean;
  /** The tree as far as it was verified. */
  tree: Frontier;
  servers: Map<string, Shown>;
  uploads: SeenUploads;
  /** The first point of each identity of a key generation centre. */
  issued: SeenPoints;
  /** What is wrong now and was told. */
  standing: Set<string>;
  /** To be raised. */
  pending: Alarm[];
  /** Seconds since the epoch: from when a server that never answered is stale. */
  since: number;
  /** Servers whose heads lack their quorum, by address: since when, seconds since the epoch. */
  withoutQuorum: Map<string, number>;
  /** What the entries of the tree were held against; undefined where they, or some of them, were not. */
  judgedBy: string | undefined;
  /** The trust root that the watch began with, where it is a later one and was not met in the tree yet. */
  sought: SoughtRoot | undefined;
}

export async function saveState(path: string, s: WatchState): Promise<void> {
  const text = JSON.stringify({
    format: FORMAT,
    trustRoot: hex(s.trustRoot),
    anchored: s.anchored,
    size: s.tree.size,
    edge: s.tree.edge.map(hex),
    servers: Object.fromEntries(s.servers),
    uploads: Object.fromEntries(s.uploads),
    issued: Object.fromEntries(s.issued),
    standing: [...s.standing],
    pending: s.pending,
    since: s.since,
    withoutQuorum: Object.fromEntries(s.withoutQuorum),
    judgedBy: s.judgedBy,
    sought: s.sought,
  });
  await writeDurable(path, utf8(`${text}\n`), { mode: 0o600 });
}

/** @returns undefined where there is none yet. @throws Refusal BAD_STORE for a file that is damaged */
export async function loadState(path: string, sha256: Sha256): Promise<WatchState | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  try {
    return readState(JSON.parse(text), sha256);
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} is not the state of a watch`, { cause });
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path);
    demand(bytes.length <= STATE_BYTES_MAX, 'BAD_STORE', `${path} has ${bytes.length} bytes`);
    return bytes.toString();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
}

/** As it stands in the file; what is of another type throws where it is read. */
interface Stored {
  format: string;
  trustRoot: string;
  anchored: boolean;
  size: number;
  edge: string[];
  servers: Record<string, Shown>;
  uploads: Record<string, 'expected' | 'told'>;
  standing: string[];
  pending: Alarm[];
  since: number;
  /** Files of before these three go on; without points the entries are read again. */
  withoutQuorum?: Record<string, number>;
  judgedBy?: string;
  issued?: Record<string, string>;
  sought?: SoughtRoot;
}

function readState(v: Stored, sha256: Sha256): WatchState {
  const edge = v.edge.map((item) => bytesOf(item, 32));
  const ones = [...v.size.toString(2)].filter((bit) => bit === '1').length;
  const whole = v.format === FORMAT && edge.length === ones && Number.isSafeInteger(v.size + v.since);
  demand(whole, 'BAD_STORE', 'another form');
  for (const { size, root, time } of Object.values(v.servers))
    demand(Number.isSafeInteger(size + time) && bytesOf(root, 32), 'BAD_STORE', 'a server');
  for (const time of Object.values(v.withoutQuorum ?? {})) demand(Number.isSafeInteger(time), 'BAD_STORE', 'a time');
  if (v.sought) demand(Number.isSafeInteger(v.sought.version) && bytesOf(v.sought.leaf, 32), 'BAD_STORE', 'a root');
  for (const item of v.pending) demand(ALARM_KINDS.includes(item.kind), 'BAD_STORE', 'an alarm');
  return {
    trustRoot: bytesOf(v.trustRoot),
    anchored: v.anchored === true,
    tree: new Frontier(sha256, edge, v.size),
    servers: new Map(Object.entries(v.servers)),
    uploads: new Map(Object.entries(v.uploads)),
    standing: new Set(v.standing),
    pending: v.pending,
    since: v.since,
    withoutQuorum: new Map(Object.entries(v.withoutQuorum ?? {})),
    // Of before points were kept: what stands in the verified entries is not known.
    judgedBy: typeof v.judgedBy === 'string' && v.issued ? v.judgedBy : undefined,
    issued: new Map(Object.entries(v.issued ?? {})),
    sought: v.sought,
  };
}

function bytesOf(text: string, length?: number): Uint8Array {
  const bytes = unhex(text);
  demand(bytes && (length === undefined || bytes.length === length), 'BAD_STORE', 'bytes');
  return bytes;
}
