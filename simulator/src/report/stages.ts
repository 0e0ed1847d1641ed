/** The demo on the screen: numbered stages, why each matters, what came of it. All on stderr. */
import { type Progress, progress } from './progress.ts';
import { stopwatch } from './time.ts';

export interface Stages {
  /** Begins a stage. */
  stage(title: string, why: string): void;
  /** Something that happened in it. */
  say(text: string): void;
  bar(label: string, total: number): Progress;
  seconds(): number;
}

export function stages(write: (line: string) => void): Stages {
  const clock = stopwatch();
  let number = 0;
  return {
    stage(title, why) {
      number++;
      write(`${clock.stamp()}  ${number}  ${title}`);
      write(`               ${why}`);
    },
    say: (text) => write(`            →  ${text}`),
    bar: progress,
    seconds: clock.seconds,
  };
}
