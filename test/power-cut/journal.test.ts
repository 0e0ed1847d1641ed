import { Journal } from '@countersign/device-sdk/install';
import { PowerCut, PowerCutter, Prng, VirtualFlash } from '@countersign/device-sdk/rig';
import test from 'ava';
import {
  cutEverywhere,
  cutTwice,
  GEOMETRIES,
  type Geometry,
  judge,
  lifeOf,
  options,
  phaseOf,
  run,
  type State,
  same,
  stateOf,
  statesOf,
} from '../support/journal-life.ts';

for (const geometry of GEOMETRIES) {
  const name = `${geometry.writeBytes}-byte units, ${geometry.eraseBytes}-byte blocks`;

  test(`a cut before, during or after every operation leaves the old or the new state (${name})`, (t) => {
    const kept = cutEverywhere(geometry, lifeOf(name, geometry.bytes > 20_000 ? 12 : 36), 7);
    t.log(`${kept.length} cuts`);
    t.deepEqual([...new Set(kept)].sort(), [0, 1]);
  });

  test(`a second cut at any operation of the recovery changes nothing about that (${name})`, (t) => {
    const pairs = cutTwice(geometry, lifeOf(`twice ${name}`, 14), name);
    t.log(`twice ${pairs} cuts`);
    t.true(pairs > 50);
  });
}

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
  t.log(`${cuts} cuts`);
  t.true(cuts > 40);
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
