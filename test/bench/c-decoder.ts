/**
 * The decoder in C: bytes of code for a Cortex-M4 by part, instructions and stack on an emulated one, time on this machine.
 * Run after a build: node test/dist/bench/c-decoder.js
 * Needs gcc-arm-none-eabi and libnewlib-arm-none-eabi for the sizes, qemu-system-arm besides for the instructions.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import { readSample } from '@countersign/firmware-samples';
import { bench } from '../support/bench.ts';
import { CLASSES, caseOf } from '../support/c-agreement.ts';
import { type CCase, casesInBytes, compiled } from '../support/c-decoder.ts';
import { repository } from '../support/repository.ts';

const room = join(repository, 'test/c-decoder');
const sources = readdirSync(room).filter((name) => name.endsWith('.c') && name !== 'main.c');
const ARM = 'arm-none-eabi-gcc';
const ARM_FLAGS = ['-std=c99', '-Os', '-mcpu=cortex-m4', '-mthumb', '-ffunction-sections', '-fdata-sections'];
const BOARD_FLAGS = ['-nostartfiles', '--specs=nano.specs', '-Wl,--gc-sections', '-T', 'board/board.ld'];
const EMULATOR = 'qemu-system-arm';
const EMULATOR_FLAGS = '-M mps2-an386 -nographic -monitor none -serial none -semihosting -icount shift=0 -kernel';
const REPEATS = { S: 40, M: 40, L: 40, XL: 4, G: 2 };

const folder = mkdtempSync(join(tmpdir(), 'countersign-c-decoder-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const built = compiled([]);
const print = bench('part', 'class', 'figure', 'value');
const [old, fresh] = [readSample('sensor-node', '1.3.0'), readSample('sensor-node', '1.4.0')];

if (has(ARM)) sizes();
else console.error(`${ARM} is not installed: no sizes, no instructions`);
for (const name of CLASSES) {
  for (const how of ['delta', 'full'] as const) {
    const c = caseOf(old, fresh, name, how);
    if (has(ARM) && has(EMULATOR)) instructions(c, name, how);
    hostTime(c, name, how);
  }
}
if (!has(EMULATOR)) console.error(`${EMULATOR} is not installed: no instructions`);

function has(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0;
}

/** What a command says, on either output: the emulator lets its program speak on the one for errors. */
function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: room, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout + stderr;
}

/** Code and constants of each file, as the compiler makes it. */
function sizes(): void {
  for (const source of sources) {
    const object = join(folder, `${source}.o`);
    run(ARM, [...ARM_FLAGS, '-c', source, '-o', object]);
    const [text, data] = run('arm-none-eabi-size', [object]).split('\n')[1]!.trim().split(/\s+/);
    print(source, '', 'bytes of code and constants', Number(text) + Number(data));
  }
}

/** A firmware with the container and both images in its flash, run by an emulator that counts instructions. */
function instructions(c: CCase, name: string, how: string): void {
  const files = { OLD_FILE: c.old, NEW_FILE: fresh, CONTAINER_FILE: c.container };
  const defines = Object.entries(files).map(([macro, bytes]) => {
    writeFileSync(join(folder, macro), bytes);
    return `-D${macro}="${join(folder, macro)}"`;
  });
  const program = join(folder, 'board.elf');
  const inputs = [...sources, 'board/main.c', 'board/images.S'];
  run(ARM, [...ARM_FLAGS, ...BOARD_FLAGS, ...defines, ...inputs, '-o', program]);
  const lines = run(EMULATOR, [...EMULATOR_FLAGS.split(' '), program])
    .trim()
    .split('\n');
  for (const line of lines) {
    const [, figure, value] = /^(.*) (\d+)$/.exec(line) ?? [];
    if (figure === undefined) throw new Error(`the emulator says: ${line}`);
    print(how, name, figure, value!);
  }
}

/** Processor time of one case: that of several in one process, less that of one. */
function hostTime(c: CCase, name: MemoryClass, how: string): void {
  const each = (processorMs(c, REPEATS[name] + 1) - processorMs(c, 1)) / REPEATS[name];
  print(how, name, 'milliseconds of processor time on this machine', each.toFixed(1));
}

function processorMs(c: CCase, count: number): number {
  if ('reason' in built) throw new Error(built.reason);
  const input = casesInBytes(Array(count).fill(c));
  const { stderr } = spawnSync('sh', ['-c', '"$0" > /dev/null; times >&2', built.program], { input, encoding: 'utf8' });
  const [, minutes, seconds] = /\n(\d+)m([\d.]+)s/.exec(stderr)!;
  return 60_000 * Number(minutes) + 1000 * Number(seconds);
}
