/** The tool that removes checks: it finds them, changes nothing by itself, and its list names checks that exist. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { repository } from '../support/repository.ts';
import { instrument } from './instrument.ts';
import { sampleOf } from './sample.ts';
import { hasGuards, pathOf } from './scope.ts';
import { SURVIVORS } from './survivors.ts';
import { Switches } from './switches.ts';

const CODE = `
function demand(held) { if (!held) throw new Refusal('no'); }
class Refusal extends Error {}
class Box {
  take(n) {
    demand(n > 0, 'MALFORMED', 'none');
    if (n > 9) return 'idle';
    if (n === 5) throw new Refusal('five');
    else n++;
    demand(n < 8 && n !== 3, 'MALFORMED', 'eight');
    return n;
  }
}
take = (n) => new Box().take(n);
`;

/** Runs the code above with these checks removed. */
function taken(removed: readonly number[], code = instrument('box.ts', CODE, true).code) {
  const switches = new Switches();
  for (const index of removed) switches.removed.add(index);
  const made = new Function('globalThis', `let take; ${code}; return take;`) as (g: unknown) => (n: number) => unknown;
  const take = made({ countersignChecks: switches });
  const outcome = (n: number) => {
    switches.fired.clear();
    try {
      return [take(n), ...switches.fired];
    } catch {
      return ['refused', ...switches.fired];
    }
  };
  return [0, 1, 2, 5, 7, 12].map(outcome);
}

test('checks are found, and fire by their number; without removal nothing else changes', (t) => {
  const { checks } = instrument('box.ts', CODE, true);
  t.deepEqual(
    checks.map(({ name, kind }) => [name, kind]),
    [
      ['box.ts demand throw no', 'throw'],
      ['box.ts take demand n > 0', 'demand'],
      ['box.ts take guard n > 9', 'guard'],
      ['box.ts take throw five', 'throw'],
      ['box.ts take demand n < 8 && n !== 3', 'demand'],
    ],
  );
  t.deepEqual(taken([]), [['refused', 1, 0], [2], ['refused', 4, 0], ['refused', 3], ['refused', 4, 0], ['idle', 2]]);
});

test('each check can be removed alone', (t) => {
  const plain = taken([]).map(([result]) => result);
  for (const [index, changed] of [
    [1, [0, 1]],
    [2, [5, 'refused']],
    [3, [3, 5]],
    [4, [2, 3]],
  ] as const) {
    const now = taken([index]).map(([result]) => result);
    t.deepEqual(
      now.with(changed[0], plain[changed[0]]!),
      index === 4 ? now.with(2, plain[2]!) : plain,
      `check ${index}`,
    );
    t.is(now[changed[0]], changed[1], `check ${index}`);
  }
});

test('what is caught and thrown on, and what a programmer did wrong, is no check', (t) => {
  const code = `try { f(); } catch (error) { throw error; }\nif (!n) throw new RangeError('n');\n`;
  t.deepEqual(instrument('x.ts', code, true).checks, []);
  t.is(instrument('x.ts', code, true).code, code);
});

test('a sample is the same for one seed, and of another for another', (t) => {
  const names = Array.from({ length: 100 }, (_, i) => `check ${i}`);
  t.deepEqual(sampleOf(names, 9, 'a'), sampleOf([...names].reverse(), 9, 'a'));
  t.notDeepEqual(sampleOf(names, 9, 'a'), sampleOf(names, 9, 'b'));
});

test('every check on the list exists, once, with a reason', (t) => {
  const names = new Set(checksOfTheBuild());
  t.true(names.size > 300);
  const listed = SURVIVORS.flatMap(({ checks }) => checks);
  for (const name of listed) t.true(names.has(name), name);
  for (const { why, checks } of SURVIVORS) t.true(why.length > 10 && checks.length > 0, why);
  t.is(new Set(listed).size, listed.length);
});

function checksOfTheBuild(): string[] {
  return ['device-sdk/dist/src', 'device-sdk/dist/host', 'broker/dist'].flatMap((folder) => {
    const root = join(repository, folder);
    return readdirSync(root, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
      const path = pathOf(`/${folder}/${name}`);
      if (path === undefined) return [];
      return instrument(path, readFileSync(join(root, name), 'utf8'), hasGuards(path)).checks.map(
        (check) => check.name,
      );
    });
  });
}
