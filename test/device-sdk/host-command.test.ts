/** Somebody else's installer: what it is given, how it may end, and what a SIGKILL of ours leaves of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Code, codeOf, type SlotNumber } from '@countersign/device-sdk';
import { type Argv, endLeftOver, runCommand } from '@countersign/device-sdk/host/command';
import { CommandBoot, type CommandBootOptions, type SlotState } from '@countersign/device-sdk/host/command-boot';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { FileFlash } from '@countersign/device-sdk/host/file-flash';
import { commandHealth, ownerVeto, readWindow } from '@countersign/device-sdk/host/owner';
import { systemTimer } from '@countersign/device-sdk/host/system';
import test, { type ExecutionContext } from 'ava';
import { temporary } from '../support/command.ts';

const verifier = nodeVerifier();
const IMAGES = [20_000, 30_001].map((bytes, i) => new Uint8Array(bytes).map((_, at) => (at * 7 + i) & 255));

/** A program of our own in the place of mcumgr. */
function script(folder: string, name: string, text: string): Argv {
  writeFileSync(join(folder, `${name}.mjs`), `import fs from 'node:fs';\nconst [,, ...args] = process.argv;\n${text}`);
  return [process.execPath, join(folder, `${name}.mjs`)];
}

interface Bench {
  folder: string;
  target: string;
  state: SlotState;
  slots: readonly [FileFlash, FileFlash];
  open(more?: Partial<CommandBootOptions>): CommandBoot;
}

async function bench(t: ExecutionContext, install?: string): Promise<Bench> {
  const folder = await temporary(t);
  const target = join(folder, 'target.bin');
  const slots = [0, 1].map((i) => {
    const flash = new FileFlash(join(folder, `slot-${i}`), { bytes: 65_536 });
    flash.write(0, IMAGES[i]!);
    return flash;
  }) as [FileFlash, FileFlash];
  const images = IMAGES.map((bytes, slot) => ({
    image: { bytes: bytes.length, digest: verifier.sha256(bytes) },
    version: `1.0.${slot}`,
    slot: slot as SlotNumber,
  }));
  const state = { running: images[0]!, pending: { ...images[1]!, phase: 'trial' }, handover: undefined };
  const commands = {
    install: script(folder, 'install', install ?? `fs.copyFileSync(args[0], ${JSON.stringify(target)});`),
    readBack: target,
  };
  const opened: CommandBoot[] = [];
  t.teardown(() => {
    for (const boot of opened) boot.close();
  });
  return {
    folder,
    ...{ target, slots },
    state: state as unknown as SlotState,
    open(more = {}) {
      const full = { ...commands, install: [...commands.install, '{path}'] as unknown as Argv };
      const boot = new CommandBoot({
        ...{ folder: join(folder, 'work'), slots, verifier, timer: systemTimer(), commands: full },
        ...more,
      });
      opened.push(boot);
      return boot;
    },
  };
}

const holds = ({ target }: Bench, slot: number) => Buffer.from(IMAGES[slot]!).equals(readFileSync(target));

test('the target gets the factory image, then the new one on trial, and is told to keep it until it has heard', async (t) => {
  const b = await bench(t);
  const asked = join(b.folder, 'asked');
  const confirm = script(
    b.folder,
    'confirm',
    `fs.appendFileSync(${JSON.stringify(asked)}, '.');
    process.exit(fs.readFileSync(${JSON.stringify(asked)}).length < 2 ? 1 : 0);`,
  );
  const install: Argv = [...script(b.folder, 'in', `fs.copyFileSync(args[0], args[1]);`), '{path}', b.target];
  const commands = { install, readBack: b.target, confirm };
  const boot = b.open({ commands });
  t.is(await boot.boot(b.state), 0);
  t.true(holds(b, 0));
  boot.setTrial(1);
  const again = b.open({ commands });
  t.is(await again.boot(b.state), 1);
  t.true(again.onTrial());
  t.true(holds(b, 1));
  t.false(existsSync(join(b.folder, 'work/image.bin')), 'nothing of the image lies about');
  t.false(existsSync(asked));
  again.confirm();
  while (!existsSync(asked) || readFileSync(asked).length < 2) await new Promise((r) => setTimeout(r, 20));
  t.false(again.onTrial());
  const later = b.open({ commands });
  t.is(await later.boot(b.state), 1);
});

