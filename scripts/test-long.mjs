// The long suite: every *.long.test.js under AVA, two files at a time, and then those that take the whole machine.
// With arguments (files, --match): those alone.
import { spawnSync } from 'node:child_process';

/** They start processes of their own, on every core, and tell how much memory those had. */
const ALONE = ['test/dist/broker/delta-large.long.test.js'];

const root = new URL('..', import.meta.url);
const ava = new URL('node_modules/ava/entrypoints/cli.mjs', root).pathname;
const given = process.argv.slice(2);
const passes =
  given.length > 0
    ? [given]
    : [
        ['test/dist/**/*.long.test.js', ...ALONE.map((file) => `!${file}`)],
        ['--concurrency', '1', ...ALONE],
      ];

let failed = 0;
for (const pass of passes) {
  const { status } = spawnSync(process.execPath, [ava, '--config', 'ava.long.config.mjs', ...pass], {
    stdio: 'inherit',
    cwd: root,
  });
  failed ||= status ?? 1;
}
process.exit(failed);
