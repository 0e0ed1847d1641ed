/** The shape of every bench's output: CSV whose lines begin with commit, machine and Node, so that runs can be put side by side. */
import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { repository } from './repository.ts';

export type Cell = string | number;

/**
 * Prints the head line.
 * @returns prints one line
 * @example
 * const row = bench('what', 'value', 'unit');
 * row('receipt', 1_010, 'B');
 */
export function bench(...columns: string[]): (...cells: Cell[]) => void {
  print(['commit', 'machine', 'node', ...columns]);
  const start = [commit(), machine(), process.version];
  warnOfOthers();
  return (...cells) => print([...start, ...cells]);
}

/**
 * Processor time of a call in milliseconds: the median of several rounds, each a mean over many calls. Unlike time by the
 * clock it hardly depends on what else the machine does. The first calls warm the code up and do not count.
 */
export async function millisecondsEach(once: () => unknown, budgetMs = 400): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await once();
  const rounds: number[] = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await roundOf(once, budgetMs / ROUNDS));
  return rounds.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

async function roundOf(once: () => unknown, budgetMs: number): Promise<number> {
  const start = process.cpuUsage();
  for (let runs = 1; ; runs++) {
    await once();
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    if (ms >= budgetMs) return ms / runs;
  }
}

const WARM_UP = 20;
const ROUNDS = 5;

/** Times of a machine on which others work say little. */
function warnOfOthers(): void {
  const [load] = loadavg();
  if (load! > QUIET)
    console.error(`others are at work: load average ${load!.toFixed(1)} on ${cpus().length} processors`);
}

const QUIET = 0.5;

function print(cells: readonly Cell[]): void {
  console.log(cells.map((cell) => `${cell}`.replaceAll(',', ' ')).join(','));
}

/** A plus sign says that files were changed since that commit. */
function commit(): string {
  try {
    const args = ['describe', '--always', '--exclude=*', '--abbrev=7', '--dirty=+'];
    return execFileSync('git', args, { encoding: 'utf8', cwd: repository, stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

function machine(): string {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? process.arch}`;
}