test('an image that is not confirmed is taken back, by installing the old one', async (t) => {
  const b = await bench(t);
  await b.open().boot(b.state);
  const first = b.open();
  await first.boot(b.state);
  first.setTrial(1);
  for (let attempt = 0; attempt < 3; attempt++) t.is(await b.open().boot(b.state), 1);
  const back = b.open();
  t.is(await back.boot(b.state), 0);
  t.true(holds(b, 0));
  t.is(back.reason(), undefined, 'nobody said why');
});

test('of several components the installer gets all files in one call, and is believed when each is there', async (t) => {
  const b = await bench(t);
  const [radioTarget, calls] = [join(b.folder, 'target-radio.bin'), join(b.folder, 'calls')];
  const radios = [5_000, 6_000].map((bytes, i) => new Uint8Array(bytes).map((_, at) => (at * 3 + i) & 255));
  const slots = radios.map((bytes, i) => {
    const flash = new FileFlash(join(b.folder, `radio-${i}`), { bytes: 8_192 });
    flash.write(0, bytes);
    return flash;
  }) as [FileFlash, FileFlash];
  const withRadio = <T extends { image: object }>(release: T, slot: number): T => {
    const radio = { id: 'radio', bytes: radios[slot]!.length, digest: verifier.sha256(radios[slot]!) };
    return { ...release, image: { ...release.image, components: [radio] } };
  };
  const state = { ...b.state, running: withRadio(b.state.running, 0), pending: withRadio(b.state.pending!, 1) };
  // It forgets the radio of the new release where it is told to.
  const text = `fs.appendFileSync(args[4], process.env.COUNTERSIGN_SHA256_RADIO + '\\n');
    fs.copyFileSync(args[0], args[1]);
    if (fs.statSync(args[2]).size === 5000 || args[5] === 'whole') fs.copyFileSync(args[2], args[3]);`;
  const install = (how: string) =>
    [...script(b.folder, 'both', text), '{path}', b.target, '{path.radio}', radioTarget, calls, how] as unknown as Argv;
  const open = (how: string) =>
    b.open({
      slots: Object.assign([...b.slots] as unknown as CommandBootOptions['slots'], {
        components: [{ id: 'radio', slots }],
      }),
      ...{ commands: { install: install(how), readBack: b.target }, readBacks: { radio: radioTarget } },
    });
  const lies = (slot: number) => holds(b, slot) && Buffer.from(radios[slot]!).equals(readFileSync(radioTarget));
  const boot = open('half');
  t.is(await boot.boot(state), 0);
  t.true(lies(0));
  boot.setTrial(1);
  const trial = open('half');
  t.is(await trial.boot(state), 0, 'the application alone is not the release');
  t.is(trial.reason(), 'RESULT_MISMATCH');
  t.true(lies(0), 'both went back');
  trial.setTrial(1);
  t.is(await open('whole').boot(state), 1);
  t.true(lies(1));
  const digests = [0, 1, 0, 1].map((slot) => Buffer.from(verifier.sha256(radios[slot]!)).toString('hex'));
  t.deepEqual(readFileSync(calls, 'utf8').trim().split('\n'), digests, 'one call each');
  t.false(existsSync(join(b.folder, 'work/radio/image.bin')), 'nothing of the images lies about');
});

const FAILURES: [string, string, Partial<CommandBootOptions>, Code][] = [
  ['a write error', 'process.exit(74)', {}, 'FLASH_FAULT'],
  ['an exit code of its own', 'process.exit(3)', { exitCodes: { 3: 'NO_SPACE' } }, 'NO_SPACE'],
  ['an unknown exit code', 'process.exit(1)', {}, 'BOOT_FAILED'],
  ['a signal', 'process.kill(process.pid, "SIGSEGV")', {}, 'BOOT_FAILED'],
  ['success without an image', '', {}, 'RESULT_MISMATCH'],
];
for (const [name, text, more, code] of FAILURES) {
  test(`an installer that ends with ${name} ends the trial with ${code}`, async (t) => {
    const b = await bench(
      t,
      `if (fs.statSync(args[0]).size === ${IMAGES[0]!.length}) {
      fs.copyFileSync(args[0], new URL('target.bin', import.meta.url)); process.exit(0); }\n${text}`,
    );
    const boot = b.open(more);
    await boot.boot(b.state);
    boot.setTrial(1);
    const trial = b.open(more);
    t.is(await trial.boot(b.state), 0);
    t.is(trial.reason(), code);
    t.true(holds(b, 0));
    t.is(b.open(more).reason(), code, 'it is still known after a restart');
    trial.markUnbootable(1);
    t.is(b.open(more).reason(), undefined, 'and not said of the next release');
  });
}

