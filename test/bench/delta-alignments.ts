/**
 * What the second alignment and the model section are worth: for each pair the smallest candidate along bsdiff's alignment
 * of the bytes as they are, the smallest along that of the images as the model sees them, and the model section of what
 * ships. CSV with commit and machine; sizes do not depend on the load. Run after a build:
 *   node test/dist/bench/delta-alignments.js CLASS [PAIR ...]
 * Candidates are compared before checkpoints are placed, so what ships may have some bytes more. A dash: left half-way,
 * because it had become longer than the best before it.
 */
import { makeDelta } from '@countersign/broker/delta/index';
import { memoryClass, readWholeHeader } from '@countersign/device-sdk/delta';
import { bench } from '../support/bench.ts';
import { pairsNamed } from '../support/bench-pairs.ts';

/** As the encoder tells of a candidate: kind, coder, predictor where there is one, alignment. */
const CANDIDATE = /^delta, .*\b(plain|predicted): (\d+) bytes$/;

const [wanted = 'M', ...names] = process.argv.slice(2);
const name = memoryClass(wanted);
const print = bench('pair', 'class', 'plain', 'predicted', 'difference_percent', 'ships', 'ships_bytes', 'model_bytes');

for (const pair of pairsNamed(names)) {
  const least = { plain: Number.POSITIVE_INFINITY, predicted: Number.POSITIVE_INFINITY };
  const { delta, info } = makeDelta(pair.old, pair.fresh, { class: name }, ({ what }) => {
    const [, alignment, bytes] = CANDIDATE.exec(what) ?? [];
    if (alignment === 'plain' || alignment === 'predicted')
      least[alignment] = Math.min(least[alignment], Number(bytes));
  });
  const known = Number.isFinite(least.predicted);
  const difference = known ? (100 * (1 - least.predicted / least.plain)).toFixed(2) : '-';
  const { modelBytes } = readWholeHeader(delta);
  const predicted = known ? least.predicted : '-';
  print(pair.name, name, least.plain, predicted, difference, info.alignment, delta.length, modelBytes);
}
