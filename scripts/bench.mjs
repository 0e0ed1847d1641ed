// Runs benches one after another, each alone, CSV on stdout: `npm run bench`, or `npm run bench -- fleet ledger`.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const BENCHES =
  'announcement sdk-size memory wear crypto verification ledger peers evm intake delivery fleet delta c-decoder'.split(
    ' ',
  );
// The one that is a command of the product, and takes half an hour where the published images are.
const DELTA = ['simulator/bin/countersign.js', 'delta', 'bench'];
const root = new URL('..', import.meta.url);
const at = (name) => new URL(`test/dist/bench/${name}.js`, root);
const command = (name) => (name === 'delta' ? DELTA : [at(name).pathname]);

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !BENCHES.includes(name));
if (unknown.length > 0) fail(`no such bench: ${unknown.join(' ')}; there are ${BENCHES.join(' ')}`);
if (!existsSync(at('crypto'))) fail('build first: npm run build');

const failed = (asked.length > 0 ? asked : BENCHES).filter((name) => {
  console.log(`# ${name}`);
  return spawnSync(process.execPath, command(name), { stdio: 'inherit', cwd: root }).status !== 0;
});
if (failed.length > 0) fail(`failed: ${failed.join(' ')}`);

function fail(text) {
  console.error(text);
  process.exit(1);
}
