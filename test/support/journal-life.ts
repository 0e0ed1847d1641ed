import { Journal, type JournalEntries } from '@countersign/device-sdk/install';
import {
  CUT_PHASES,
  type CutPhase,
  PagePool,
  PowerCut,
  PowerCutter,
  Prng,
  VirtualFlash,
} from '@countersign/device-sdk/rig';

/** A journal's life under power cuts: what the quick and the long tests share. */

/** Smallest and largest write and erase units, a bank of one block and of several, and more banks than two. */
export const GEOMETRIES = [
  { writeBytes: 1, eraseBytes: 512, bytes: 2048 },
  { writeBytes: 4, eraseBytes: 512, bytes: 2048 },
  { writeBytes: 8, eraseBytes: 1024, bytes: 2048 },
  { writeBytes: 8, eraseBytes: 512, bytes: 4096, bankBytes: 1024 },
  { writeBytes: 32, eraseBytes: 2048, bytes: 4096 },
  { writeBytes: 1, eraseBytes: 16384, bytes: 32768 },
  { writeBytes: 32, eraseBytes: 16384, bytes: 32768 },
] as const;

export type Geometry = (typeof GEOMETRIES)[number];
export type State = ReadonlyMap<number, string>;

export const options = (geometry: Geometry) => ('bankBytes' in geometry ? { bankBytes: geometry.bankBytes } : {});
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A life of puts: several keys at once, changes, removals, long values; enough to fill small banks several times. */
export function lifeOf(seed: string, puts: number): JournalEntries[] {
  const random = new Prng('life', seed);
  return Array.from({ length: puts }, () => {
    const keys = [...new Set(Array.from({ length: 1 + random.below(3) }, () => random.below(5)))];
    return keys.map((key) => [key, random.oneIn(5) ? undefined : random.bytes(random.below(90))] as const);
  });
}

function after(state: State, entries: JournalEntries): State {
  const next = new Map(state);
  for (const [key, value] of entries) {
    if (value === undefined) next.delete(key);
    else next.set(key, hex(value));
  }
  return next;
}

export function stateOf(journal: Journal): State {
  return new Map(journal.keys().map((key) => [key, hex(journal.get(key)!)]));
}

export const same = (a: State, b: State) => a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

/** Runs puts until the power goes. @returns how many were done before the one that was interrupted. */
export function run(flash: VirtualFlash, geometry: Geometry, life: JournalEntries[], restartEvery: number): number {
  let done = 0;
  try {
    let journal = Journal.open(flash, options(geometry));
    for (const entries of life) {
      if (done % restartEvery === restartEvery - 1) journal = Journal.open(flash, options(geometry));
      journal.put(entries);
      done++;
    }
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  return done;
}

/** After a cut: the state is the one before or after the interrupted put. @returns 0 for before, 1 for after. */
export function judge(flash: VirtualFlash, geometry: Geometry, states: State[], done: number): number {
  flash.power.restorePower();
  const found = stateOf(Journal.open(flash, options(geometry)));
  if (same(found, states[done]!)) return 0;
  if (done + 1 < states.length && same(found, states[done + 1]!)) return 1;
  throw new Error(`neither the state before put ${done} nor the one after it`);
}

export function statesOf(life: JournalEntries[]): State[] {
  const states: State[] = [new Map()];
  for (const entries of life) states.push(after(states.at(-1)!, entries));
  return states;
}

/**
 * Cuts the power before, during and after every operation of a life, then lets it go on to its end.
 * @returns for each cut whether the state found was the one before (0) or after (1) the interrupted put.
 */
export function cutEverywhere(geometry: Geometry, life: JournalEntries[], restartEvery: number): number[] {
  const pool = new PagePool();
  const states = statesOf(life);
  const make = (seed: string) => new VirtualFlash({ ...geometry, pool, power: new PowerCutter(seed) });
  const dry = make('dry');
  if (run(dry, geometry, life, restartEvery) !== life.length) throw new Error('the dry run was cut');
  const kept: number[] = [];
  for (let operation = 0; operation < dry.power.operations; operation++) {
    for (const phase of CUT_PHASES) {
      const flash = make(`${operation}`);
      flash.power.cutAt(operation, phase);
      const done = run(flash, geometry, life, restartEvery);
      if (!flash.power.off) throw new Error(`no cut at operation ${operation}`);
      kept.push(judge(flash, geometry, states, done));
      // Life goes on: every later put works, and the last state is the right one.
      const rest = life.slice(done);
      if (run(flash, geometry, rest, restartEvery) !== rest.length) throw new Error('cut again');
      const last = stateOf(Journal.open(flash, options(geometry)));
      if (!same(last, states.at(-1)!)) throw new Error(`another end after a cut ${phase} operation ${operation}`);
    }
  }
  return kept;
}

/** Cuts twice: at every operation of a life, and then at each of the first operations of the recovery. @returns pairs */
export function cutTwice(geometry: Geometry, life: JournalEntries[], seed: string): number {
  const pool = new PagePool();
  const states = statesOf(life);
  const dry = new VirtualFlash({ ...geometry, pool });
  run(dry, geometry, life, 5);
  const random = new Prng('pairs', seed);
  let pairs = 0;
  for (let first = 0; first < dry.power.operations; first++) {
    const once = new VirtualFlash({ ...geometry, pool, power: new PowerCutter(first, 'first') });
    once.power.cutAt(first, phaseOf(random));
    const done = run(once, geometry, life, 5);
    const start = done + judge(once, geometry, states, done);
    // The first put after the cut moves to another bank: an erase, a few writes, a header. Cut each of them.
    for (let second = 0; second < 5; second++) {
      const twice = once.fork(new PowerCutter(first, 'second', second));
      twice.power.cutAt(second, phaseOf(random));
      const more = run(twice, geometry, life.slice(start), 5);
      judge(twice, geometry, states.slice(start), more);
      pairs++;
    }
  }
  return pairs;
}

/** Tearing is the rich case, so it is drawn twice as often as each of the others. */
export const phaseOf = (random: Prng): CutPhase => CUT_PHASES[random.below(4)] ?? 'during';
