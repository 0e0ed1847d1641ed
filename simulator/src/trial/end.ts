/** How a device of a trial ended, by what it did and by what lies in its flash, read past its own code. */
import type { Code } from '@countersign/device-sdk';
import { equal } from '@countersign/device-sdk/format';
import { bootPasses, bootRegion, findDescriptor, passesSelfTest, restart } from '@countersign/device-sdk/rig';
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';

/** In a healed world a refusal after which nothing is done for so long is the device's last word. */
const LAST_WORD_MS = 600_000;

export interface Expected {
  sequence: number;
  manifestDigest: Uint8Array;
  /** The application first. */
  parts: readonly ExpectedPart[];
}

export interface ExpectedPart {
  id: string;
  image: Uint8Array;
  base: Uint8Array;
}

/** Watches one device until it has an end. */
export class Ending {
  readonly device: VirtualDevice;
  readonly #expected: Expected;
  readonly #elapsedMs: () => number;
  #refused: { code: Code; sinceMs: number } | undefined;
  /** Of the last stage that went wrong: what FAILED_BEFORE is about. */
  #failure: Code | undefined;
  #healed = false;

  constructor(device: VirtualDevice, expected: Expected, elapsedMs: () => number) {
    this.device = device;
    this.#expected = expected;
    this.#elapsedMs = elapsedMs;
  }

  see(change: Change): void {
    if (change.kind === 'stage') this.#refused = undefined;
    if (change.kind === 'stage' && change.code !== 'OK') this.#failure = change.code as Code;
    if (change.kind !== 'refused') return;
    this.#refused = { code: change.code, sinceMs: this.#refused?.sinceMs ?? this.#elapsedMs() };
  }

  /**
   * What is refused among losses and lies says nothing about the release. Switched off and on again, a device has
   * forgotten it, and says anew what it will not take.
   */
  heal(): void {
    const { done } = this;
    this.#healed = true;
    this.device.board.power.disarm();
    if (done) return;
    this.#refused = undefined;
    this.device.powerCycle();
  }

  get done(): boolean {
    const { stuck, idle } = this.device;
    if (stuck !== undefined) return true;
    if (!idle) return false;
    const refused = this.#refused && this.#elapsedMs() - this.#refused.sinceMs >= LAST_WORD_MS;
    return this.#outcome !== undefined || (this.#healed && refused === true);
  }

  /** @returns OK on the new release, confirmed and whole in flash, every component; else the code of the reason */
  judge(): Code | 'OK' {
    const { stuck, board } = this.device;
    if (stuck !== undefined) return 'BOOT_FAILED';
    board.power.disarm(); // looking on is no operation that a power cut could hit
    const outcome = this.#outcome;
    const held = outcome === 'updated' ? this.#heldNew() : this.#heldEither();
    if (!held) return 'RESULT_MISMATCH';
    if (outcome === 'updated') {
      return bootPasses(board.boot.booted, this.device.profile.revision) ? 'OK' : 'SELF_TEST_FAILED';
    }
    if (outcome === 'reverted') return this.#revertCode;
    const code = this.#refused?.code ?? 'TRIAL_TIMEOUT';
    return code === 'FAILED_BEFORE' ? (this.#failure ?? code) : code;
  }

  /**
   * How each component ended, from what lies in its slot and from its own self-test.
   * @param whole what {@link judge} said
   * @returns OK where the release's image runs; SELF_TEST_FAILED of those alone that failed, NOT_CURRENT of one that was
   * taken back with another; else what the whole device ended with
   */
  judgeParts(whole: Code | 'OK'): (Code | 'OK')[] {
    const { parts } = this.#expected;
    if (this.device.stuck !== undefined) return parts.map(() => 'BOOT_FAILED');
    const { revision } = this.device.profile;
    const blamed = whole === 'SELF_TEST_FAILED';
    const failing = parts.map(({ image }) => blamed && !passesSelfTest(findDescriptor(image), revision));
    return parts.map(({ image, base }, i): Code | 'OK' => {
      if (failing[i]) return 'SELF_TEST_FAILED';
      const region = this.#region(i);
      if (holds(region, image)) return 'OK';
      if (!holds(region, base)) return 'RESULT_MISMATCH';
      return failing.includes(true) || whole === 'RESULT_MISMATCH' || whole === 'OK' ? 'NOT_CURRENT' : whole;
    });
  }

  /** From what it stores: the power may go between its last record and the moment when it would have said so. */
  get #outcome(): 'updated' | 'reverted' | undefined {
    const { state, attempt } = this.device;
    if (attempt || !state) return attempt?.outcome;
    const { sequence, manifestDigest } = this.#expected;
    if (state.failed.some(({ digest }) => equal(digest, manifestDigest))) return 'reverted';
    return state.running.sequence === sequence && !state.pending ? 'updated' : undefined;
  }

  get #revertCode(): Code {
    const { state, attempt } = this.device;
    const told = state?.told.find(({ manifestDigest }) => equal(manifestDigest, this.#expected.manifestDigest));
    return (attempt?.code ?? told?.code ?? this.#failure ?? 'BOOT_FAILED') as Code;
  }

  #heldNew(): boolean {
    const { parts, sequence } = this.#expected;
    const booted = restart(this.device.board);
    const confirmed = !booted.trial && this.device.state?.running.sequence === sequence;
    return confirmed && parts.every(({ image }, i) => holds(this.#region(i), image));
  }

  /**
   * What was refused or reverted leaves the base, all components of it; with one slot it may also leave the new image,
   * whole. Never a mix.
   */
  #heldEither(): boolean {
    const { parts } = this.#expected;
    restart(this.device.board);
    const old = parts.every(({ base }, i) => holds(this.#region(i), base));
    return old || parts.every(({ image }, i) => holds(this.#region(i), image));
  }

  /** Where the loader boots from, of the application or of a further component. */
  #region(part: number): Region {
    const { board } = this.device;
    const own = bootRegion(board);
    if (part === 0 || 'slot' in board.slots) return own;
    return board.slots.components![part - 1]!.slots[own === board.slots[0] ? 0 : 1];
  }
}

type Region = ReturnType<typeof bootRegion>;

function holds(region: Region, image: Uint8Array): boolean {
  return image.length <= region.bytes && equal(region.dump(0, image.length), image);
}
