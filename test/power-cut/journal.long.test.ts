import test from 'ava';
import { cutEverywhere, cutTwice, GEOMETRIES, lifeOf } from '../support/journal-life.ts';

/** Lives per geometry; each is cut at every operation in every phase. */
const LIVES = 12;

for (const geometry of GEOMETRIES) {
  const name = `${geometry.writeBytes}-byte units, ${geometry.eraseBytes}-byte blocks, ${geometry.bytes} bytes`;

  test(`many lives survive a cut at every operation, and a second one after it (${name})`, (t) => {
    for (let life = 0; life < LIVES; life++) {
      const seed = `long ${name} ${life}`;
      const kept = cutEverywhere(geometry, lifeOf(seed, 60), 1 + life);
      t.deepEqual([...new Set(kept)].sort(), [0, 1], seed);
      t.true(cutTwice(geometry, lifeOf(seed, 40), seed) > 100, seed);
    }
  });
}
