/** RFC 9162 trees (section 2.1) of what this server lists itself, whole in memory. */
import { nodeHash, type Sha256 } from '@countersign/device-sdk/format';

/** levels[0] are the leaves, the last has the root alone; a last node without sibling moves up as it is. */
export type Levels = Uint8Array[][];

/** @param leaves at least one */
export function levelsOver(sha256: Sha256, leaves: Uint8Array[]): Levels {
  let level = leaves;
  const levels = [level];
  while (level.length > 1) levels.push((level = parents(sha256, level)));
  return levels;
}

/** Pairs are joined, and an odd last node stands for itself one level higher. */
function parents(sha256: Sha256, level: readonly Uint8Array[]): Uint8Array[] {
  const next: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const right = level[i + 1];
    next.push(right ? nodeHash(sha256, level[i]!, right) : level[i]!);
  }
  return next;
}

/** The inclusion path of a leaf, from the leaf upwards. */
export function pathFrom(levels: Levels, index: number): Uint8Array[] {
  const path: Uint8Array[] = [];
  let at = index;
  for (const level of levels.slice(0, -1)) {
    const sibling = level[at ^ 1];
    if (sibling) path.push(sibling);
    at >>= 1;
  }
  return path;
}
