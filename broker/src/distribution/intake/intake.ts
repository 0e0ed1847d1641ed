import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ackValue,
  checkStatement,
  equal,
  hex,
  kidOf,
  leafHash,
  type Report,
  readReport,
  readStatement,
  type Signer,
  type Statement,
  signStatement,
  statementBytesMax,
} from '@countersign/device-sdk/format';
import { commandWords, logText } from '@countersign/device-sdk/host/command-words';
import type { LedgerClient } from '../../ledger/client.ts';
import type { QueueState } from '../../queue-state.ts';
import { BoundedMap } from '../bounded-map.ts';
import { Bucket, type Rate } from '../bucket.ts';
import type { Clones } from '../clones.ts';
import type { DeliveryPort } from '../delivery/port.ts';
import { DEVICES_CACHED_MAX, type Devices } from '../devices.ts';
import type { Log, ServerClock } from '../ports.ts';

/** Reports on their way into the ledger: a second and a half at 5,000 a second, 5 MB. */
export const REPORTS_WAITING_MAX = 8_192;
/** A device keeps at most eight reports and sends them in order. */
export const REPORTS_WAITING_PER_DEVICE_MAX = 8;
/** Acknowledgements kept for devices that did not hear the first one: 300 bytes each. */
export const ACKS_KEPT_MAX = 16_384;
/** An update makes two reports; an honest device that lost eight acknowledgements resends them at once. */
export const REPORT_RATE: Rate = { perSecond: 4, burst: 32 };

export interface IntakeCounts {
  /** Reports that this server put into the ledger. */
  logged: number;
  /** Acknowledgements sent, repeated ones included. */
  acknowledged: number;
  /** Reports that had been logged before: only the acknowledgement was repeated. */
  repeated: number;
  /** Thrown away for want of room or of patience; an honest device resends. */
  dropped: number;
  /** Thrown away for good, by code. */
  refused: Partial<Record<string, number>>;
}

export interface Intake {
  /** Takes one message of a device; returns at once. Never throws: hostile bytes are counted by their code. */
  take(deviceId: Uint8Array, bytes: Uint8Array): void;
  counts(): IntakeCounts;
  queue(): QueueState;
  /** Resolves when nothing is on its way. */
  settled(): Promise<void>;
}

/**
 * Reports of devices: hostile until their signature is checked. An acknowledgement is signed only after the ledger has
 * answered, which it does after its flush to disk: what was acknowledged is never lost, and what was not comes again.
 */
