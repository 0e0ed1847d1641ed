/** How the state lies in the journal: one key for each part of it, and one for each waiting report. */
import { demand } from '../errors.ts';
import { decode, encode } from '../format/cbor.ts';
import { STAGES, STAGES_MAX, type Stage, type StageCode } from '../format/report.ts';
import { readSignedRoot } from '../format/root.ts';
import { asArray } from '../format/shape.ts';
import type { Verifier } from '../ports.ts';
import { bytes, type Codec, digest, id, list, maybe, oneOf, record, text, uint } from './codec.ts';
import type { Journal } from './journal.ts';
import { image, pending, slot } from './pending.ts';
import { FINDINGS, OUTBOX_MAX, type QueuedReport, type RunningRelease, type State } from './state.ts';

/** What one record of the journal changes. A part that is named with undefined is removed. */
export type Change = Partial<State>;

type Entry = [key: number, bytes: Uint8Array | undefined];
type Coded = Exclude<keyof State, 'root' | 'outbox'>;

const stage = record<{ stage: Stage; code: StageCode }>({ stage: oneOf(STAGES), code: text() });
const stages: Codec<[Stage, StageCode][]> = {
  write: (items) => items.slice(-STAGES_MAX).map(([name, code]) => stage.write({ stage: name, code })),
  read: (value) =>
    asArray(value, 'stages').map((item) => {
      const { stage: name, code } = stage.read(item);
      return [name, code];
    }),
};

const release: Codec<RunningRelease> = record({
  sequence: uint,
  manifestDigest: digest,
  releaseLeaf: digest,
  image,
  version: text(),
  slot,
});

const flag = oneOf([false, true]);

const CODECS: { [K in Coded]: readonly [key: number, codec: Codec<State[K]>] } = {
  head: [2, record({ origin: text(), size: uint, root: digest, indexRoot: digest, time: uint, rootVersion: uint })],
  identity: [3, record({ deviceId: id, vendorId: id, classId: id, brokerId: text() })],
  running: [4, release],
  rolloutSequence: [5, uint],
  floor: [6, uint],
  failed: [7, list(record({ digest, count: uint }))],
  counters: [8, record({ login: uint, command: uint })],
  reports: [9, record({ epoch: uint, counter: uint, previous: digest })],
  pending: [10, maybe(pending)],
  told: [11, list(record({ manifestDigest: digest, rolloutId: id, code: text() }))],
  missed: [
    12,
    maybe(
      record({
        kind: oneOf(FINDINGS),
        code: text<StageCode>(),
        rolloutId: maybe(id),
        attempt: uint,
        manifestDigest: digest,
        stages,
      }),
    ),
  ],
  damaged: [13, flag],
  inPlace: [
    15,
    maybe(
      record({
        bytes: uint,
        frameBytes: uint,
        frameCount: uint,
        done: uint,
        copying: flag,
        checkpoint: bytes(),
        written: flag,
        boots: uint,
      }),
    ),
  ],
  spent: [16, maybe(record({ rolloutId: id, bytes: uint, max: uint }))],
  handover: [14, maybe(record({ repeats: uint, former: maybe(release), rolloutId: maybe(id), attempt: uint }))],
};
const CODED = Object.keys(CODECS) as Coded[];
const KEY_ROOT = 1;
const KEY_OUTBOX = 32;
const queued: Codec<QueuedReport> = record({ counter: uint, bytes: bytes() });

/** The entries of the one record that a change is. */
export function entriesOf(change: Change, outboxBefore: readonly QueuedReport[]): Entry[] {
  const entries: Entry[] = [];
  if (change.root) entries.push([KEY_ROOT, change.root.bytes]);
  for (const name of CODED) {
    if (!(name in change)) continue;
    const [key, { write }] = CODECS[name] as readonly [number, Codec<unknown>];
    const part = change[name];
    entries.push([key, part === undefined ? undefined : encode(write(part))]);
  }
  if (change.outbox) entries.push(...outboxEntries(change.outbox, outboxBefore));
  return entries;
}

/** @throws Refusal BAD_STATE, MALFORMED and others where a part cannot be read */
export function load(journal: Journal, verifier: Verifier): State {
  const root = journal.get(KEY_ROOT);
  demand(root, 'BAD_STATE', 'no trust root: the device was never provisioned');
  const parts = CODED.map((name) => {
    const [key, { read }] = CODECS[name];
    const stored = journal.get(key);
    return [name, read(stored && decode(stored))];
  });
  return {
    // Its signatures and keys were checked before it was stored; checking keys costs a millisecond each, at every boot.
    root: readSignedRoot(verifier.sha256, root),
    ...(Object.fromEntries(parts) as Pick<State, Coded>),
    outbox: loadOutbox(journal),
  };
}

/** A report keeps the place its counter gives it, so that a change of the outbox touches only what changed. */
function outboxEntries(now: readonly QueuedReport[], before: readonly QueuedReport[]): Entry[] {
  const place = ({ counter }: QueuedReport) => KEY_OUTBOX + (counter % OUTBOX_MAX);
  const isIn = (reports: readonly QueuedReport[], item: QueuedReport) =>
    reports.some(({ counter }) => counter === item.counter);
  const entries = new Map<number, Uint8Array | undefined>();
  for (const item of before) if (!isIn(now, item)) entries.set(place(item), undefined);
  for (const item of now) if (!isIn(before, item)) entries.set(place(item), encode(queued.write(item)));
  return [...entries];
}

function loadOutbox(journal: Journal): QueuedReport[] {
  const reports: QueuedReport[] = [];
  for (let i = 0; i < OUTBOX_MAX; i++) {
    const stored = journal.get(KEY_OUTBOX + i);
    if (stored) reports.push(queued.read(decode(stored)));
  }
  return reports.sort((a, b) => a.counter - b.counter);
}
