import { codeOf, demand, Refusal, type Verifier } from '@countersign/device-sdk';
import {
  encodeAnnouncement,
  equal,
  type Head,
  hex,
  OPEN,
  type Rollout,
  readRollout,
  readStatement,
  unhex,
} from '@countersign/device-sdk/format';
import { logText } from '@countersign/device-sdk/host/command-words';
import { proveRelease, shapeAnnouncement } from '@countersign/device-sdk/verify';
import type { LedgerClient } from '../ledger/client.ts';
import type { ProductView } from '../ledger/contract/views.ts';
import type { DeliveryPort } from './delivery/port.ts';
import { encodeHeadMessage } from './head-message.ts';
import type { Log, ServerClock } from './ports.ts';
import type { Releases } from './releases.ts';
import { serial } from './serial.ts';
import type { Witness } from './witness.ts';

/** What a class is told now. */
export interface Current {
  classId: Uint8Array;
  bytes: Uint8Array;
  rollout: Rollout;
  head: Head;
  /** Names the head in freshness answers. */
  headDigest: Uint8Array;
  sequence: number;
  version: string;
  /** False while the rollout's window has not begun: the class hears of it then. */
  published: boolean;
}

export interface Announcer {
  /** Makes and publishes a class's announcement under the newest head. @throws Refusal; nothing is published then */
  refresh(classId: Uint8Array): Promise<void>;
  /** The same for every class that has an index entry. One class's refusal does not hold up the others. */
  refreshAll(): Promise<void>;
  publishHead(): Promise<void>;
  current(classId: Uint8Array): Current | undefined;
  readonly classes: Current[];
  /** Forgets what waits for a window. */
  stop(): void;
}

export function announcer(parts: {
  verifier: Verifier;
  ledger: LedgerClient;
  witness: Witness;
  releases: Releases;
  delivery: DeliveryPort;
  clock: ServerClock;
  log: Log;
}): Announcer {
  const { verifier, ledger, witness, releases, delivery, clock, log } = parts;
  const currents = new Map<string, Current>();
  const waiting = new Map<string, () => void>();
  // In order, so that an older announcement can never replace a newer one.
  const inOrder = serial();
  let headPublished: Uint8Array | undefined;

  return {
    refresh: (classId) => inOrder(() => refresh(classId)),
    refreshAll: () =>
      inOrder(async () => {
        const products = (await ledger.evaluate('listProducts')) as ProductView[];
        for (const { classId } of products) await refreshOrLog(unhex(classId)!);
      }),
    publishHead: () =>
      inOrder(async () => {
        const { ledgerHead } = await witness.newestHead();
        const { signed, head, cosignatures } = ledgerHead;
        const bytes = encodeHeadMessage({ signed, root: head.root, cosignatures });
        if (headPublished && equal(headPublished, bytes)) return;
        await delivery.publishHead(bytes);
        headPublished = bytes;
      }),
    current: (classId) => currents.get(hex(classId)),
    get classes() {
      return [...currents.values()];
    },
    stop() {
      for (const cancel of waiting.values()) cancel();
      waiting.clear();
    },
  };

  async function refreshOrLog(classId: Uint8Array): Promise<void> {
    try {
      await refresh(classId);
    } catch (error) {
      if (codeOf(error) === 'NOT_FOUND') return; // no release of this class has ever been rolled out
      log.error({ class: hex(classId), code: codeOf(error), text: logText(error) }, 'a class could not be announced');
    }
  }

  async function refresh(classId: Uint8Array): Promise<void> {
    const next = await make(classId);
    const before = currents.get(hex(classId));
    if (before?.published && equal(before.bytes, next.bytes)) return;
    const published = isInWindow(next.rollout, clock.now());
    currents.set(hex(classId), { ...next, published });
    if (!published) return waitForWindow(classId, next.rollout);
    const acknowledged = await delivery.publishAnnouncement(classId, next.bytes);
    const { rolloutSequence, state } = next.rollout;
    const fields = { class: hex(classId), version: next.version, rolloutSequence, state, size: next.head.size };
    log.info({ ...fields, acknowledged }, 'announced');
  }

  /**
   * The ledger's answer is taken apart, the release replaced by the one that this server has confirmed and signed, and
   * the whole then verified the way a device will: what a device would refuse is not sent.
   */
  async function make(classId: Uint8Array): Promise<Omit<Current, 'published'>> {
    const proof = await witness.announcementProof(classId, ({ entry }) => entry.releaseLeaf);
    const { releaseLeaf } = proof.index.entry;
    const { envelope, block2Digest } = await releases.ensure(releaseLeaf);
    const said = readRollout(readStatement(proof.rollout, 'rollout').payload);
    demand(equal(said.block2Digest, block2Digest), 'NOT_CURRENT', 'the rollout names a second signature not made here');
    const bytes = encodeAnnouncement({
      envelope,
      receipt: proof.bytes,
      cosignatures: proof.cosignatures,
      indexProof: proof.index.proof,
      rollout: proof.rollout,
    });
    const proven = proveRelease(verifier, shapeAnnouncement(verifier, bytes), witness);
    demand(equal(proven.manifest.classId, classId), 'WRONG_CLASS', 'the ledger answered for another class');
    const { rollout, head, headDigest, manifest } = proven;
    return { classId, bytes, rollout, head, headDigest, sequence: manifest.sequence, version: manifest.version };
  }

  /** Waits no longer than an hour at a time: clocks are set, and timers end at 24 days. */
  function waitForWindow(classId: Uint8Array, rollout: Rollout): void {
    const seconds = Math.min(secondsToWindow(rollout, clock.now()), 3600);
    waiting.get(hex(classId))?.();
    waiting.set(
      hex(classId),
      clock.after(seconds * 1000, () => {
        waiting.delete(hex(classId));
        void inOrder(() => refreshOrLog(classId));
      }),
    );
  }
}

/** Devices without a clock leave the window to this server: it tells of an open rollout from the beginning of it. */
function isInWindow(rollout: Rollout, now: number): boolean {
  return secondsToWindow(rollout, now) === 0;
}

/** Seconds until an open rollout may be announced; 0 for now. What stops devices is announced at any time. */
function secondsToWindow({ window, state }: Rollout, now: number): number {
  return window && state === OPEN ? Math.max(0, window.start - now) : 0;
}

/** May a device without a clock start now? @throws Refusal NOT_OPEN */
export function demandInside({ window, state }: Rollout, now: number): void {
  if (!window || state !== OPEN) return;
  const inside = now >= window.start && (window.end === null || now <= window.end);
  if (!inside) throw new Refusal('NOT_OPEN', 'outside the rollout window');
}