export function intake(parts: {
  verifier: Verifier;
  ledger: LedgerClient;
  devices: Devices;
  /** Who judges reports that contradict each other; without one nobody does. */
  clones?: Clones;
  delivery: DeliveryPort;
  command: Signer;
  clock: ServerClock;
  log: Log;
}): Intake {
  const { verifier, ledger, devices, clones, delivery, command, clock, log } = parts;
  const { sha256 } = verifier;
  const acks = new BoundedMap<Uint8Array>(ACKS_KEPT_MAX);
  const rates = new BoundedMap<Bucket>(DEVICES_CACHED_MAX);
  /** Per device one line, so that its reports reach the ledger in the order of its counter. */
  const lines = new Map<string, { waiting: number; last: Promise<void>; digests: Set<string> }>();
  const counts: IntakeCounts = { logged: 0, acknowledged: 0, repeated: 0, dropped: 0, refused: {} };
  let waiting = 0;

  return {
    take,
    counts: () => ({ ...counts, refused: { ...counts.refused } }),
    queue: () => ({ name: 'intake', length: waiting, limit: REPORTS_WAITING_MAX, dropped: counts.dropped }),
    async settled() {
      while (lines.size > 0) await Promise.all([...lines.values()].map(({ last }) => last));
    },
  };

  function take(deviceId: Uint8Array, bytes: Uint8Array): void {
    const id = hex(deviceId);
    if (!mayReport(id) || bytes.length > statementBytesMax('report')) {
      counts.dropped++;
      return;
    }
    const digest = hex(sha256(bytes));
    const line = lines.get(id) ?? { waiting: 0, last: Promise.resolve(), digests: new Set<string>() };
    // The same bytes are on their way: one acknowledgement answers both.
    if (line.digests.has(digest) && !acks.get(digest)) return;
    if (waiting >= REPORTS_WAITING_MAX || line.waiting >= REPORTS_WAITING_PER_DEVICE_MAX) {
      counts.dropped++;
      return;
    }
    lines.set(id, line);
    line.digests.add(digest);
    line.waiting++;
    waiting++;
    line.last = line.last.then(async () => {
      await process(deviceId, bytes, digest);
      line.digests.delete(digest);
      line.waiting--;
      waiting--;
      if (line.waiting === 0) lines.delete(id);
    });
  }

  function mayReport(id: string): boolean {
    const now = clock.elapsedMs();
    const bucket = rates.get(id) ?? new Bucket(REPORT_RATE, now);
    rates.set(id, bucket);
    return bucket.take(1, now);
  }

  /** Size, shape, who, signature: cheap before expensive; then the ledger, then the acknowledgement. */
  async function process(deviceId: Uint8Array, bytes: Uint8Array, digest: string): Promise<void> {
    try {
      const known = acks.get(digest);
      if (known) {
        counts.repeated++;
        return await acknowledge(deviceId, known);
      }
      const statement = readStatement(bytes, 'report');
      const report = readReport(statement.payload);
      demand(equal(report.deviceId, deviceId), 'BAD_STATEMENT', 'a report of another device than its topic names');
      await checkSignature(deviceId, statement);
      await enter(bytes, report);
      const ack = await makeAck(report, bytes);
      acks.set(digest, ack);
      await acknowledge(deviceId, ack);
    } catch (error) {
      fail(deviceId, error);
    }
  }

  async function checkSignature(deviceId: Uint8Array, statement: Statement): Promise<void> {
    const device = await devices.find(deviceId);
    demand(device, 'NOT_PERMITTED', 'this device is not enrolled');
    demand(equal(statement.kid, kidOf(sha256, device.key)), 'UNKNOWN_KEY', 'the report is by another key');
    checkStatement(verifier, statement, device.key);
  }

  /** Logged now, or logged before and the acknowledgement lost: then the very same bytes are in the ledger. */
  async function enter(bytes: Uint8Array, report: Report): Promise<void> {
    try {
      await ledger.submit(bytes);
    } catch (error) {
      const known = KNOWN_COUNTER.has(codeOf(error));
      if (known && (await isLogged(bytes))) {
        counts.repeated++;
        return;
      }
      if (known) await clones?.refused(report);
      throw error;
    }
    counts.logged++;
    await clones?.logged(report);
  }

  async function isLogged(bytes: Uint8Array): Promise<boolean> {
    try {
      return equal(await ledger.entry(leafHash(sha256, bytes)), bytes);
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') return false;
      throw error;
    }
  }

  function makeAck({ deviceId, counter }: Report, bytes: Uint8Array): Promise<Uint8Array> {
    const value = ackValue({ deviceId, counter, leafHash: leafHash(sha256, bytes) });
    return signStatement(sha256, 'ack', value, command);
  }

  async function acknowledge(deviceId: Uint8Array, ack: Uint8Array): Promise<void> {
    await delivery.send(deviceId, 'cmd', ack);
    counts.acknowledged++;
  }

  /** The device is told nothing: an honest one resends, and a liar learns nothing. */
  function fail(deviceId: Uint8Array, error: unknown): void {
    const code = codeOf(error);
    const device = hex(deviceId);
    if (PASSING.has(code)) counts.dropped++;
    else counts.refused[code] = (counts.refused[code] ?? 0) + 1;
    if (!(error instanceof Refusal)) log.error({ device, error: String(error) }, 'a report failed');
    else if (code === 'BAD_COUNTER') log.warn({ device, code, text: error.message }, 'a report does not follow');
    else if (commandWords(error)) log.warn({ device, code, text: logText(error) }, 'a report was not acknowledged');
  }
}

/** What the ledger says of a report that it has, or of one that it has a later one of. */
const KNOWN_COUNTER: ReadonlySet<string> = new Set(['DUPLICATE', 'BAD_COUNTER']);
/** The same report may succeed later. */
const PASSING: ReadonlySet<string> = new Set(['BUSY', 'UNREACHABLE', 'LINK_LOST']);
