/** Two alignments in a row as one: through a release between, code that moved twice is found where it came from. */
import type { Copy } from './align.ts';
import { firstEndingBehind } from './blocks.ts';

/**
 * What `second` takes from the middle image is looked up in `first`; what `first` does not have from the old image is
 * left out, to be inserted. Copies of one shift that touch are joined.
 * @param first from the old image to the middle one, in output order
 * @param second from the middle image to the new one, in output order
 */
export function composeCopies(first: readonly Copy[], second: readonly Copy[]): Copy[] {
  const copies: Copy[] = [];
  for (const { newStart, oldStart, length } of second) {
    for (let i = firstEndingBehind(first, oldStart); i < first.length; i++) {
      const source = first[i]!;
      const from = Math.max(oldStart, source.newStart);
      const to = Math.min(oldStart + length, source.newStart + source.length);
      if (from >= oldStart + length) break;
      const part = { newStart: newStart + from - oldStart, oldStart: source.oldStart + from - source.newStart };
      append(copies, { ...part, length: to - from });
    }
  }
  return copies;
}

function append(copies: Copy[], next: Copy): void {
  const last = copies.at(-1);
  const touches =
    last && last.newStart + last.length === next.newStart && last.oldStart + last.length === next.oldStart;
  if (touches) last.length += next.length;
  else copies.push(next);
}
