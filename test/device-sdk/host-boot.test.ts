/** One life for every boot control: what the SDK's side asks for, whatever remembers it. */
import { existsSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '@countersign/device-sdk';
import { FileBoot } from '@countersign/device-sdk/host/file-boot';
import { LinkBoot } from '@countersign/device-sdk/host/link-boot';
import test from 'ava';
import { ATTEMPTS, MACHINES } from '../support/boots.ts';
import { temporary } from '../support/command.ts';

for (const [name, make] of Object.entries(MACHINES)) {
  test(`${name}: a trial that is confirmed stays`, async (t) => {
    const machine = make(await temporary(t));
    const before = machine.on();
    t.is(before.running(), 0);
    t.false(before.onTrial());
    before.markUnbootable(1);
    before.setTrial(1);
    t.is(before.running(), 0, 'what runs now does not change');
    const trial = machine.on();
    t.is(trial.running(), 1);
    t.true(trial.onTrial());
    trial.confirm();
    t.false(trial.onTrial());
    trial.confirm();
    trial.markUnbootable(0);
    for (let boots = 0; boots < 2 * ATTEMPTS; boots++) {
      const again = machine.on();
      t.is(again.running(), 1);
      t.false(again.onTrial());
    }
  });

  test(`${name}: a trial that is not confirmed ends after its attempts, and the next one may begin`, async (t) => {
    const machine = make(await temporary(t));
    for (let round = 0; round < 2; round++) {
      machine.on().setTrial(1);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) t.is(machine.on().running(), 1);
      const back = machine.on();
      t.is(back.running(), 0);
      t.false(back.onTrial());
      back.markUnbootable(1);
      t.is(machine.on().running(), 0);
    }
  });

  test(`${name}: a trial that is taken back never begins`, async (t) => {
    const machine = make(await temporary(t));
    const boot = machine.on();
    boot.setTrial(1);
    boot.markUnbootable(1);
    t.is(machine.on().running(), 0);
    machine.on().setTrial(1);
    t.is(machine.on().running(), 1, 'a new image lifts the mark');
  });
}

test('a cut between the count and the link costs an attempt, and the link is set by the next boot', async (t) => {
  const folder = await temporary(t);
  const [record, current] = [join(folder, 'boot.json'), join(folder, 'current')];
  const boot = new LinkBoot({ record, current, targets: ['a', 'b'], attemptsMax: 2 });
  boot.boot();
  boot.setTrial(1);
  const cut = new FileBoot(record, {
    attemptsMax: 2,
    jump: () => {
      throw new Error('power');
    },
  });
  t.throws(() => cut.boot(), { message: 'power' });
  t.is(readlinkSync(current), 'a');
  const link = () => new LinkBoot({ record, current, targets: ['a', 'b'], attemptsMax: 2 });
  // A link half made by an earlier cut is in nobody's way.
  writeFileSync(`${current}.new`, '');
  t.is(link().boot(), 1);
  t.is(readlinkSync(current), 'b');
  t.is(link().boot(), 0, 'both attempts are used');
  t.is(readlinkSync(current), 'a');
  t.false(existsSync(`${current}.new`));
});

test('something that is no link is not replaced', async (t) => {
  const folder = await temporary(t);
  mkdirSync(join(folder, 'current'));
  const boot = new LinkBoot({ record: join(folder, 'r'), current: join(folder, 'current'), targets: ['a', 'b'] });
  t.is(t.throws(() => boot.boot(), { instanceOf: Refusal })?.code, 'BAD_STORE');
});
