/** Columns for people: as wide as their widest cell, numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(shown))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const right = head.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return cells.map(line).join('\n');
}

/** A cell is one line: what came from elsewhere must not steer a terminal. */
function shown(cell: string | number | null): string {
  return cell === null ? '-' : printable(String(cell));
}

export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, ' ');
}

/** Seconds since the epoch as people read them, in UTC. */
export function timeText(seconds: number | null): string {
  return seconds === null ? '-' : new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

/** The first digits, enough to name a thing on the next command line. */
export function short(hex: string | null): string {
  return hex === null ? '-' : hex.slice(0, 12);
}
