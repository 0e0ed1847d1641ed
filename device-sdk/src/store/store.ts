/** The state of a device, over its journal. Every change is one record: after a power cut all of it holds, or nothing. */
import { Refusal } from '../errors.ts';
import type { Flash, Verifier } from '../ports.ts';
import { Journal } from './journal.ts';
import { type Change, entriesOf, load } from './records.ts';
import type { State } from './state.ts';

/** Thrown by work that goes on after {@link Store.close}. Not a refusal: it only unwinds. */
export class Closed extends Error {}

/** More logins than any bank of the journal can have counted; a device may skip them a thousand million times. */
const LOGINS_SKIPPED = 2 ** 20;

/** Two stores on one flash would write over each other's records: the newer one closes the older. */
const open = new WeakMap<Flash, Store>();

export class Store {
  readonly #journal: Journal;
  readonly #verifier: Verifier;
  #state: State;
  #closed = false;

  private constructor(flash: Flash, journal: Journal, verifier: Verifier, state: State) {
    open.get(flash)?.close();
    open.set(flash, this);
    this.#journal = journal;
    this.#verifier = verifier;
    this.#state = state;
  }

  /** @throws Refusal BAD_STATE where the device was never provisioned or its store is damaged */
  static open(flash: Flash, verifier: Verifier): Store {
    const journal = Journal.open(flash);
    const state = loadWhole(journal, verifier);
    return new Store(flash, journal, verifier, journal.fellBack ? fallenBack(state) : state);
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  get verifier(): Verifier {
    return this.#verifier;
  }

  /** Writes a change as one record and only then believes it. */
  commit(change: Change): void {
    this.demandOpen();
    const before = this.#state;
    const { damaged, counters } = before;
    // The first record after a fall back makes the journal look whole again: what it has cost goes with it.
    const whole = this.#journal.fellBack ? { damaged, counters, ...change } : change;
    this.#journal.put(entriesOf(whole, before.outbox));
    this.#state = { ...before, ...change };
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From now on every commit throws {@link Closed}: after a power cut no continuation of old work may touch flash. */
  close(): void {
    this.#closed = true;
  }

  demandOpen(): void {
    if (this.#closed) throw new Closed('the device has been stopped');
  }
}

/** Logins may have been counted since: a server takes each number once, and gaps do not matter to it. */
function fallenBack(state: State): State {
  const { counters } = state;
  return { ...state, damaged: true, counters: { ...counters, login: counters.login + LOGINS_SKIPPED } };
}

/** Whatever is wrong with a store has one name: its bytes are ours, and nobody can send better ones. */
function loadWhole(journal: Journal, verifier: Verifier): State {
  try {
    return load(journal, verifier);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new Refusal('BAD_STATE', `the store is damaged: ${error.message}`, { cause: error });
  }
}
