/**
 * A target that is updated by somebody else's installer (mcumgr, rauc, swupdate, a script), as boot control: the slots
 * are this gateway's own copies of images, and "to boot a slot" means to make the target run what is in it, all components
 * by one call of the installer. Attempts are
 * counted in boot.json before anything is done; how an image is handed over is target-installer.ts.
 */
import { join } from 'node:path';
import { type Code, Refusal } from '../src/errors.ts';
import { placesOf } from '../src/fetch/target.ts';
import type { ReleaseImage } from '../src/format/suit.ts';
import type { BootControl, SlotNumber, Timer, TwoSlots } from '../src/ports.ts';
import type { State } from '../src/store/state.ts';
import { makeFolder } from './durable.ts';
import { FileBoot, type FileBootOptions } from './file-boot.ts';
import { Closed, type InstallerOptions, TargetInstaller } from './target-installer.ts';
import { TargetRecord } from './target-record.ts';

export interface CommandBootOptions extends InstallerOptions, Omit<FileBootOptions, 'jump'> {
  slots: TwoSlots;
  timer: Timer;
}

/** What may be otherwise the next time: the trial goes on as long as it has attempts. */
const PASSING: ReadonlySet<Code> = new Set(['UNREACHABLE', 'BUSY']);

/** Between attempts that a busy target refused, and between confirmations that failed; doubling. */
const AGAIN_MS = 1_000;
const AGAIN_MS_MAX = 60_000;
/** An image that runs into trouble with its first start is tried again: a cut explains one, a busy target another. */
const ATTEMPTS_MAX = 3;

/** What the journal says about images in slots. */
export type SlotState = Pick<State, 'running' | 'pending' | 'handover'>;

export class CommandBoot implements BootControl {
  readonly #options: CommandBootOptions;
  readonly #boot: FileBoot;
  readonly #record: TargetRecord;
  readonly #installer: TargetInstaller;
  #cancel: (() => void) | undefined;

  /** @throws Refusal BAD_STORE for damaged records; RangeError where nothing would verify the result */
  constructor(options: CommandBootOptions) {
    const { folder } = options;
    makeFolder(folder);
    this.#options = options;
    this.#boot = new FileBoot(join(folder, 'boot.json'), { attemptsMax: ATTEMPTS_MAX, ...options });
    this.#record = new TargetRecord(join(folder, 'target.json'));
    this.#installer = new TargetInstaller(options, this.#record);
  }

  /**
   * Decides what the target is to run, and makes it so: the new image while its trial has attempts left, else the old
   * one. Call it after the device was made and before it is started.
   * @throws Refusal BOOT_FAILED and the like where the target does not even take the old image: try again later; Closed
   */
  async boot(state: SlotState): Promise<SlotNumber> {
    for (let waitMs = AGAIN_MS; ; waitMs = Math.min(2 * waitMs, AGAIN_MS_MAX)) {
      const slot = this.#boot.boot();
      const { image, version } = releaseIn(slot, state);
      const code = await this.#installer.give(placesOf(this.#options.slots, slot, image), version);
      if (code === undefined) break;
      if (!this.#boot.onTrial()) throw new Refusal(code, 'the target does not take the image that it should run');
      // The reason first: a cut behind it finds a trial that has ended and why.
      this.#record.change({ reason: code });
      if (PASSING.has(code)) await this.#wait(waitMs);
      else this.#boot.giveUp();
    }
    this.#pay();
    return this.running();
  }

  running(): SlotNumber {
    return this.#boot.running();
  }

  onTrial(): boolean {
    return this.#boot.onTrial();
  }

  setTrial(slot: SlotNumber): void {
    this.#record.change({ reason: null });
    this.#boot.setTrial(slot);
  }

  /** What is owed to the target is written down first, and paid until the target has taken it. */
  confirm(): void {
    if (this.onTrial()) this.#record.change({ owes: true, reason: null });
    this.#boot.confirm();
    this.#pay();
  }

  /** What was known of the last trial has been reported by now; it must not be said of the next one. */
  markUnbootable(slot: SlotNumber): void {
    this.#boot.markUnbootable(slot);
    if (this.#record.state.reason !== null) this.#record.change({ reason: null });
  }

  restart(): void {
    this.#boot.restart();
  }

  reason(): Code | undefined {
    return this.#record.state.reason ?? undefined;
  }

  /** Ends what runs and the attempts to confirm; all of it begins again with the next boot. */
  close(): void {
    this.#installer.close();
    this.#cancel?.();
  }

  #pay(waitMs = AGAIN_MS): void {
    if (!this.#record.state.owes || this.#installer.closed) return;
    const later = () => {
      this.#cancel = this.#options.timer.after(waitMs, () => this.#pay(Math.min(2 * waitMs, AGAIN_MS_MAX)));
    };
    this.#installer.confirm().then(
      (taken) => (taken ? this.#record.change({ owes: false }) : later()),
      (error: unknown) => {
        if (!(error instanceof Closed)) later();
      },
    );
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.timer.after(ms, resolve);
    });
  }
}

/** @throws Refusal BAD_STATE where the journal knows no image in this slot */
function releaseIn(slot: SlotNumber, state: SlotState): { image: ReleaseImage; version: string } {
  const { running, pending, handover } = state;
  const tried = pending?.phase === 'fetching' ? undefined : pending;
  const found = [tried, running, handover?.former].find((known) => known?.slot === slot);
  if (!found) throw new Refusal('BAD_STATE', `the journal knows no image in slot ${slot}`);
  return found;
}
