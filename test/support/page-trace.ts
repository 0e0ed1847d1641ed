/** The worked examples of docs/FORMAT-DELTA.md: every decision of a small container, a line each. */
import type { Step } from './page-coders.ts';
import { decodeByPage } from './page-decoder.ts';

const FIELDS = ['INSERT', 'COPY', 'SEEK', 'FILL', 'SHIFT'];

/** Columns: decision; state, or set and slots; chance; bit; range and code after it. */
export function traceOf(container: Uint8Array, old: Uint8Array): string[] {
  const lines: string[] = [];
  decodeByPage(container, old, (step) => {
    const numbers = [hex(step.range), hex(step.code)].join('  ');
    lines.push(
      `${label(step).padEnd(20)} ${step.where.padEnd(16)} ${String(step.chance).padStart(5)}  ${step.bit}  ${numbers}`,
    );
  });
  return lines;
}

function label({ name, letters }: Step): string {
  const { f, i, k, n } = letters as Record<string, number>;
  if (name === 'number, i below k') return `${FIELDS[f!]}, ${i} below k`;
  if (name === 'number, bit i') return `${FIELDS[f!]}, k ${k}, bit ${i}`;
  if (name.startsWith('literal')) return `literal, bit ${i}`;
  if (name.startsWith('residual')) return `residual ${i}, bit ${n}`;
  return name.replace(/ i$/, ` ${i}`);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}