test('an installer that does not end ends the trial with TRIAL_TIMEOUT', async (t) => {
  const b = await bench(t);
  // A shell begins within milliseconds: what is to succeed in the same time is not late on a slow machine.
  const text = `if [ "$(wc -c < "$1")" -eq ${IMAGES[0]!.length} ]; then exec cp "$1" "$2"; fi
    trap '' TERM; while :; do sleep 1; done`;
  const install: Argv = ['sh', '-c', text, 'install', '{path}', b.target];
  const more = { commands: { install, readBack: b.target }, installMs: 3_000 };
  const boot = b.open(more);
  await boot.boot(b.state);
  boot.setTrial(1);
  const trial = b.open(more);
  t.is(await trial.boot(b.state), 0);
  t.is(trial.reason(), 'TRIAL_TIMEOUT');
  t.true(holds(b, 0));
});

test('a target that is busy twice costs two attempts of three', async (t) => {
  const b = await bench(
    t,
    `const n = new URL('n', import.meta.url); const small = ${IMAGES[0]!.length};
    if (fs.statSync(args[0]).size !== small) { fs.appendFileSync(n, '.'); if (fs.readFileSync(n).length < 3) process.exit(75); }
    fs.copyFileSync(args[0], new URL('target.bin', import.meta.url));`,
  );
  const boot = b.open();
  await boot.boot(b.state);
  boot.setTrial(1);
  t.is(await b.open().boot(b.state), 1);
  t.is(readFileSync(join(b.folder, 'n')).length, 3);
});

test('a slot that was changed after it was verified is never handed over', async (t) => {
  const b = await bench(t);
  const boot = b.open();
  await boot.boot(b.state);
  boot.setTrial(1);
  const slot = new FileFlash(join(b.folder, 'slot-1'), { bytes: 65_536 });
  slot.write(5_000, new Uint8Array([1, 2, 3]));
  const trial = b.open();
  t.is(await trial.boot(b.state), 0);
  t.is(trial.reason(), 'RESULT_MISMATCH');
});

test('after a SIGKILL in the middle, what still installs is ended before it begins again', async (t) => {
  const slow = `const bytes = fs.readFileSync(args[0]); const to = new URL('target.bin', import.meta.url);
    fs.writeFileSync(to, ''); fs.appendFileSync(new URL('pids', import.meta.url), process.pid + '\\n');
    const slow = fs.existsSync(new URL('slow', import.meta.url));
    for (let at = 0; at < bytes.length; at += 1000) { fs.appendFileSync(to, bytes.subarray(at, at + 1000));
      if (slow) await new Promise((r) => setTimeout(r, 600_000)); }`;
  const b = await bench(t, slow);
  const boot = b.open();
  await boot.boot(b.state);
  boot.setTrial(1);
  writeFileSync(join(b.folder, 'slow'), '');
  const pids = () => readFileSync(join(b.folder, 'pids'), 'utf8').trim().split('\n').map(Number);
  const before = pids().length;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', program(b)], { stdio: 'inherit' });
  while (pids().length === before) await new Promise((r) => setTimeout(r, 20));
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const orphan = pids().at(-1)!;
  t.true(isAlive(orphan), 'a SIGKILL of the parent leaves the installer at work');
  rmSync(join(b.folder, 'slow'));
  t.is(await b.open().boot(b.state), 1);
  t.false(isAlive(orphan));
  t.true(holds(b, 1));
});

/** The same boot in a process that can be killed. */
function program(b: Bench): string {
  const at = (name: string) => JSON.stringify(import.meta.resolve(`@countersign/device-sdk/host/${name}`));
  const slots = [0, 1].map((i) => `new FileFlash(${JSON.stringify(join(b.folder, `slot-${i}`))}, { bytes: 65536 })`);
  const states = IMAGES.map(
    (bytes, i) =>
      `{ image: { bytes: ${bytes.length}, digest: Buffer.from('${Buffer.from(verifier.sha256(bytes)).toString('hex')}', 'hex') }, version: '1.0.${i}', slot: ${i}, phase: 'trial' }`,
  );
  return `
    import { CommandBoot } from ${at('command-boot')};
    import { FileFlash } from ${at('file-flash')};
    import { nodeVerifier } from ${at('crypto')};
    import { systemTimer } from ${at('system')};
    const boot = new CommandBoot({ folder: ${JSON.stringify(join(b.folder, 'work'))}, slots: [${slots.join(', ')}],
      verifier: nodeVerifier(), timer: systemTimer(), commands: { readBack: ${JSON.stringify(b.target)},
      install: [process.execPath, ${JSON.stringify(join(b.folder, 'install.mjs'))}, '{path}'] } });
    await boot.boot({ running: ${states[0]}, pending: ${states[1]}, handover: undefined });`;
}

