/** The attack suite: complete, the same words as THREATS.md, nothing succeeds, and it notices when something does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attack, Outcome, Row, Variant } from '@countersign/simulator/attacks/attack';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { StdioPort } from '@countersign/simulator/attacks/port/stdio';
import { runAttack } from '@countersign/simulator/attacks/run';
import { found, heard, makeScene } from '@countersign/simulator/attacks/scene';
import { ATTACKS } from '@countersign/simulator/attacks/suite';
import test from 'ava';
import { sameBehindLines, sdkBehindLines, splitTries } from '../support/attack-tries.ts';
import { runJson } from '../support/command.ts';
import { repository } from '../support/repository.ts';

test('the suite and THREATS.md list the same attacks, in the same words', (t) => {
  const text = readFileSync(join(repository, 'docs/THREATS.md'), 'utf8');
  const section = text.slice(text.indexOf('## The named attacks'), text.indexOf('## Bounds of a device'));
  const rows = [...section.matchAll(/^\| (\d+) \| ([^|]+) \|/gm)].map(([, id, name]) => [Number(id), name]);
  t.is(rows.length, 46);
  t.deepEqual(
    ATTACKS.map(({ id, name }) => [id, name]),
    rows,
  );
});

test('every attack is tried in several ways, each in words of its own', (t) => {
  for (const { id, variants } of ATTACKS) {
    t.true(variants.length >= 3, `row ${id}`);
    const words = variants.map(({ how }) => how);
    t.is(new Set(words).size, words.length, `row ${id}`);
  }
});

for (const attack of ATTACKS) {
  const { quick } = splitTries(attack);
  test.serial(`row ${quick.id}, ${quick.name}: none of ${quick.variants.length} tries succeeds`, async (t) => {
    t.timeout(300_000, 'hundreds of tries on a machine that may be busy');
    const { outcome, failed } = await runAttack(quick, new SdkPort());
    t.deepEqual(failed, []);
    t.true(outcome === 'refused' || outcome === 'held');
  });
}

const GRANTED: Variant = heard('offers what is true', 'MALFORMED', ({ server }) => server.announcement());

test('a try that gets something, says something else, or breaks is never called withstood', async (t) => {
  const row = (variants: Variant[]): Attack => ({ id: 0, name: 'none', source: 'here', against: ['device'], variants });
  const other = heard('says what is no announcement', 'BAD_CHAIN', () => new Uint8Array(9));
  const broken: Variant = {
    how: 'breaks',
    expect: 'held',
    run: () => Promise.reject(new Error('broken')),
  };
  const outcomes: [Outcome, Variant[]][] = [
    ['succeeded', [GRANTED]],
    ['unexpected', [other]],
    ['unexpected', [broken]],
    ['succeeded', [other, GRANTED]],
    ['unexpected', []],
  ];
  for (const [outcome, variants] of outcomes) t.is((await runAttack(row(variants), new SdkPort())).outcome, outcome);
});

test('the SDK behind JSON lines gives the same answers as in this process', async (t) => {
  const port = sdkBehindLines();
  t.teardown(() => port.end());
  await sameBehindLines(t, port, splitTries(ATTACKS.find(({ id }) => id === 46)!).quick);
});

test('a port that is silent, broken or gone ends the try as no success of its own', async (t) => {
  const row: Attack = { id: 0, name: 'none', source: 'here', against: ['device'], variants: [GRANTED] };
  for (const command of [
    'exit 3',
    'echo nonsense; cat >/dev/null',
    `read line; echo '{"error":"no"}'; cat >/dev/null`,
  ]) {
    const port = new StdioPort(command);
    t.is((await runAttack(row, port)).outcome, 'unexpected', command);
    await port.end();
  }
});

test('what a device holds is looked at, not what it says', async (t) => {
  const port = new SdkPort();
  const row: Attack = {
    id: 0,
    name: 'none',
    source: 'here',
    against: ['device'],
    variants: [
      {
        how: 'writes into the running slot and lets a refusal be said',
        expect: 'MALFORMED',
        async run(ground) {
          const scene = await makeScene(ground);
          await port.corrupt(0, 5, 1);
          await scene.victim.hear(new Uint8Array(9));
          return found(scene);
        },
      },
    ],
  };
  t.is((await runAttack(row, port)).outcome, 'succeeded');
});

test('countersign attack --json prints one object with the rows, and exits with 0', async (t) => {
  const { code, json } = await runJson<{ rows: Row[] }>('attack', '--id', '14');
  t.is(code, 0);
  const { rows, ...sums } = json;
  t.deepEqual(sums, { total: 1, refused: 1 });
  t.like(rows[0]!, { id: 14, name: "another model's image", refused: true, outcome: 'refused', code: 'WRONG_VENDOR' });
  t.deepEqual([rows[0]!.variants, rows[0]!.failed], [6, []]);
  t.deepEqual(rows[0]!.codes, ['WRONG_VENDOR', 'WRONG_CLASS', 'WRONG_COMPONENTS', 'NOT_CURRENT', 'MALFORMED']);
});
