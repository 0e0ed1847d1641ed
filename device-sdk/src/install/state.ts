/**
 * What a device must not forget, typed, over the journal. Every change is one record: after a power cut either all of
 * it holds or nothing.
 */
import { demand, Refusal } from '../errors.ts';
import { decode, encode, type Value } from '../format/cbor.ts';
import type { Head } from '../format/head.ts';
import { type Provision, readProvision } from '../format/provision.ts';
import { STAGES, STAGES_MAX, type Stage, type StageCode } from '../format/report.ts';
import { readSignedRoot, type SignedRoot } from '../format/root.ts';
import { asArray, asBytes, asText, asUint, optional } from '../format/shape.ts';
import type { Flash, SlotNumber, Verifier } from '../ports.ts';
import { openRoot } from '../verify/root.ts';
import type { Running } from '../verify/types.ts';
import { Journal } from './journal.ts';
import { type Pending, pendingValue, readPending } from './pending.ts';

const KEY_ROOT = 1;
const KEY_HEAD = 2;
const KEY_IDENTITY = 3;
const KEY_RUNNING = 4;
const KEY_ROLLOUT = 5;
const KEY_FLOOR = 6;
const KEY_FAILED = 7;
const KEY_COUNTERS = 8;
const KEY_REPORTS = 9;
const KEY_PENDING = 10;
const KEY_TOLD = 11;
const KEY_MISSED = 12;
const KEY_OUTBOX = 32;

/** Reports that wait for an acknowledgement. The oldest are kept: they are the ones the chain needs first. */
export const OUTBOX_MAX = 8;
/** Failed releases and branches that are remembered; a class has at most a few open releases. */
export const FAILED_MAX = 16;

/** Refusals of releases that are remembered as reported: an attacker who alternates a few must not fill the ledger. */
export const TOLD_MAX = 16;

export interface Identity {
  deviceId: Uint8Array;
  vendorId: Uint8Array;
  classId: Uint8Array;
  brokerId: string;
}

export interface RunningRelease extends Running {
  version: string;
  slot: SlotNumber;
}

/** A release (by manifest digest) or a branch (by chain head) that failed so often. */
export interface Failure {
  digest: Uint8Array;
  count: number;
}

/** A refusal or failure of a release, in a rollout, that has been reported. */
export interface Told {
  manifestDigest: Uint8Array;
  rolloutId: Uint8Array;
  code: string;
}

const FINDINGS = ['trial', 'updated', 'reverted', 'refused'] as const;

/** The newest finding that met a full outbox. */
export interface Missed {
  kind: (typeof FINDINGS)[number];
  code: StageCode;
  rolloutId?: Uint8Array;
  attempt: number;
  manifestDigest: Uint8Array;
  stages: [Stage, StageCode][];
}

export interface Counters {
  /** Logins up to this number may have been used. */
  login: number;
  command: number;
}

/** Where the chain of reports stands. */
export interface ReportChain {
  epoch: number;
  counter: number;
  previous: Uint8Array;
}

export interface QueuedReport {
  counter: number;
  bytes: Uint8Array;
}

export interface State {
  root: SignedRoot;
  head: Head;
  identity: Identity;
  running: RunningRelease;
  rolloutSequence: number;
  floor: number;
  failed: Failure[];
  counters: Counters;
  reports: ReportChain;
  pending: Pending | undefined;
  /** What was reported lately, so that it is reported once. */
  told: Told[];
  missed: Missed | undefined;
  outbox: QueuedReport[];
}

type Change = Partial<State>;

/** Thrown by work that goes on after {@link Store.close}. Not a refusal: it only unwinds. */
export class Closed extends Error {}

/** Two stores on one flash would write over each other's records: the newer one closes the older. */
const open = new WeakMap<Flash, Store>();

export class Store {
  readonly #journal: Journal;
  readonly #verifier: Verifier;
  #state: State;
  #closed = false;

  private constructor(flash: Flash, journal: Journal, verifier: Verifier, state: State) {
    open.get(flash)?.close();
    open.set(flash, this);
    this.#journal = journal;
    this.#verifier = verifier;
    this.#state = state;
  }

  /** @throws Refusal BAD_STATE where the device was never provisioned or its store is damaged */
  static open(flash: Flash, verifier: Verifier): Store {
    const journal = Journal.open(flash);
    return new Store(flash, journal, verifier, loadWhole(journal, verifier));
  }

