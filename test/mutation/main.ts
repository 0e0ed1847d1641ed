/**
 * Which checks would be missed? Removes each check in turn and runs the attack suite.
 *
 *   node test/dist/mutation/main.js                  all, some minutes
 *   node test/dist/mutation/main.js verify/ intake/  checks whose names hold one of these
 *   node test/dist/mutation/main.js --sample 60 seed a share of them, the same for one seed
 */
import { mutate } from './mutate.ts';
import { sampleOf } from './sample.ts';
import { reasonOf } from './survivors.ts';

const [option, count, seed = 'seed', ...more] = process.argv.slice(2);
const sample = option === '--sample' ? Number(count) : undefined;
const parts = sample === undefined ? process.argv.slice(2) : more;
const before = Date.now();

const { failed, checks, results } = await mutate(
  (all) => {
    const named = all
      .map(({ name }) => name)
      .filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)));
    return sample === undefined ? named : sampleOf(named, sample, seed);
  },
  (name, result) => {
    if (result.outcome === 'breached' || result.outcome === 'renamed') return;
    const known = reasonOf(name);
    console.log(
      `${result.outcome.padEnd(8)} ${name}${'by' in result && result.by ? `\n         behind it: ${result.by}` : ''}${known ? `\n         listed: ${known}` : ''}`,
    );
  },
);
for (const line of failed) console.log(`fails although nothing is removed: ${line}`);
const counts: Record<string, number> = {};
for (const { outcome } of results.values()) counts[outcome] = (counts[outcome] ?? 0) + 1;
console.log(
  `${checks.length} checks, ${results.size} removed in ${Math.round((Date.now() - before) / 1000)} s: ${JSON.stringify(counts)}`,
);
const missed = [...results].filter(
  ([name, { outcome }]) => /survived|shadowed|untried/.test(outcome) && !reasonOf(name),
);
if (missed.length > 0) console.log(`${missed.length} are missed by nobody and stand on no list`);
process.exitCode = missed.length > 0 || failed.length > 0 ? 1 : 0;
