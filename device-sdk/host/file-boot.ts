/**
 * Boot control in a file, for a gateway whose "firmware" is what a supervisor starts from one of two slots. The process
 * that starts it calls {@link FileBoot.boot} before anything else; the rest is the SDK's.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Refusal } from '../src/errors.ts';
import type { BootControl, SlotNumber } from '../src/ports.ts';
import { replaceFile } from './durable.ts';

interface BootRecord {
  good: SlotNumber;
  trial: SlotNumber | null;
  /** Starts of the slot on trial; counted before the jump. */
  attempts: number;
  unbootable: [boolean, boolean];
}

const FACTORY: BootRecord = { good: 0, trial: null, attempts: 0, unbootable: [false, false] };

export interface FileBootOptions {
  /** Called by `restart()`: end the process and let the supervisor start it again. Default: nothing. */
  restart?: () => void;
  /** Starts of a slot on trial before the old one comes back. Default 1. */
  attemptsMax?: number;
  /** Makes the slot the one that is started. Called by `boot()` once the attempt is on the disk; it may be repeated. */
  jump?: (slot: SlotNumber) => void;
}

export class FileBoot implements BootControl {
  readonly #path: string;
  readonly #options: FileBootOptions;
  #record: BootRecord;
  #running: SlotNumber | undefined;

  /** @throws Refusal BAD_STORE for a record that is damaged */
  constructor(path: string, options: FileBootOptions = {}) {
    this.#path = path;
    this.#options = options;
    this.#record = existsSync(path) ? readRecord(path) : FACTORY;
  }

  /** Decides which slot runs now. @throws Refusal BOOT_FAILED when neither slot may run */
  boot(): SlotNumber {
    const slot = this.#decide();
    this.#options.jump?.(slot);
    this.#running = slot;
    return slot;
  }

  running(): SlotNumber {
    if (this.#running === undefined) throw new TypeError('call boot() first');
    return this.#running;
  }

  onTrial(): boolean {
    return this.#record.trial === this.running();
  }

  setTrial(slot: SlotNumber): void {
    if (slot === this.running()) throw new RangeError(`slot ${slot} is running`);
    this.#change({ trial: slot, attempts: 0, unbootable: marked(this.#record.unbootable, slot, false) });
  }

  confirm(): void {
    if (this.onTrial()) this.#change({ good: this.running(), trial: null, attempts: 0 });
  }

  /** A trial of this slot that has not begun is over with it. */
  markUnbootable(slot: SlotNumber): void {
    const { good, trial, unbootable } = this.#record;
    if (slot === good) throw new RangeError(`slot ${slot} is the one to go back to`);
    const ended = trial === slot ? { trial: null, attempts: 0 } : {};
    if (trial === slot || !unbootable[slot]) this.#change({ ...ended, unbootable: marked(unbootable, slot, true) });
  }

  /** The trial that runs has ended, whatever attempts it has left; the next `boot()` goes back. */
  giveUp(): void {
    if (this.onTrial()) this.markUnbootable(this.running());
  }

  restart(): void {
    this.#options.restart?.();
  }

  #decide(): SlotNumber {
    const { trial, attempts, good, unbootable } = this.#record;
    if (trial !== null && attempts < (this.#options.attemptsMax ?? 1)) {
      // Before the jump: an image that hangs, or takes the power with it, has used its attempt.
      this.#change({ attempts: attempts + 1 });
      return trial;
    }
    if (trial !== null) this.#change({ trial: null, attempts: 0, unbootable: marked(unbootable, trial, true) });
    if (this.#record.unbootable[good]) throw new Refusal('BOOT_FAILED', 'no slot may be booted');
    return good;
  }

  #change(part: Partial<BootRecord>): void {
    const next = { ...this.#record, ...part };
    replaceFile(this.#path, Buffer.from(JSON.stringify(next)));
    this.#record = next;
  }
}

function marked(unbootable: readonly [boolean, boolean], slot: SlotNumber, value: boolean): [boolean, boolean] {
  return slot === 0 ? [value, unbootable[1]] : [unbootable[0], value];
}

function readRecord(path: string): BootRecord {
  try {
    const record = JSON.parse(readFileSync(path, 'utf8')) as BootRecord;
    const slots = [record.good, record.trial ?? 0].every((slot) => slot === 0 || slot === 1);
    const flags = Array.isArray(record.unbootable) && record.unbootable.length === 2;
    if (slots && flags && Number.isInteger(record.attempts)) return record;
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
  throw new Refusal('BAD_STORE', `${path} is no boot record`);
}
