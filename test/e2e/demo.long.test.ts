/** `npm start` with a small fleet, as a process: what it prints is what the outside counts on. */
import { existsSync } from 'node:fs';
import test from 'ava';
import { run, start } from '../support/command.ts';

interface Demo {
  seed: string;
  devices: number;
  updated: number;
  reverted: number;
  refused: number;
  stuck: number;
  seconds: number;
  bytes: { image: number; delta: number; perDevice: number };
  classes: {
    class: string;
    product: string;
    imageBytes: number;
    fullBytes: number;
    deltaBytes: number;
    devices: number;
    fetchedBytes: number;
  }[];
  attacks: { name: string; refused: boolean; outcome: string; code: string | null }[];
  ledger: { entries: number; blocks: number; root: string; verified: boolean };
}

test('the demo tells its whole story, refuses every attack and passes the audit', async (t) => {
  t.timeout(600_000);
  const { code, stdout, stderr } = await run('demo', '--devices', '20', '--seed', 'e2e', '--json');
  t.is(code, 0, `${stderr}\n${stdout}`);
  const demo = JSON.parse(stdout) as Demo;
  t.is(demo.seed, 'e2e');
  t.is(demo.devices, 20);
  t.is(demo.updated + demo.reverted + demo.refused + demo.stuck, 20);
  t.is(demo.reverted, 2, 'hardware C is one device in ten');
  t.is(demo.stuck, 0);
  t.true(demo.bytes.delta > 0 && demo.bytes.delta < demo.bytes.image / 5, JSON.stringify(demo.bytes));
  t.deepEqual(
    demo.classes.map((row) => row.class),
    ['S', 'M', 'L', 'L', 'L', 'XL', 'G'],
  );
  for (const row of demo.classes) {
    t.true(row.devices > 0, JSON.stringify(row));
    t.true(row.deltaBytes < row.fullBytes && row.fullBytes < row.imageBytes, JSON.stringify(row));
    t.true(row.fetchedBytes >= row.deltaBytes && row.fetchedBytes < row.fullBytes, JSON.stringify(row));
  }
  const of = (name: string) => demo.classes.find((row) => row.class === name)!;
  t.true(of('G').deltaBytes < of('M').deltaBytes, 'one program, and more memory');
  t.true(demo.ledger.verified);
  t.regex(demo.ledger.root, /^[0-9a-f]{64}$/);
  t.true(demo.ledger.entries > demo.devices && demo.ledger.blocks > 0);
  const codes = Object.fromEntries(demo.attacks.map(({ name, code }) => [name, code]));
  t.deepEqual(codes, {
    'tampered-frame': 'BAD_FRAME',
    'wrong-base': 'BAD_FRAME',
    'stolen-key-d': 'WRONG_ROLE',
    'unlogged-release': 'NO_RECEIPT',
    'rollback-replayed': 'STALE',
    'rollback-reopened': 'NOT_CURRENT',
    'aborted-release': 'NOT_CURRENT',
    'wrong-class': 'WRONG_CLASS',
    'edited-base': 'BAD_SIGNATURE',
    'unsigned-manifest': 'MALFORMED',
  });
  t.true(demo.attacks.every(({ refused, outcome }) => refused && outcome === 'refused'));
  const lines = stderr.trimEnd().split('\n');
  t.regex(lines[0]!, /^seed e2e {2}devices 20/);
  t.true(lines.length < 60, `${lines.length} lines`);
  t.regex(stderr, /XL flow-monitor 3\.1\.0: a delta of \d+ bytes/);
});

test('Ctrl-C in the middle of the demo says what is stopped, and leaves nothing', async (t) => {
  const { child, ended } = start(['demo', '--devices', '14', '--seed', 'stop']);
  child.stderr!.on('data', (part: string) => {
    if (part.includes('quorum 0')) child.kill('SIGINT');
  });
  const { code, stderr } = await ended;
  t.is(code, 130, stderr);
  const folder = /SIGINT: stopping the fleet and the publisher’s side; then (\S+) is removed/.exec(stderr)?.[1] ?? '';
  t.true(folder.length > 0, stderr);
  t.false(existsSync(folder));
});
