import { type Code, codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  ANNOUNCE,
  type Answer,
  CONSISTENCY,
  ENTRIES,
  encodeAnswer,
  FRAMES,
  FRESHNESS,
  frameLength,
  freshValue,
  hex,
  ISSUED,
  type Membership,
  REFUSED,
  type Request,
  ROOTS,
  ROOTS_MAX,
  readRequest,
  type Signer,
  signStatement,
} from '@countersign/device-sdk/format';
import { commandWords, logText } from '@countersign/device-sdk/host/command-words';
import type { LedgerClient } from '../ledger/client.ts';
import type { Allowance } from './allowance.ts';
import { type Announcer, demandInside } from './announcer.ts';
import { BoundedMap } from './bounded-map.ts';
import type { Clones } from './clones.ts';
import type { DeliveryPort } from './delivery/port.ts';
import type { Devices, KnownDevice } from './devices.ts';
import { freshness as freshnessRule } from './freshness.ts';
import { issueOf } from './issued.ts';
import type { Payloads } from './payloads.ts';
import type { Log, ServerClock } from './ports.ts';
import type { Releases } from './releases.ts';
import type { Groups } from './rollouts/groups.ts';
import type { Witness } from './witness.ts';

/** Consistency paths kept: a fleet asks for the same few, from the heads of its factory images to the newest. */
const PATHS_MAX = 256;
/** When a device that was refused should come again. */
const RETRY_SECONDS: Partial<Record<Code, number>> = {
  RATE_LIMITED: 1,
  BUSY: 5,
  UNREACHABLE: 10,
  NOT_OPEN: 60,
  NO_QUORUM: 60,
  FREEZE: 60,
  INTERNAL: 60,
  NOT_FOUND: 300,
};

export interface RequestCounts {
  answered: number;
  refused: number;
  /** Met with silence: too many at once, or the answer could not be sent. */
  dropped: number;
  /** Of the refused and the dropped, how many for each reason. */
  reasons: Partial<Record<string, number>>;
  frames: number;
  frameBytes: number;
}

export interface Requests {
  /** Answers one request of one device. Never throws: hostile bytes end in a refusal or in silence. */
  handle(deviceId: Uint8Array, bytes: Uint8Array): Promise<void>;
  counts(): RequestCounts;
}

interface Parts {
  verifier: Verifier;
  ledger: LedgerClient;
  witness: Witness;
  releases: Releases;
  payloads: Payloads;
  announcer: Announcer;
  groups: Groups;
  devices: Devices;
  clones: Clones;
  delivery: DeliveryPort;
  allowance: Allowance;
  command: Signer;
  clock: ServerClock;
  log: Log;
}

