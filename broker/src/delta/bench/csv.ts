import type { Bench } from './bench.ts';
import type { BenchRow } from './row.ts';

const COLUMNS = ['pair', 'oldBytes', 'newBytes', 'tool', 'version', 'source'] as const;
const FIGURES = ['bytes', 'percent', 'seconds', 'cpuSeconds', 'applyMs', 'peakMb', 'note'] as const;

/** One line per row; commit and machine in each, so that lines of two runs can stand in one file. */
export function benchCsv({ commit, machine, node, rows }: Bench): string {
  const names: (keyof BenchRow)[] = [...COLUMNS, ...FIGURES];
  const head = ['commit', 'machine', 'node', ...names];
  const lines = rows.map((row) => [commit, machine, node, ...names.map((name) => row[name] ?? '')]);
  return [head, ...lines].map((line) => line.map(cell).join(',')).join('\n');
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
