import {
  Bricked,
  CUT_PHASES,
  encodeDescriptor,
  FlashMisuse,
  PowerCut,
  PowerCutter,
  partition,
  VirtualBoot,
  VirtualFlash,
} from '@countersign/device-sdk/rig';
import test from 'ava';

function rig(slotsFilled = 2) {
  const power = new PowerCutter('boot');
  const flash = new VirtualFlash({ bytes: 8192, writeBytes: 4, eraseBytes: 4096, power });
  const slots = partition(flash, 4096, 4096);
  for (let i = 0; i < slotsFilled; i++) {
    slots[i]!.load(encodeDescriptor({ product: 'lamp', version: `1.${i}`, failsOn: i === 1 ? ['B'] : [] }));
  }
  return { power, slots, boot: new VirtualBoot({ slots, power }) };
}

test('boots the factory slot and says what is in it', (t) => {
  const { boot } = rig();
  t.deepEqual(boot.boot(), {
    slot: 0,
    descriptor: { product: 'lamp', version: '1.0', failsOn: [] },
    trial: false,
    reverted: false,
  });
  t.is(boot.running(), 0);
  t.false(boot.onTrial());
});

test('a trial that is confirmed stays', (t) => {
  const { boot } = rig();
  boot.boot();
  boot.setTrial(1);
  boot.restart();
  t.true(boot.restartRequested);
  t.like(boot.boot(), { slot: 1, trial: true, reverted: false, descriptor: { version: '1.1', failsOn: ['B'] } });
  t.false(boot.restartRequested);
  t.true(boot.onTrial());
  boot.confirm();
  t.false(boot.onTrial());
  boot.confirm(); // repeated after a power cut: nothing to do
  boot.markUnbootable(0);
  t.like(boot.boot(), { slot: 1, trial: false, reverted: false });
});

test('a trial that is not confirmed reverts once and is not tried again', (t) => {
  const { boot } = rig();
  boot.boot();
  boot.setTrial(1);
  t.like(boot.boot(), { slot: 1, trial: true });
  t.like(boot.boot(), { slot: 0, trial: false, reverted: true });
  t.like(boot.boot(), { slot: 0, trial: false, reverted: false });
  t.deepEqual(boot.record.unbootable, [false, true]);
});

test('a loader with more attempts counts each of them before the jump', (t) => {
  const { slots } = rig();
  const boot = new VirtualBoot({ slots, attemptsMax: 3 });
  boot.boot();
  boot.setTrial(1);
  t.deepEqual(
    [1, 2, 3, 4].map(() => boot.boot().slot),
    [1, 1, 1, 0],
  );
});

test('a new image in a slot marked unbootable may be tried, because setTrial vouches for it', (t) => {
  const { boot } = rig();
  boot.boot();
  boot.markUnbootable(1);
  boot.setTrial(1);
  t.like(boot.boot(), { slot: 1, trial: true });
});

test('a slot marked unbootable while its trial waits is not booted', (t) => {
  const { boot } = rig();
  boot.boot();
  boot.setTrial(1);
  boot.markUnbootable(1);
  t.like(boot.boot(), { slot: 0, trial: false, reverted: false });
});

test('a blank slot is never booted, not even on trial', (t) => {
  const { boot } = rig(1);
  boot.boot();
  boot.setTrial(1);
  t.like(boot.boot(), { slot: 0, reverted: true });
});

test('with no image anywhere it is bricked and says so', (t) => {
  t.throws(() => rig(0).boot.boot(), { instanceOf: Bricked });
});

test('stops at once on orders that could leave no bootable slot', (t) => {
  const { boot } = rig();
  t.throws(() => boot.running(), { instanceOf: FlashMisuse });
  boot.boot();
  t.throws(() => boot.setTrial(0), { instanceOf: FlashMisuse });
  t.throws(() => boot.markUnbootable(0), { instanceOf: FlashMisuse });
  boot.setTrial(1);
  boot.boot();
  t.throws(() => boot.markUnbootable(0), { instanceOf: FlashMisuse }); // the way back of the running trial
  t.throws(() => boot.setTrial(0), { instanceOf: FlashMisuse });
});

test('after a power cut nothing runs until the loader has booted', (t) => {
  const { boot, power } = rig();
  boot.boot();
  power.cutNow();
  t.throws(() => boot.running(), { instanceOf: PowerCut });
  t.throws(() => boot.boot(), { instanceOf: PowerCut });
  power.restorePower();
  t.is(boot.booted, undefined);
  t.throws(() => boot.running(), { instanceOf: FlashMisuse });
  t.is(boot.boot().slot, 0);
});

test('a power cut at every change of the boot record ends in the old or the new slot, and then settles', (t) => {
  const life = (boot: VirtualBoot) => {
    boot.boot();
    boot.setTrial(1);
    boot.boot();
    boot.confirm();
    boot.markUnbootable(0);
    boot.boot();
  };
  const dry = rig();
  life(dry.boot);
  t.is(dry.power.operations, 4);
  const settled: number[] = [];
  for (let operation = 0; operation < dry.power.operations; operation++) {
    for (const phase of CUT_PHASES) {
      const { boot, power } = rig();
      power.cutAt(operation, phase);
      t.throws(() => life(boot), { instanceOf: PowerCut });
      power.restorePower();
      boot.boot();
      const { slot } = boot.boot(); // whatever was on trial has not been confirmed
      t.is(boot.boot().slot, slot);
      settled.push(slot);
    }
  }
  t.deepEqual([...new Set(settled)].sort(), [0, 1]);
});
