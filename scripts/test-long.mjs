// The long suite: every *.long.test.js under AVA, with its own limits.
import { spawnSync } from 'node:child_process';

const root = new URL('..', import.meta.url);
const ava = new URL('node_modules/ava/entrypoints/cli.mjs', root).pathname;
const args = [ava, '--config', 'ava.long.config.mjs', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', cwd: root });
process.exit(status ?? 1);
