// Long tests run one file at a time: several of them start servers and measure the whole machine.
export default {
  files: ['test/dist/**/*.long.test.js'],
  timeout: '15m',
  concurrency: 1,
};
