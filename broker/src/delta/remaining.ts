import type { PageOrder } from '@countersign/device-sdk/install';
import type { Copy } from './align.ts';

/**
 * The part of an alignment that can be used in place: each page of the image may only be made from what the pages
 * before it have not been written over. What falls away has to be inserted.
 */
export function remainingCopies(copies: readonly Copy[], order: PageOrder): Copy[] {
  const kept: Copy[] = [];
  for (const copy of copies) for (const part of pagesOf(copy, order)) keep(kept, part, order);
  return kept;
}

/** A copy cut at the borders of the image's pages. */
function pagesOf({ newStart, oldStart, length }: Copy, { pageBytes }: PageOrder): Copy[] {
  const parts: Copy[] = [];
  for (let done = 0; done < length; ) {
    const at = newStart + done;
    const part = Math.min(length - done, pageBytes - (at % pageBytes));
    parts.push({ newStart: at, oldStart: oldStart + done, length: part });
    done += part;
  }
  return parts;
}

/** The gone bytes of a part are its first ones when pages rise, its last ones when they fall. */
function keep(kept: Copy[], { newStart, oldStart, length }: Copy, order: PageOrder): void {
  const page = Math.floor(newStart / order.pageBytes);
  const start = page * order.pageBytes;
  const from = order.backward ? oldStart : Math.max(oldStart, start);
  const to = order.backward ? Math.min(oldStart + length, start + order.pageBytes) : oldStart + length;
  if (to <= from) return;
  const next = { newStart: newStart + from - oldStart, oldStart: from, length: to - from };
  const last = kept.at(-1);
  const joins = last && last.newStart + last.length === next.newStart && last.oldStart + last.length === next.oldStart;
  if (joins) last.length += next.length;
  else kept.push(next);
}
