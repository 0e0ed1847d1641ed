/** A bar on a terminal, nothing elsewhere. It writes to stderr, so that stdout stays for the result. */
import { Presets, SingleBar } from 'cli-progress';

export interface Progress {
  update(done: number, note: string): void;
  stop(): void;
}

/** @param total what counts as all of it */
export function progress(label: string, total: number): Progress {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const bar = new SingleBar(
    {
      format: `  ${label.padEnd(24)} {bar} {value}/{total}  {note}`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      fps: FRAMES_PER_SECOND,
      barsize: 28,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0, { note: '' });
  return { update: (done, note) => bar.update(done, { note }), stop: () => bar.stop() };
}

const FRAMES_PER_SECOND = 10;