function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`).length > 0;
  } catch {
    return false;
  }
}

test('values reach a command as they are, never through a shell, and never as an option', async (t) => {
  const folder = await temporary(t);
  const echo = script(folder, 'echo', 'console.log(JSON.stringify([args, process.env]))');
  process.env.COUNTERSIGN_PASSPHRASE_FILE = '/nowhere';
  const version = `1.0; touch ${join(folder, 'hacked')} $(id) "'`;
  const { exit, words } = await runCommand(
    [...echo, '--version={version}', '{version}', '{other}'] as unknown as Argv,
    {
      values: { version },
      limitMs: 60_000,
    },
  );
  delete process.env.COUNTERSIGN_PASSPHRASE_FILE;
  t.is(exit, 0);
  const [args, env] = JSON.parse(words);
  t.deepEqual(args, [`--version=${version}`, version, '{other}']);
  t.is(env.COUNTERSIGN_VERSION, version);
  t.is(env.COUNTERSIGN_PASSPHRASE_FILE, undefined);
  t.false(existsSync(join(folder, 'hacked')));
  const option = runCommand([...echo, '{version}'] as unknown as Argv, {
    values: { version: '--force' },
    limitMs: 60_000,
  });
  t.is(await option.then(() => 'none', codeOf), 'BAD_STATEMENT');
  t.is((await runCommand(['/no/such/program'], { limitMs: 60_000 })).exit, undefined);
});

test('a limit ends what a command has started, too', async (t) => {
  const folder = await temporary(t);
  const child = join(folder, 'child');
  const nest: Argv = ['sh', '-c', 'sleep 600 & echo $! > "$1"; wait', 'nest', child];
  const run = runCommand(nest, { limitMs: 1_500, mark: 'nested' });
  t.true((await run).late);
  await endLeftOver('nested');
  t.false(isAlive(Number(readFileSync(child, 'utf8'))));
});

test('health: well, not yet, not well', async (t) => {
  const folder = await temporary(t);
  const n = JSON.stringify(join(folder, 'n'));
  const later = script(
    folder,
    'later',
    `fs.appendFileSync(${n}, '.'); process.exit(fs.readFileSync(${n}).length < 3 ? 75 : 0)`,
  );
  t.true(await commandHealth({ command: later, deadlineMs: 120_000, againMs: 1 }).selfTest());
  const bad = script(folder, 'bad', 'process.exit(1)');
  t.false(await commandHealth({ command: bad, deadlineMs: 120_000 }).selfTest());
  const never = script(folder, 'never', 'process.exit(75)');
  t.false(await commandHealth({ command: never, deadlineMs: 1_000, againMs: 10 }).selfTest());
});

test('a veto by window of the day and by command', async (t) => {
  const folder = await temporary(t);
  const release = { sequence: 2, version: '1.0.1', policy: 0 };
  const windows = [readWindow('22:30-05:00')!, readWindow('12:00-12:30')!];
  const at = (minute: number) => ownerVeto({ windows, minute: () => minute });
  t.true(await at(23 * 60).allow('restart', release));
  t.true(await at(4 * 60).allow('install', release));
  t.false(await at(5 * 60).allow('install', release));
  t.true(await at(12 * 60).allow('restart', release));
  t.true(await at(5 * 60).allow('fetch', release), 'fetching disturbs nobody');
  for (const text of ['24:00-01:00', '1:00-2:00', '01:00', '01:60-02:00', '']) t.is(readWindow(text), undefined, text);
  const command: Argv = [...script(folder, 'battery', 'process.exit(args[0] === "install" ? 1 : 0)'), '{stage}'];
  const veto = ownerVeto({ command });
  t.true(await veto.allow('fetch', release));
  t.false(await veto.allow('install', release));
});