/** What devices may ask for, and nothing else. A device asks for itself: its id comes from the topic it wrote to. */
export function requestHandler(parts: Parts): Requests {
  const { verifier, ledger, witness, releases, payloads, announcer, devices, clones, delivery, allowance, clock, log } =
    parts;
  const demandFresh = freshnessRule(parts);
  const paths = new BoundedMap<Promise<Uint8Array[]>>(PATHS_MAX);
  const counts: RequestCounts = { answered: 0, refused: 0, dropped: 0, reasons: {}, frames: 0, frameBytes: 0 };

  return { handle, counts: () => ({ ...counts, reasons: { ...counts.reasons } }) };

  async function handle(deviceId: Uint8Array, bytes: Uint8Array): Promise<void> {
    let request: Request | undefined;
    try {
      demand(allowance.message(deviceId), 'RATE_LIMITED', 'too many requests');
      request = readRequest(bytes);
      const device = await devices.find(deviceId);
      demand(device, 'NOT_PERMITTED', 'this device is not enrolled');
      if (request.kind === FRAMES) await sendFrames(device, request);
      else await sendCounted(deviceId, await answer(device, request));
      counts.answered++;
    } catch (error) {
      await refuse(deviceId, request, error);
    }
  }

  function answer(device: KnownDevice, request: Exclude<Request, { kind: typeof FRAMES }>): Promise<Answer> {
    switch (request.kind) {
      case CONSISTENCY:
        return consistency(request);
      case ENTRIES:
        return entries(request);
      case ROOTS:
        return roots(request);
      case FRESHNESS:
        return freshness(device, request);
      case ANNOUNCE:
        return announcement(device, request);
      case ISSUED:
        return issued(request);
    }
  }

  /** Frames of confirmed releases alone, each an answer of its own, so that a lost one costs one. */
  async function sendFrames(device: KnownDevice, { id, chainHead, first, count }: RequestOf<typeof FRAMES>) {
    const { deviceId, epoch } = device;
    const alone = clones.verdict(hex(deviceId), epoch) === undefined;
    demand(alone, 'NOT_PERMITTED', 'two devices report with this key: an operator has to decide');
    const payload = releases.payload(chainHead);
    demand(payload, 'NOT_FOUND', 'no confirmed release has this payload');
    const last = Math.min(first + count, payload.frameCount);
    demand(first < last, 'BAD_REQUEST', `frames ${first} to ${first + count} of ${payload.frameCount}`);
    let bytes = 0;
    for (let i = first; i < last; i++) bytes += frameLength(payload, i);
    demand(allowance.bytes(deviceId, bytes), 'RATE_LIMITED', `${bytes} more bytes are too many now`);
    const frames = await payloads.frames(payload);
    for (let i = first; i < last; i++) {
      await send(deviceId, { id, kind: FRAMES, index: i, frame: frames[i]! });
      counts.frames++;
      counts.frameBytes += frames[i]!.length;
    }
  }

  async function consistency({ id, kind, from, to }: RequestOf<typeof CONSISTENCY>): Promise<Answer> {
    const size = witness.head?.size ?? 0;
    demand(from >= 1 && from < to && to <= size, 'BAD_REQUEST', `from ${from} to ${to} in a log of ${size}`);
    const key = `${from} ${to}`;
    const path = paths.get(key) ?? ledger.consistency(from, to);
    paths.set(key, path);
    path.catch(() => paths.delete(key));
    return { id, kind, path: await path };
  }

  /** Walks the release chain backwards through what this server has confirmed. */
  async function entries({ id, kind, leafHash, count }: RequestOf<typeof ENTRIES>): Promise<Answer> {
    const found: Uint8Array[] = [];
    for (let at = leafHash; found.length < count; ) {
      const block1 = releases.link(at);
      if (!block1) break;
      found.push(block1.leaf);
      at = block1.previousLeaf;
    }
    demand(found.length > 0, 'NOT_FOUND', 'no confirmed release is this entry');
    return { id, kind, entries: found };
  }

  async function roots({ id, kind, from }: RequestOf<typeof ROOTS>): Promise<Answer> {
    const newest = witness.root.version;
    demand(from >= 1 && from <= newest, 'BAD_REQUEST', `trust roots from ${from}, the newest is ${newest}`);
    return { id, kind, roots: (await witness.rootsFrom(from)).slice(0, ROOTS_MAX) };
  }

  /** Of a key that the ledger has: its entry, and a receipt under the newest head. */
  async function issued({ id, kind, thumbprint }: RequestOf<typeof ISSUED>): Promise<Answer> {
    const { leaf, entry } = await issueOf(ledger, thumbprint);
    // By the witness: the device asks next how the announcement's head grew into this one, and is answered about heads
    // that were seen here alone. A device that has just claimed made the log grow, and no announcement has followed.
    return { id, kind, entry, receipt: (await witness.receipt(leaf)).bytes };
  }

  async function freshness(device: KnownDevice, { id, kind, nonce }: RequestOf<typeof FRESHNESS>): Promise<Answer> {
    const current = announcer.current(device.classId);
    demand(current, 'NOT_FOUND', 'nothing is announced to this class');
    demandInside(current.rollout, clock.now());
    demandFresh(current);
    const value = freshValue({ nonce, headDigest: current.headDigest });
    return { id, kind, statement: await signStatement(verifier.sha256, 'fresh', value, parts.command) };
  }

  async function announcement(device: KnownDevice, { id, kind }: RequestOf<typeof ANNOUNCE>): Promise<Answer> {
    const current = announcer.current(device.classId);
    if (!current?.published) return { id, kind, announcement: null, membership: null };
    return { id, kind, announcement: current.bytes, membership: await membership(current.rollout.cohorts, device) };
  }

  async function membership(cohorts: readonly object[], { deviceId }: KnownDevice): Promise<Membership | null> {
    for (const cohort of cohorts) {
      const root = 'root' in cohort ? (cohort.root as Uint8Array) : undefined;
      const found = root && (await parts.groups.membership(root, deviceId));
      if (found) return found;
    }
    return null;
  }

  /** Twenty bytes can ask for four trust roots of 4 KB: every answer counts, not frames alone. */
  async function sendCounted(deviceId: Uint8Array, message: Answer): Promise<void> {
    const bytes = encodeAnswer(message);
    demand(allowance.bytes(deviceId, bytes.length), 'RATE_LIMITED', `${bytes.length} more bytes are too many now`);
    await delivery.send(deviceId, 'frm', bytes);
  }

  async function send(deviceId: Uint8Array, message: Answer): Promise<void> {
    await delivery.send(deviceId, 'frm', encodeAnswer(message));
  }

  /** A short answer with the code, for a few; a flood gets silence, and what was not understood has no id to answer to. */
  async function refuse(deviceId: Uint8Array, request: Request | undefined, error: unknown): Promise<void> {
    const code = codeOf(error);
    counts.reasons[code] = (counts.reasons[code] ?? 0) + 1;
    if (!(error instanceof Refusal)) log.error({ device: hex(deviceId), error: String(error) }, 'a request failed');
    else if (commandWords(error)) log.warn({ device: hex(deviceId), code, text: logText(error) }, 'nothing was signed');
    if (!request || code === 'LINK_LOST' || !allowance.refusal(deviceId)) {
      counts.dropped++;
      return;
    }
    counts.refused++;
    try {
      await send(deviceId, { id: request.id, kind: REFUSED, code, retrySeconds: RETRY_SECONDS[code] ?? 0 });
    } catch (cause) {
      counts.dropped++;
      if (!(cause instanceof Refusal)) log.error({ error: String(cause) }, 'a refusal could not be sent');
    }
  }
}

type RequestOf<K extends number> = Extract<Request, { kind: K }>;
