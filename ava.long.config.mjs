// Two files at a time, each in a process of its own: what one measures of its memory is not its neighbour's.
const FIRST = 'mutation.long.test.js';

export default {
  files: ['test/dist/**/*.long.test.js'],
  timeout: '15m',
  workerThreads: false,
  concurrency: 2,
  // One process from beginning to end: begun last, it would end alone.
  sortTestFiles: (a, b) => b.endsWith(FIRST) - a.endsWith(FIRST) || a.localeCompare(b),
};
