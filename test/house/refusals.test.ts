import { readFileSync } from 'node:fs';
import { CODES } from '@countersign/device-sdk';
import test from 'ava';

const page = readFileSync(new URL('../../../docs/REFUSALS.md', import.meta.url), 'utf8');
/** | `CODE` | what happened | what to do | */
const rows = [...page.matchAll(/^\| `([A-Z_]+)` \|([^|]*)\|([^|]*)\|$/gm)];

test('every code of a refusal has exactly one row in docs/REFUSALS.md, and no row names another', (t) => {
  t.deepEqual(rows.map(([, code]) => code).sort(), [...CODES].sort());
});

test('every row says what happened and what to do, as sentences', (t) => {
  for (const [, code, happened, remedy] of rows) {
    t.regex(happened!.trim(), /^[A-Z].{8,}\.$/, code);
    t.regex(remedy!.trim(), /^[A-Z].{6,}\.$/, code);
  }
});
