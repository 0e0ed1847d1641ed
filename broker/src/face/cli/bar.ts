/** A bar on a terminal, nothing elsewhere. It writes to stderr, so that stdout stays for the result. */

const BAR_CHARACTERS = 24;

export interface Bar {
  update(done: number, total: number, what: string): void;
  /** Wipes the line, so that what follows stands alone. */
  clear(): void;
}

export function bar(stderr: Pick<NodeJS.WriteStream, 'isTTY' | 'columns' | 'write'> = process.stderr): Bar {
  if (!stderr.isTTY) return { update() {}, clear() {} };
  return {
    update(done, total, what) {
      const filled = total === 0 ? 0 : Math.round((BAR_CHARACTERS * done) / total);
      const drawn = '#'.repeat(filled).padEnd(BAR_CHARACTERS, '-');
      // A terminal that does not tell its width says 0.
      const room = (stderr.columns || 80) - 1;
      stderr.write(`\r\x1b[K${`[${drawn}] ${done}/${total} ${what}`.slice(0, room)}`);
    },
    clear: () => void stderr.write('\r\x1b[K'),
  };
}
