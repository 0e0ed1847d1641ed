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
import test from 'ava';

/** Smallest and largest write and erase units, a bank of one block and of several, and more banks than two. */
const GEOMETRIES = [
  { writeBytes: 1, eraseBytes: 512, bytes: 2048 },
  { writeBytes: 4, eraseBytes: 512, bytes: 2048 },
  { writeBytes: 8, eraseBytes: 1024, bytes: 2048 },
  { writeBytes: 8, eraseBytes: 512, bytes: 4096, bankBytes: 1024 },
  { writeBytes: 32, eraseBytes: 2048, bytes: 4096 },
  { writeBytes: 1, eraseBytes: 16384, bytes: 32768 },
  { writeBytes: 32, eraseBytes: 16384, bytes: 32768 },
] as const;

type Geometry = (typeof GEOMETRIES)[number];
type State = ReadonlyMap<number, string>;

const options = (geometry: Geometry) => ('bankBytes' in geometry ? { bankBytes: geometry.bankBytes } : {});
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** A life of puts: several keys at once, changes, removals, long values; enough to fill small banks several times. */
function lifeOf(seed: string, puts: number): JournalEntries[] {
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

function stateOf(journal: Journal): State {
  return new Map(journal.keys().map((key) => [key, hex(journal.get(key)!)]));
}

const same = (a: State, b: State) => a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);

/** Runs puts until the power goes. @returns how many were done before the one that was interrupted. */
function run(flash: VirtualFlash, geometry: Geometry, life: JournalEntries[], restartEvery: number): number {
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
function judge(flash: VirtualFlash, geometry: Geometry, states: State[], done: number): number {
  flash.power.restorePower();
  const found = stateOf(Journal.open(flash, options(geometry)));
  if (same(found, states[done]!)) return 0;
  if (done + 1 < states.length && same(found, states[done + 1]!)) return 1;
  throw new Error(`neither the state before put ${done} nor the one after it`);
}

function statesOf(life: JournalEntries[]): State[] {
  const states: State[] = [new Map()];
  for (const entries of life) states.push(after(states.at(-1)!, entries));
  return states;
}

for (const geometry of GEOMETRIES) {
  const name = `${geometry.writeBytes}-byte units, ${geometry.eraseBytes}-byte blocks`;

  test(`a cut before, during or after every operation leaves the old or the new state (${name})`, (t) => {
    const pool = new PagePool();
    const life = lifeOf(name, geometry.bytes > 20_000 ? 12 : 36);
    const states = statesOf(life);
    const make = (seed: string) => new VirtualFlash({ ...geometry, pool, power: new PowerCutter(seed) });
    const dry = make('dry');
    t.is(run(dry, geometry, life, 7), life.length);
    const kept: number[] = [];
    for (let operation = 0; operation < dry.power.operations; operation++) {
      for (const phase of CUT_PHASES) {
        const flash = make(`${operation}`);
        flash.power.cutAt(operation, phase);
        const done = run(flash, geometry, life, 7);
        t.true(flash.power.off);
        kept.push(judge(flash, geometry, states, done));
        // Life goes on: every later put works, and the last state is the right one.
        const rest = life.slice(done);
        if (run(flash, geometry, rest, 7) !== rest.length) t.fail('cut again');
        if (!same(stateOf(Journal.open(flash, options(geometry))), states.at(-1)!)) t.fail(`${operation} ${phase}`);
      }
    }
    t.deepEqual([...new Set(kept)].sort(), [0, 1]);
  });

  test(`a second cut at any operation of the recovery changes nothing about that (${name})`, (t) => {
    const pool = new PagePool();
    const life = lifeOf(`twice ${name}`, 14);
    const states = statesOf(life);
    const dry = new VirtualFlash({ ...geometry, pool });
    run(dry, geometry, life, 5);
    const random = new Prng('pairs', name);
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
    t.true(pairs > 50);
  });
}

const phaseOf = (random: Prng): CutPhase => CUT_PHASES[random.below(4)] ?? 'during';

test('power that fails at random for a whole life never loses a put that returned', (t) => {
  const geometry = GEOMETRIES[1];
  const random = new Prng('storm');
  const power = new PowerCutter('storm');
  const flash = new VirtualFlash({ ...geometry, power });
  const life = lifeOf('storm', 400);
  const states = statesOf(life);
  let done = 0;
  let cuts = 0;
  while (done < life.length) {
    power.cutAt(power.operations + random.below(25), phaseOf(random));
    const more = run(flash, geometry, life.slice(done), 1000);
    if (power.off) {
      cuts++;
      done += more + judge(flash, geometry, states.slice(done), more);
    } else done += more;
  }
  power.disarm();
  t.true(same(stateOf(Journal.open(flash)), states.at(-1)!));
  t.true(cuts > 40, `${cuts} cuts`);
});

test('a cut during formatting leaves the old state, nothing, or a region that formats again', (t) => {
  const geometry = GEOMETRIES[3];
  const life = lifeOf('format', 20);
  const full = statesOf(life).at(-1)!;
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    for (let operation = 0; operation < 4; operation++) {
      const power = new PowerCutter(seed);
      const old = new VirtualFlash(geometry);
      run(old, geometry, life, 6);
      const flash = old.fork(power);
      power.cutAt(operation, 'during');
      t.throws(() => Journal.format(flash, options(geometry)), { instanceOf: PowerCut });
      power.restorePower();
      outcomes.add(outcomeOf(flash, geometry, full));
      t.deepEqual(Journal.format(flash, options(geometry)).keys(), []);
    }
  }
  t.false(outcomes.has('other'), [...outcomes].join());
  t.true(outcomes.has('old'));
});

function outcomeOf(flash: VirtualFlash, geometry: Geometry, full: State): string {
  try {
    const found = stateOf(Journal.open(flash, options(geometry)));
    return same(found, full) ? 'old' : found.size === 0 ? 'empty' : 'other';
  } catch (error) {
    return (error as { code?: string }).code === 'BAD_STATE' ? 'BAD_STATE' : 'other';
  }
}
