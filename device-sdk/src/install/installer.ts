/**
 * From a verified release to an image in the other slot: frames proven, decoded, written, read back. Progress is
 * journaled at the decoder's checkpoints; after a power cut the same announcement, verified anew, goes on from there.
 *
 *   journal: fetching, no progress
 *   frames → decoder → slot        cut here: from the last checkpoint, or from the start
 *   journal: progress              one record: next frame, its hash, checkpoint, what is durable in the slot
 *   read back and compare
 *   journal: staged                cut here: the slot is read back again and goes to its trial
 */
import { type Code, codeOf, demand, Refusal } from '../errors.ts';
import type { Asker } from '../fetch/asker.ts';
import { Fetcher } from '../fetch/fetcher.ts';
import { equal } from '../format/bytes.ts';
import { FRAME_BYTES } from '../format/frames.ts';
import type { Stage, StageCode } from '../format/report.ts';
import type { MemoryClass } from '../format/suit.ts';
import type { Release, Verified } from '../verify/types.ts';
import { Application } from './application.ts';
import type { Pending } from './pending.ts';
import { demandSlotDigest, slotHolds } from './slots.ts';
import { addFailure, beginTrial, other, type TrialPorts } from './trial.ts';

export interface InstallerPorts extends TrialPorts {
  asker: Asker;
  workspace: Uint8Array;
  memoryClass: MemoryClass;
  windowBytes?: number;
  /** Asked between frames: 'other' ends the install, because another release or state is announced. */
  interrupted(): 'none' | 'other';
  progress(bytes: number, of: number): void;
}

/** Frames that wait for their predecessor: enough to keep the link busy, few enough for a small device. */
const WINDOW_FRAMES = 4;

/** Failures that say something against a branch; link faults do not count. */
const COUNTED: ReadonlySet<Code> = new Set([
  'BAD_DELTA',
  'RESULT_MISMATCH',
  'WRONG_BASE',
  'UNSUPPORTED',
  'NO_MEMORY',
  'NO_SPACE',
  'FLASH_FAULT',
]);

export interface Outcome {
  code: 'OK' | Code;
  stages: [Stage, StageCode][];
}

export class Installer {
  readonly #p: InstallerPorts;

  constructor(ports: InstallerPorts) {
    this.#p = ports;
  }

  /**
   * Puts the release into the other slot, verified by reading it back.
   * @returns OK, or a counted failure of this branch
   * @throws Refusal LINK_LOST, BAD_FRAME, NOT_OPEN and the server's refusals: nothing is counted, progress is kept
   */
  async run(release: Verified<Release>): Promise<Outcome> {
    const pending = this.#pendingFor(release);
    try {
      if (pending.phase === 'staged' && this.#isIntact(pending)) return { code: 'OK', stages: [['apply', 'OK']] };
      await this.#fetchAndApply(release, pending);
    } catch (error) {
      const code = error instanceof Refusal ? codeOf(error) : undefined;
      if (!code || !COUNTED.has(code)) throw error;
      const failed = addFailure(this.#p.store.state.failed, release.branch.payload.chainHead);
      this.#p.store.commit({ pending: undefined, failed });
      return { code, stages: [['apply', code]] };
    }
    this.#p.store.commit({ pending: { ...pending, phase: 'staged', progress: undefined } });
    return {
      code: 'OK',
      stages: [
        ['verify', 'OK'],
        ['fetch', 'OK'],
        ['apply', 'OK'],
      ],
    };
  }

  /** Starts the trial of what {@link run} staged. */
  async begin(stages: [Stage, StageCode][]): Promise<void> {
    const { pending } = this.#p.store.state;
    demand(pending?.phase === 'staged', 'INTERNAL', 'nothing is staged');
    await beginTrial(this.#p, pending, stages);
  }

  /** What the journal holds of this very release and branch, or a fresh start. */
  #pendingFor(release: Verified<Release>): Pending {
    const { manifest, manifestDigest, releaseLeaf, rollout, branch } = release;
    const stored = this.#p.store.state.pending;
    const slot = other(this.#p.boot.running());
    const same = stored && equal(stored.manifestDigest, manifestDigest) && stored.slot === slot;
    if (same && (stored.phase === 'staged' || equal(stored.chainHead, branch.payload.chainHead))) return stored;
    const { sequence, image, version, policy } = manifest;
    const fresh: Pending = {
      phase: 'fetching',
      ...{ sequence, manifestDigest, releaseLeaf, image, version, policy, slot },
      rolloutId: rollout.rolloutId,
      chainHead: branch.payload.chainHead,
      attempt: same ? stored.attempt : 0,
      attemptsMax: rollout.attemptsMax,
      progress: undefined,
      failure: undefined,
    };
    this.#p.store.commit({ pending: fresh });
    return fresh;
  }

  #isIntact({ slot, image }: Pending): boolean {
    return slotHolds(this.#p.slots[slot], image.bytes, this.#p.store.verifier.hash(), image.digest);
  }

  async #fetchAndApply(release: Verified<Release>, pending: Pending): Promise<void> {
    const { store, slots, workspace, asker, timer } = this.#p;
    const { payload } = release.branch;
    const { sha256 } = store.verifier;
    const application = new Application({
      release,
      workspace,
      old: slots[other(pending.slot)],
      oldImage: store.state.running.image,
      slot: slots[pending.slot],
      resume: pending.progress,
      save: (progress) => store.commit({ pending: { ...pending, progress } }),
    });
    const windowBytes = this.#p.windowBytes ?? WINDOW_FRAMES * (FRAME_BYTES[this.#p.memoryClass] + 32);
    const fetcher = new Fetcher({ sha256, timer, asker, payload, windowBytes, start: application.start });
    try {
      for (;;) {
        demand(this.#p.interrupted() === 'none', 'NOT_OPEN', 'another release or state is announced');
        const position = fetcher.position;
        const bytes = await fetcher.next();
        store.demandOpen();
        if (!bytes || !position) break;
        application.take(bytes, position);
        this.#p.progress(Math.min((position.index + 1) * payload.frameBytes, payload.bytes), payload.bytes);
      }
    } finally {
      fetcher.close();
    }
    application.finish();
    demandSlotDigest(
      slots[pending.slot],
      release.manifest.image.bytes,
      store.verifier.hash(),
      release.manifest.image.digest,
    );
  }
}