  /**
   * The factory's step: writes the provisioning record into a fresh store.
   * @param slot where the factory image is
   * @throws Refusal BAD_PROVISION, MALFORMED, BAD_ROOT, BAD_KEY
   */
  static provision(flash: Flash, verifier: Verifier, record: Uint8Array, slot: SlotNumber = 0): Store {
    const provision = readProvision(record);
    const journal = Journal.format(flash);
    const state = factoryState(verifier, provision, slot);
    journal.put(entriesOf(state, []));
    return new Store(flash, journal, verifier, state);
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  get verifier(): Verifier {
    return this.#verifier;
  }

  /** Writes a change as one record and only then believes it. */
  commit(change: Change): void {
    this.demandOpen();
    const before = this.#state;
    this.#journal.put(entriesOf(change, before.outbox));
    this.#state = { ...before, ...change };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From now on every commit throws {@link Closed}: after a power cut no continuation of old work may touch flash. */
  close(): void {
    this.#closed = true;
  }

  demandOpen(): void {
    if (this.#closed) throw new Closed('the device has been stopped');
  }
}

function factoryState(verifier: Verifier, p: Provision, slot: SlotNumber): State {
  demand(p.deviceId, 'BAD_PROVISION', 'the provisioning record has no device id');
  const root = openRoot(verifier, p.trustRoot);
  demand(root.root.origin === p.head.origin, 'BAD_PROVISION', 'trust root and head are of different logs');
  const { manifestDigest, releaseLeaf, sequence, image, version, vendorId, classId, brokerId } = p;
  return {
    root,
    head: p.head,
    identity: { deviceId: p.deviceId, vendorId, classId, brokerId },
    running: { manifestDigest, releaseLeaf, sequence, image, version, slot },
    rolloutSequence: 0,
    floor: sequence,
    failed: [],
    counters: { login: 0, command: 0 },
    reports: { epoch: 0, counter: 0, previous: new Uint8Array(32) },
    pending: undefined,
    told: [],
    missed: undefined,
    outbox: [],
  };
}

type Entry = [number, Uint8Array | undefined];

function entriesOf(change: Change, outboxBefore: readonly QueuedReport[]): Entry[] {
  const entries: Entry[] = [];
  const put = (key: number, value: Value | undefined) =>
    entries.push([key, value === undefined ? undefined : encode(value)]);
  if (change.root) entries.push([KEY_ROOT, change.root.bytes]);
  if (change.head) put(KEY_HEAD, headValue(change.head));
  if (change.identity) put(KEY_IDENTITY, identityValue(change.identity));
  if (change.running) put(KEY_RUNNING, runningValue(change.running));
  if (change.rolloutSequence !== undefined) put(KEY_ROLLOUT, change.rolloutSequence);
  if (change.floor !== undefined) put(KEY_FLOOR, change.floor);
  if (change.failed)
    put(
      KEY_FAILED,
      change.failed.map((item): Value => [item.digest, item.count]),
    );
  if (change.counters) put(KEY_COUNTERS, [change.counters.login, change.counters.command]);
  if (change.reports) put(KEY_REPORTS, [change.reports.epoch, change.reports.counter, change.reports.previous]);
  if ('pending' in change) put(KEY_PENDING, change.pending && pendingValue(change.pending));
  if (change.told) put(KEY_TOLD, change.told.map(toldValue));
  if ('missed' in change) put(KEY_MISSED, change.missed && missedValue(change.missed));
  if (change.outbox) entries.push(...outboxEntries(change.outbox, outboxBefore));
  return entries;
}

/** A report keeps the place its counter gives it, so that a change of the outbox touches only what changed. */
function outboxEntries(now: readonly QueuedReport[], before: readonly QueuedReport[]): Entry[] {
  const place = (item: QueuedReport) => KEY_OUTBOX + (item.counter % OUTBOX_MAX);
  const gone = before.filter((item) => !now.some((other) => other.counter === item.counter));
  const added = now.filter((item) => !before.some((other) => other.counter === item.counter));
  const entries = new Map<number, Uint8Array | undefined>();
  for (const item of gone) entries.set(place(item), undefined);
  for (const item of added) entries.set(place(item), encode([item.counter, item.bytes]));
  return [...entries];
}

/** Whatever is wrong with a store has one name: its bytes are ours, and nobody can send better ones. */
function loadWhole(journal: Journal, verifier: Verifier): State {
  try {
    return load(journal, verifier);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal('BAD_STATE', `the store is damaged: ${error.message}`, { cause: error });
  }
}

function load(journal: Journal, verifier: Verifier): State {
  const get = (key: number) => {
    const bytes = journal.get(key);
    return bytes && decode(bytes);
  };
  const rootBytes = journal.get(KEY_ROOT);
  demand(rootBytes, 'BAD_STATE', 'the store holds no trust root: the device was never provisioned');
  const [login, command] = asArray(get(KEY_COUNTERS), 'counters', 2);
  const [epoch, counter, previous] = asArray(get(KEY_REPORTS), 'report chain', 3);
  return {
    // Its signatures and keys were checked before it was stored; checking keys costs a millisecond each, at every boot.
    root: readSignedRoot(verifier.sha256, rootBytes),
    head: readHeadValue(get(KEY_HEAD)),
    identity: readIdentity(get(KEY_IDENTITY)),
    running: readRunning(get(KEY_RUNNING)),
    rolloutSequence: asUint(get(KEY_ROLLOUT), 'rollout sequence'),
    floor: asUint(get(KEY_FLOOR), 'floor'),
    failed: asArray(get(KEY_FAILED), 'failures').map(readFailure),
    counters: { login: asUint(login, 'login counter'), command: asUint(command, 'command counter') },
    reports: {
      epoch: asUint(epoch, 'epoch'),
      counter: asUint(counter, 'counter'),
      previous: asBytes(previous, 'previous', 32),
    },
    pending: optional(get(KEY_PENDING), readPending),
    told: asArray(get(KEY_TOLD), 'told').map(readTold),
    missed: optional(get(KEY_MISSED), readMissed),
    outbox: loadOutbox(journal),
  };
}

function loadOutbox(journal: Journal): QueuedReport[] {
  const reports: QueuedReport[] = [];
  for (let i = 0; i < OUTBOX_MAX; i++) {
    const stored = journal.get(KEY_OUTBOX + i);
    if (!stored) continue;
    const [counter, bytes] = asArray(decode(stored), 'queued report', 2);
    reports.push({ counter: asUint(counter, 'counter'), bytes: asBytes(bytes, 'report') });
  }
  return reports.sort((a, b) => a.counter - b.counter);
}

function headValue(h: Head): Value {
  return [h.origin, h.size, h.root, h.indexRoot, h.time, h.rootVersion];
}

function readHeadValue(value: Value | undefined): Head {
  const [origin, size, root, indexRoot, time, rootVersion] = asArray(value, 'head', 6);
  return {
    origin: asText(origin, 'origin'),
    size: asUint(size, 'size'),
    root: asBytes(root, 'root', 32),
    indexRoot: asBytes(indexRoot, 'index root', 32),
    time: asUint(time, 'time'),
    rootVersion: asUint(rootVersion, 'root version'),
  };
}

function identityValue(i: Identity): Value {
  return [i.deviceId, i.vendorId, i.classId, i.brokerId];
}

function readIdentity(value: Value | undefined): Identity {
  const [deviceId, vendorId, classId, brokerId] = asArray(value, 'identity', 4);
  return {
    deviceId: asBytes(deviceId, 'device id', 16),
    vendorId: asBytes(vendorId, 'vendor id', 16),
    classId: asBytes(classId, 'class id', 16),
    brokerId: asText(brokerId, 'broker id'),
  };
}

function runningValue(r: RunningRelease): Value {
  return [r.sequence, r.manifestDigest, r.releaseLeaf, r.image.digest, r.image.bytes, r.version, r.slot];
}

function readRunning(value: Value | undefined): RunningRelease {
  const [sequence, digest, leaf, imageDigest, bytes, version, slot] = asArray(value, 'running release', 7);
  return {
    sequence: asUint(sequence, 'sequence'),
    manifestDigest: asBytes(digest, 'manifest digest', 32),
    releaseLeaf: asBytes(leaf, 'release leaf', 32),
    image: { digest: asBytes(imageDigest, 'image digest', 32), bytes: asUint(bytes, 'image size') },
    version: asText(version, 'version'),
    slot: asUint(slot, 'slot', 1) as SlotNumber,
  };
}

function readFailure(value: Value): Failure {
  const [digest, count] = asArray(value, 'failure', 2);
  return { digest: asBytes(digest, 'digest', 32), count: asUint(count, 'count') };
}

function toldValue(item: Told): Value {
  return [item.manifestDigest, item.rolloutId, item.code];
}

function readTold(value: Value): Told {
  const [digest, rolloutId, code] = asArray(value, 'told', 3);
  return {
    manifestDigest: asBytes(digest, 'manifest digest', 32),
    rolloutId: asBytes(rolloutId, 'rollout id', 16),
    code: asText(code, 'code'),
  };
}

function missedValue(m: Missed): Value {
  const stages = m.stages.slice(-STAGES_MAX).map(([stage, code]): Value => [STAGES.indexOf(stage), code]);
  return [FINDINGS.indexOf(m.kind), m.code, m.rolloutId ?? null, m.attempt, m.manifestDigest, stages];
}

function readMissed(value: Value): Missed {
  const [kind, code, rolloutId, attempt, digest, stages] = asArray(value, 'missed', 6);
  return {
    kind: FINDINGS[asUint(kind, 'kind', FINDINGS.length - 1)]!,
    code: asText(code, 'code') as StageCode,
    rolloutId: optional(rolloutId, (item) => asBytes(item, 'rollout id', 16)),
    attempt: asUint(attempt, 'attempt'),
    manifestDigest: asBytes(digest, 'manifest digest', 32),
    stages: asArray(stages, 'stages').map(readStage),
  };
}

function readStage(value: Value): [Stage, StageCode] {
  const [stage, code] = asArray(value, 'stage', 2);
  return [STAGES[asUint(stage, 'stage', STAGES.length - 1)]!, asText(code, 'code') as StageCode];
}
