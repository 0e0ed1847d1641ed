/** The U-Boot environment, byte for byte with its own tools where they are installed. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '@countersign/device-sdk';
import { slotFromFile, UbootBoot } from '@countersign/device-sdk/host/uboot-boot';
import { imageEnv, readEnvConfig, type UbootEnv } from '@countersign/device-sdk/host/uboot-env';
import { toolEnv } from '@countersign/device-sdk/host/uboot-tool';
import test, { type ExecutionContext } from 'ava';
import { makeEnv, orderLoader } from '../support/boots.ts';
import { temporary } from '../support/command.ts';

function hasTools(t: ExecutionContext): boolean {
  try {
    execFileSync('fw_printenv', ['--version'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return true;
    t.log('fw_printenv is not installed: left out');
    t.pass();
    return false;
  }
}

test('what we write, fw_printenv reads, and what fw_setenv writes, we read', async (t) => {
  if (!hasTools(t)) return;
  const folder = await temporary(t);
  makeEnv(folder, { bootcmd: 'run distro_bootcmd', BOOT_ORDER: 'A B', bootcount: '0' });
  const config = join(folder, 'fw_env.config');
  const ours = imageEnv(readEnvConfig(config));
  const tools = toolEnv({ config });
  t.deepEqual(sorted(tools), sorted(ours));
  // Enough turns for the flag to pass 255 and begin anew, each by the other hand.
  for (let i = 0; i < 300; i++) {
    const byTool = i % 20 === 19;
    (byTool ? tools : ours).change({
      BOOT_ORDER: i % 2 ? 'A B' : 'B A',
      bootcount: String(i),
      gone: i % 3 ? 'x' : '',
    });
    if (!byTool && i % 20 !== 18 && i < 250) continue;
    const seen = sorted(ours);
    t.deepEqual(sorted(tools), seen, `turn ${i}`);
    t.is(new Map(seen).get('bootcount'), String(i));
  }
  t.is(ours.read().get('bootcmd'), 'run distro_bootcmd');
});

test('the life of a trial by the tools alone', async (t) => {
  if (!hasTools(t)) return;
  const folder = await temporary(t);
  makeEnv(folder, { BOOT_ORDER: 'A B', BOOT_A_LEFT: '3', BOOT_B_LEFT: '0' });
  const env = toolEnv({ config: join(folder, 'fw_env.config') });
  const on = () => {
    const slot = orderLoader(env);
    const boot = new UbootBoot({ env, style: 'order', running: () => slot, restart: () => undefined });
    boot.boot();
    return boot;
  };
  on().setTrial(1);
  const trial = on();
  t.is(trial.running(), 1);
  trial.confirm();
  t.is(on().running(), 1);
  t.is(env.read().get('BOOT_ORDER'), 'B A');
  t.false(env.read().has('countersign_trial'));
});

test('a change that is cut after any byte leaves the environment before it or after it, whole', async (t) => {
  const folder = await temporary(t);
  const copies = makeEnv(folder, { keep: 'this', slot: 'A' }, [7, 6]);
  const before = copies.map(({ path }) => readFileSync(path));
  const env = imageEnv(copies);
  env.change({ slot: 'B' });
  const after = readFileSync(copies[1]!.path);
  t.deepEqual(readFileSync(copies[0]!.path), before[0], 'the current copy is not touched');
  const seen = new Set<string | undefined>();
  for (let cut = 0; cut <= after.length; cut += cut < 64 ? 1 : 61) {
    writeFileSync(copies[1]!.path, Buffer.concat([after.subarray(0, cut), before[1]!.subarray(cut)]));
    const found = env.read();
    t.is(found.get('keep'), 'this');
    seen.add(found.get('slot'));
    env.change({ again: '1' });
    t.is(env.read().get('again'), '1');
    t.is(env.read().get('keep'), 'this');
    writeFileSync(copies[0]!.path, before[0]!);
  }
  t.deepEqual([...seen].sort(), ['A', 'B']);
});

test('damage of one copy is survived, damage of both is refused and not mended', async (t) => {
  const copies = makeEnv(await temporary(t), { slot: 'A' }, [255, 0]);
  const env = imageEnv(copies);
  env.change({ slot: 'B' });
  t.is(env.read().get('slot'), 'B');
  flip(copies[0]!.path);
  t.is(env.read().get('slot'), 'A', '0 follows 255, so the first copy was the older one');
  flip(copies[1]!.path);
  t.is(
    refusal(() => env.read()),
    'BAD_STORE',
  );
  t.is(
    refusal(() => env.change({ slot: 'A' })),
    'BAD_STORE',
  );
});

test('one copy is refused unless it is said aloud; too much is refused before anything is written', async (t) => {
  const folder = await temporary(t);
  const copies = makeEnv(folder, { slot: 'A' });
  t.is(
    refusal(() => imageEnv(copies.slice(0, 1))),
    'BAD_STORE',
  );
  const env = imageEnv(copies);
  t.is(
    refusal(() => env.change({ long: 'x'.repeat(5000) })),
    'NO_SPACE',
  );
  t.throws(() => env.change({ 'a=b': '1' }), { instanceOf: RangeError });
  t.throws(() => env.change({ a: 'one\0two=2' }), { instanceOf: RangeError });
  t.deepEqual([...env.read()], [['slot', 'A']]);
});

test('the slot that booted is the one that the kernel was told', async (t) => {
  const path = join(await temporary(t), 'cmdline');
  const words = ['root=/dev/mmcblk0p2', 'root=/dev/mmcblk0p3'] as const;
  writeFileSync(path, 'console=ttyS0 root=/dev/mmcblk0p3 rootwait\n');
  t.is(slotFromFile(words, path), 1);
  writeFileSync(path, 'console=ttyS0 root=/dev/mmcblk0p30\n');
  t.is(
    refusal(() => slotFromFile(words, path)),
    'BAD_STORE',
  );
});

function sorted(env: UbootEnv): [string, string][] {
  return [...env.read()].sort(([a], [b]) => (a < b ? -1 : 1));
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  bytes[100]! ^= 1;
  writeFileSync(path, bytes);
}

function refusal(work: () => void): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return codeOf(error);
  }
}
