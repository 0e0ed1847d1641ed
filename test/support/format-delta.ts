/** Tables of docs/FORMAT-DELTA.md, read as a machine reads them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repository } from './repository.ts';

export const page = readFileSync(join(repository, 'docs/FORMAT-DELTA.md'), 'utf8');

/** Text from a heading to the next one of any level. */
export function section(heading: string): string {
  const at = page.indexOf(`\n${heading}\n`);
  if (at < 0) throw new Error(`the page has no heading ${heading}`);
  const text = page.slice(at + heading.length + 2);
  const end = text.search(/^#{2,3} /m);
  return end < 0 ? text : text.slice(0, end);
}

/** Rows of the table whose header begins with `first`, a record each. */
export function table(text: string, first: string): Record<string, string>[] {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith(`| ${first} |`));
  if (at < 0) throw new Error(`no table begins with ${first}`);
  const names = cells(lines[at]!);
  const rows: Record<string, string>[] = [];
  for (let i = at + 2; lines[i]?.startsWith('|'); i++) {
    const values = cells(lines[i]!);
    if (values.length !== names.length) throw new Error(`${values.length} cells: ${lines[i]}`);
    rows.push(Object.fromEntries(names.map((name, j) => [name, values[j]!])));
  }
  return rows;
}

function cells(line: string): string[] {
  return line
    .split(/(?<!\\)\|/)
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** One row of an instruction set. */
export interface Row {
  name: string;
  bytes: number;
  mask: number;
  value: number;
  /** Number of the form; 0 for none, NaN for the halves of a pair, whose form the other half decides. */
  form: number;
  /** True for a form in brackets: rules of its own. */
  special: boolean;
  kind: number;
  operand: Operand;
  type: string;
  scale: number;
  base: string;
}

/** Bits from the highest to the lowest; negated ones are xor bit 26 xor 1. */
export type Operand = readonly { bit: number; mixed: boolean }[];

export function instructions(heading: string): Row[] {
  return table(section(heading), 'instruction').map((row) => ({
    name: row.instruction!,
    bytes: Number(row.bytes),
    mask: Number.parseInt(row.mask!, 16),
    value: Number.parseInt(row.value!, 16),
    form: Number(row.form!.replace(/[()]/g, '')),
    special: row.form!.startsWith('('),
    kind: Number(row.kind),
    operand: operandOf(row.operand!),
    type: row.type!,
    scale: Number(row.scale),
    base: row.base!,
  }));
}

function operandOf(text: string): Operand {
  if (text === '') return [];
  return text.split(',').flatMap((part) => {
    const mixed = part.startsWith('!');
    const [high, low = high] = part.replace('!', '').split(':').map(Number) as [number, number?];
    return Array.from({ length: high - low! + 1 }, (_, i) => ({ bit: high - i, mixed }));
  });
}
