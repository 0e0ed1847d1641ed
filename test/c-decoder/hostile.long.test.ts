/** Both decoders on containers that no encoder makes: extreme models and copies from anywhere, sound and damaged. */
import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import { decodeInTypeScript } from '../support/c-agreement.ts';
import { type CCase, compiled, decodeInC } from '../support/c-decoder.ts';
import { effort } from '../support/effort.ts';
import { hostileHeader } from '../support/hostile-headers.ts';
import { type HostileCase, hostileCase } from '../support/hostile-models.ts';
import { Chance, mutate } from '../support/mutate.ts';
import { codeOfRefusal } from '../support/refused.ts';

const built = compiled();
const ROUNDS = effort(20, 200);
const EACH = 50;
const HEADERS = effort(4_000, 40_000);

/** Nothing where the section is refused: then the encoder has nothing to code with. */
function cases(chance: Chance): HostileCase[] {
  const made: HostileCase[] = [];
  while (made.length < EACH) codeOfRefusal(() => made.push(hostileCase(chance)));
  return made;
}

if ('program' in built) {
  const { program } = built;
  test.serial(
    `${ROUNDS * EACH} extreme models: both decoders make the image, and end alike where a bit is wrong`,
    async (t) => {
      const seed = Date.now() >>> 0;
      t.log(`seed ${seed}`);
      const chance = new Chance(seed);
      const endings: Record<string, number> = {};
      for (let round = 0; round < ROUNDS; round++) {
        await setImmediate();
        const sound = cases(chance);
        const damaged = sound.map((c): CCase => ({ ...c, container: mutate(c.container, chance) }));
        const inC = decodeInC(program, [...sound, ...damaged]);
        for (const [i, c] of [...sound, ...damaged].entries()) {
          const here = decodeInTypeScript(c);
          const hexed = Buffer.from(c.container).toString('hex');
          if (i < EACH) t.true(Buffer.compare(here.image, sound[i]!.fresh) === 0, hexed);
          t.is(inC[i]!.code, here.code, hexed);
          t.true(Buffer.compare(inC[i]!.image, here.image) === 0, hexed);
          endings[here.code] = (endings[here.code] ?? 0) + 1;
        }
      }
      t.log(endings);
      t.true(endings.accepted! >= ROUNDS * EACH && endings.BAD_DELTA! > ROUNDS);
    },
  );

  test.serial(`${HEADERS} headers with a field at or over its limit end alike`, (t) => {
    const seed = Date.now() >>> 0;
    t.log(`seed ${seed}`);
    const chance = new Chance(seed);
    const endings: Record<string, number> = {};
    for (let done = 0; done < HEADERS; done += EACH) {
      const cases = Array.from({ length: EACH }, () => hostileHeader(chance));
      const inC = decodeInC(program, cases);
      for (const [i, c] of cases.entries()) {
        const here = decodeInTypeScript(c);
        const hexed = Buffer.from(c.container).toString('hex');
        t.is(inC[i]!.code, here.code, hexed);
        t.true(Buffer.compare(inC[i]!.image, here.image) === 0, hexed);
        endings[here.code] = (endings[here.code] ?? 0) + 1;
      }
    }
    t.log(endings);
    for (const code of ['BAD_DELTA', 'UNSUPPORTED', 'NO_SPACE', 'NO_MEMORY']) t.true(endings[code]! > 0, code);
  });
} else {
  test('the decoder in C is not compiled here', (t) => t.true('reason' in built));
}
