/**
 * From a verified release to an image in the other slot, or with one slot to a container in the staging area: frames proven, decoded, written, read back. Progress is
 * journaled at the decoder's checkpoints; after a power cut the same announcement, verified anew, goes on from there.
 *
 *   journal: fetching, no progress
 *   frames → decoder → slot        cut here: from the last checkpoint, or from the start
 *   journal: progress              one record: next frame, its hash, checkpoint, what is durable in the slot
 *   read back and compare
 *   journal: staged                cut here: the slot is read back again and goes to its trial
 */
import type { DecoderPart } from '../delta/parts.ts';
import type { Tell } from '../device-ports.ts';
import { type Code, codeOf, demand, Refusal } from '../errors.ts';
import type { Asker } from '../fetch/asker.ts';
import { Fetcher } from '../fetch/fetcher.ts';
import { type FrameTaker, holds, isOneSlot, pairOf, targetOf } from '../fetch/target.ts';
import { equal } from '../format/bytes.ts';
import { FRAME_BYTES } from '../format/frames.ts';
import type { Stage, StageCode } from '../format/report.ts';
import { type ImageId, type MemoryClass, type Payload, releaseImage } from '../format/suit.ts';
import type { TwoSlots, VetoStage } from '../ports.ts';
import type { Pending, Progress } from '../store/pending.ts';
import { demandSlotDigest, other, SlotWriter, slotHolds } from '../store/slots.ts';
import { addFailure, type InPlace, type Spent } from '../store/state.ts';
import { readChunks } from '../store/units.ts';
import { nameOf } from '../verify/applies.ts';
import type { Release, Step, Verified } from '../verify/types.ts';
import { Application, type ApplicationOptions } from './application.ts';
import { beginTrial, type TrialPorts } from './trial.ts';

export interface InstallerPorts extends TrialPorts {
  asker: Asker;
  workspace: Uint8Array;
  memoryClass: MemoryClass;
  decoders?: readonly DecoderPart[] | undefined;
  windowBytes?: number;
  tell: Tell;
  /** Runs work of a timer: what it throws must not reach the timer. */
  guard(work: () => void): void;
}

/** Whom an install asks before it goes on. */
export interface Asked {
  /** Between frames. @throws Refusal NOT_OPEN where another release or state is announced */
  goOn(): void;
  /** Before frames are fetched, and before the slot is written. @throws Refusal VETO */
  consent(stage: VetoStage): Promise<void>;
}

/** Frames that wait for their predecessor: enough to keep the link busy, few enough for a small device. */
export const WINDOW_FRAMES = 4;

/** Times that a fetch may start, spend bytes and be lost again before the next checkpoint: a cap on what it costs. */
export const SESSIONS_MAX = 16;

/**
 * Bytes of frames that a rollout may cost a device, in sizes of the payloads that it fetches. A quiet update costs one;
 * every restart costs the frames since the last checkpoint once more, and the model section. In the worst weather of the
 * simulator (simulate --virtual --chaos) the dearest of 436 updates cost 8. Time does not open this cap, or a bad night
 * would be paid for every night: a new rollout does, or an operator's word.
 */
export const SPENT_FACTOR = 24;
/** A few lying fetches of the dearest kind (fetcher.ts), so that one alone does not use up all of a small payload's. */
export const SPENT_BYTES_MIN = 262_144;

/** Failures that say something against a branch; link faults do not count. */
const COUNTED: ReadonlySet<Code> = new Set([
  'BAD_DELTA',
  'RESULT_MISMATCH',
  'WRONG_BASE',
  'UNSUPPORTED',
  'NO_MEMORY',
  'NO_SPACE',
  'NO_STAGING',
  'FLASH_FAULT',
]);

/** A release that has used up its fetches gets one more chance after this long. */
const FORGIVE_MS = 86_400_000;

/** What no delta starts from: a component of which the device does not know what runs. */
const NONE: ImageId = { digest: new Uint8Array(32), bytes: 0 };

export interface Outcome {
  code: 'OK' | Code;
  stages: [Stage, StageCode][];
}

export class Installer {
  readonly #p: InstallerPorts;
  #cancelForgive: (() => void) | undefined;
  /** Ahead of the journal by what came since its last record: it is written with the next one, so it wears nothing. */
  #spent: Spent | undefined;
  #spentMax = 0;

  constructor(ports: InstallerPorts) {
    this.#p = ports;
    this.#spent = ports.store.state.spent;
  }

