/** `simulate` as a process of its own joins a running server, while people publish. */
import type { Verdict } from '@countersign/simulator/oracle/judge';
import type { FleetOutcome } from '@countersign/simulator/report/outcome';
import { open, release } from '@countersign/simulator/scenario/people';
import test from 'ava';
import { runJson, start } from '../support/command.ts';
import { fleetWorld, PRODUCT } from '../support/fleet-world.ts';

test('simulated devices join a running server, update when a release is opened, and are counted once', async (t) => {
  t.timeout(600_000);
  const world = await fleetWorld();
  try {
    const { data, session, people } = world;
    const idle = ['simulate', '--data', data, '--product', PRODUCT, '--from', '1.0.0', '--devices', '3'];
    const settled = await runJson(...idle, '--until', 'settled', '--seed', 'one');
    t.is(settled.code, 0, settled.stderr);
    t.is(settled.json.updated, 3, 'the factory release is the newest they may have');
    t.regex(settled.stderr, /^seed one {2}devices 3/m);
    t.regex(settled.stderr, /replay: countersign simulate --product sensor-node --from 1\.0\.0 --seed one/);

    const { child, ended } = start([...idle, '--seed', 'three', '--keep-running']);
    await new Promise<void>((resolve) => {
      let text = '';
      child.stderr!.on('data', (part) => {
        text += part;
        if (text.includes('waiting for a rollout of sensor-node newer than 1.0.0; Ctrl-C ends it')) resolve();
      });
      void ended.then(() => resolve());
    });
    t.is(child.exitCode, null, 'it waits');
    child.kill('SIGINT');
    const alone = await ended;
    t.is(alone.code, 1, 'ended before there was anything');
    t.regex(alone.stdout, /not everybody arrived/);

    const joined = runJson<FleetOutcome & { oracle: Verdict }>(
      ...idle,
      '--devices',
      '6',
      '--seed',
      'two',
      '--loss',
      '0.5',
      '--power-cut',
      '1/500',
    );
    const fix = await release(session, people, PRODUCT, '1.0.1');
    await open(session, people, fix.releaseLeaf, {
      waves: [{ percent: 100, failurePercentMax: 100 }],
      jitterSeconds: 1,
    });
    const { code, json, stderr } = await joined;
    t.is(code, 0, stderr);
    t.is(json.seed, 'two');
    t.is(json.devices, 6);
    t.is(json.updated + json.reverted, 6);
    t.is(json.refused + json.stuck, 0);
    t.true(json.bytes.delta > 0 && json.bytes.delta < json.bytes.image / 5);
    t.deepEqual(json.attacks, []);
    t.true(json.ledger.verified && json.ledger.blocks > 0 && json.ledger.entries > 0);
    t.true(json.oracle.ok);
    t.true(json.oracle.installs > 0, 'whether installs were current was asked');

    const again = await runJson(...idle, '--seed', 'one', '--until', 'settled');
    t.is(again.code, 1, 'the devices of a seed are enrolled once');
    t.is(again.json.error?.code, 'EXISTS');
  } finally {
    await world.close();
  }
});
