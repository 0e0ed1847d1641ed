import { type BenchPair, pairsIn, publishedFolder, samplePairs } from '@countersign/broker/delta/bench/pairs';

/**
 * Pairs of images for a bench: a name is that of a pair of firmware samples (`sensor-node-1.0.1-1.1.0`), a folder is a pair
 * (old.bin and new.bin) or holds pairs. Without a name all samples are taken, and the published images beside this checkout.
 */
export function pairsNamed(names: readonly string[]): BenchPair[] {
  const published = publishedFolder();
  const samples = samplePairs();
  if (names.length === 0) return [...samples, ...(published ? pairsIn([published]) : [])];
  return names.flatMap((name) => samples.find((pair) => pair.name === name) ?? pairsIn([name]));
}