  /**
   * Puts the release into the other slot, verified by reading it back.
   * @returns OK, or a counted failure of this branch
   * @throws Refusal VETO, LINK_LOST, BAD_FRAME, NOT_OPEN, CAP_REACHED and the server's hints: nothing is counted against the
   * branch, progress is kept
   */
  async run(release: Verified<Release>, asked: Asked): Promise<Outcome> {
    const { store, slots } = this.#p;
    const { phase } = this.#pendingFor(release);
    const bytes = release.steps.reduce((sum, { branch }) => sum + (branch?.payload.bytes ?? 0), 0);
    this.#spentMax = Math.max(SPENT_BYTES_MIN, SPENT_FACTOR * bytes);
    try {
      if (phase === 'staged') return { code: 'OK', stages: [['apply', 'OK']] };
      for (const step of release.steps) await this.#take(step, release.steps.length > 1, asked);
    } catch (error) {
      const code = error instanceof Refusal ? codeOf(error) : undefined;
      if (!code || !COUNTED.has(code)) throw error;
      const { failed: before, pending } = store.state;
      const failed = addFailure(before, pending!.chainHead);
      store.commit({ pending: undefined, failed });
      return { code, stages: [['apply', code]] };
    }
    // Only now is there anything to try: every component lies in its slot, proven.
    store.commit({
      pending: { ...store.state.pending!, phase: 'staged', progress: undefined },
      ...(isOneSlot(slots) && { inPlace: staged(release.steps[0]!.branch!.payload) }),
    });
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

  /** Opens the cap on fetching again: a day that has passed; or an operator's word, which opens that on bytes as well. */
  forgive(bytesToo = true): void {
    const { pending } = this.#p.store.state;
    if (bytesToo) this.#spent = undefined;
    this.#p.store.commit({ pending: pending && { ...pending, sessions: 0 }, spent: this.#spent });
  }

  close(): void {
    this.#cancelForgive?.();
  }

  /**
   * Counts what has come. What a branch may cost stays allowed when a smaller one is chosen: what a whole image has cost
   * would else use up all that its delta may.
   * @returns why no more may
   */
  #spend(rolloutId: Uint8Array, bytes: number): Refusal | undefined {
    const before = this.#spent && equal(this.#spent.rolloutId, rolloutId) ? this.#spent : { bytes: 0, max: 0 };
    const spent = { rolloutId, bytes: before.bytes + bytes, max: Math.max(before.max, this.#spentMax) };
    this.#spent = spent;
    if (spent.bytes < spent.max) return undefined;
    // A device that stops must not forget at its next start that it has.
    if (bytes) this.#p.store.commit({ spent });
    return new Refusal('CAP_REACHED', `${spent.bytes} bytes of frames have come, ${spent.max} may`);
  }

  #demandSession({ sessions }: Pending): void {
    if (sessions < SESSIONS_MAX) return;
    this.#cancelForgive ??= this.#p.timer.after(FORGIVE_MS, () => {
      this.#cancelForgive = undefined;
      this.#p.guard(() => this.forgive(false));
    });
    throw new Refusal('CAP_REACHED', `${SESSIONS_MAX} fetches were lost before a checkpoint`);
  }

  #keep(pending: Pending): void {
    this.#p.store.commit({ pending, spent: this.#spent });
  }

  /** What the journal holds of this very release, rollout and branch, or as much of it as is of use. */
  #pendingFor(release: Verified<Release>): Pending {
    const { manifest, manifestDigest, releaseLeaf, rollout, steps } = release;
    const stored = this.#p.store.state.pending;
    const slot = targetOf(this.#p.slots, this.#p.boot.running());
    const same = stored && equal(stored.manifestDigest, manifestDigest) && stored.slot === slot;
    const usable = same && (stored.phase === 'staged' ? this.#isIntact(stored) : isOf(stored, steps));
    if (usable && equal(stored.rolloutId, rollout.rolloutId)) return stored;
    const { sequence, version, policy } = manifest;
    const next: Pending = {
      phase: usable ? stored.phase : 'fetching',
      ...{ sequence, manifestDigest, releaseLeaf, image: releaseImage(manifest), version, policy, slot },
      rolloutId: rollout.rolloutId,
      // What is staged stays the container of the branch it came by, whichever one a new rollout would choose.
      chainHead: usable ? stored.chainHead : nameOf(steps[0]!),
      attempt: same ? stored.attempt : 0,
      attemptsMax: rollout.attemptsMax,
      sessions: same && equal(stored.rolloutId, rollout.rolloutId) ? stored.sessions : 0,
      progress: usable ? stored.progress : undefined,
      failure: undefined,
    };
    this.#p.store.commit({ pending: next, ...(!usable && isOneSlot(this.#p.slots) && { inPlace: undefined }) });
    return next;
  }

  #isIntact({ slot, image, chainHead }: Pending): boolean {
    const { slots, store } = this.#p;
    const { inPlace } = store.state;
    if (isOneSlot(slots))
      return inPlace !== undefined && slots.isStaged({ ...inPlace, chainHead }, store.verifier.sha256);
    return holds(this.#p, slot, image);
  }

  /** One component. Of several, one that lies in its slot already is left alone: after a cut, all that were finished. */
  async #take(step: Step, several: boolean, asked: Asked): Promise<void> {
    const { store, slots } = this.#p;
    const { pending } = store.state;
    demand(pending, 'INTERNAL', 'nothing is under way');
    const { image, branch } = step;
    const flash = several && pairOf(slots as TwoSlots, step.id)[pending.slot];
    if (flash && slotHolds(flash, image.bytes, store.verifier.hash(), image.digest)) return;
    const name = nameOf(step);
    const same = equal(pending.chainHead, name);
    const next = same ? pending : { ...pending, chainHead: name, sessions: 0, progress: undefined };
    if (!same) store.commit({ pending: next });
    if (branch) return this.#fetchAndApply(step, branch.payload, next, asked);
    await asked.consent('install');
    this.#copy(step, next);
  }

  /** An image that stays: from the slot that runs. It is read back, so what has decayed there does not spread. */
  #copy({ id, image }: Step, { slot }: Pending): void {
    const { store, slots } = this.#p;
    const pair = pairOf(slots as TwoSlots, id);
    const writer = new SlotWriter(pair[slot], image.bytes);
    readChunks(pair[other(slot)], 0, image.bytes, (chunk) => writer.write(chunk));
    writer.finish();
    demandSlotDigest(pair[slot], image.bytes, store.verifier.hash(), image.digest);
  }

  async #fetchAndApply(step: Step, payload: Payload, pending: Pending, asked: Asked): Promise<void> {
    const { store, asker, timer } = this.#p;
    const { sha256 } = store.verifier;
    this.#demandSession(pending);
    const spend = (bytes: number) => this.#spend(pending.rolloutId, bytes);
    const refusal = spend(0);
    if (refusal) throw refusal;
    await asked.consent('fetch');
    // Frames are written as they come, so the owner's last word about the slot is due before the first is asked for.
    await asked.consent('install');
    const application = this.#open(step, payload, pending);
    const windowBytes = this.#p.windowBytes ?? WINDOW_FRAMES * (FRAME_BYTES[this.#p.memoryClass] + 32);
    const { route } = application;
    const fetcher = new Fetcher({ sha256, timer, asker, payload, windowBytes, route, spend });
    let begun = false;
    try {
      for (;;) {
        asked.goOn();
        const position = fetcher.position;
        const bytes = await fetcher.next();
        store.demandOpen();
        if (!bytes || !position) break;
        // From here on it costs bytes, and is counted before it does: a device that loses power each time stops, too.
        if (!begun) this.#keep({ ...pending, sessions: pending.sessions + 1 });
        begun = true;
        application.take(bytes, position, fetcher.position);
        const done = Math.min((position.index + 1) * payload.frameBytes, payload.bytes);
        this.#p.tell({ kind: 'progress', bytes: done, of: payload.bytes });
      }
    } finally {
      fetcher.close();
    }
    application.finish();
  }

  /** Whatever takes frames: a decoder and the other slot, or the staging area. */
  #open({ id, image, running = NONE }: Step, payload: Payload, pending: Pending): FrameTaker {
    const { store, slots, workspace, decoders = [] } = this.#p;
    const common = {
      ...{ payload, workspace, decoders },
      newImage: image,
      oldImage: running,
      hash: () => store.verifier.hash(),
      sha256: store.verifier.sha256,
      resume: pending.progress,
      save: (progress: Progress) => this.#keep({ ...pending, progress, sessions: 0 }),
    };
    if (isOneSlot(slots)) return slots.stage(common);
    const pair = pairOf(slots, id);
    return openApplication({ ...common, old: pair[other(pending.slot)], slot: pair[pending.slot] });
  }
}

/** What the journal keeps of a container beside its chain head. */
function staged({ bytes, frameBytes, frameCount }: Payload): InPlace {
  const begun = { done: 0, copying: false, checkpoint: new Uint8Array(), written: false, boots: 0 };
  return { bytes, frameBytes, frameCount, ...begun };
}

/** A checkpoint that cannot be read, of an older build perhaps, costs the bytes before it and nothing else. */
function openApplication(options: ApplicationOptions): Application {
  try {
    return new Application(options);
  } catch (error) {
    if (!options.resume || !(error instanceof Refusal)) throw error;
    return new Application({ ...options, resume: undefined });
  }
}

function isOf(pending: Pending, steps: readonly Step[]): boolean {
  return steps.some((step) => equal(pending.chainHead, nameOf(step)));
}
