/** What a gateway remembers of a target that somebody else's installer updates. */
import { existsSync, readFileSync } from 'node:fs';
import { CODES, type Code, Refusal } from '../src/errors.ts';
import { replaceFile } from './durable.ts';

export interface TargetState {
  /** SHA-256 of the image that the target has, as far as we know; of several components one behind another. */
  has: string | null;
  /** A hand-over is under way, under this mark. */
  mark: string | null;
  /** A confirmation that the target has not taken yet. */
  owes: boolean;
  /** Why the last trial was given up. */
  reason: Code | null;
}

const NOTHING: TargetState = { has: null, mark: null, owes: false, reason: null };

export class TargetRecord {
  readonly #path: string;
  #state: TargetState;

  /** @throws Refusal BAD_STORE */
  constructor(path: string) {
    this.#path = path;
    this.#state = existsSync(path) ? readState(path) : NOTHING;
  }

  get state(): Readonly<TargetState> {
    return this.#state;
  }

  /** On the disk when it returns. */
  change(part: Partial<TargetState>): void {
    const next = { ...this.#state, ...part };
    replaceFile(this.#path, Buffer.from(JSON.stringify(next)));
    this.#state = next;
  }
}

function readState(path: string): TargetState {
  try {
    const { has, mark, owes, reason } = JSON.parse(readFileSync(path, 'utf8')) as TargetState;
    const texts = [has, mark].every((text) => text === null || /^[0-9a-f]+$/.test(text));
    const known = reason === null || CODES.includes(reason);
    if (texts && known && typeof owes === 'boolean') return { has, mark, owes, reason };
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} cannot be read`, { cause });
  }
  throw new Refusal('BAD_STORE', `${path} is no record of a target`);
}
