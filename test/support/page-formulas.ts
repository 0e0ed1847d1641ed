/** The decisions of docs/FORMAT-DELTA.md: sets, states and contexts as functions made from the page's own formulas. */
import { section, table } from './format-delta.ts';

/** Values of the letters that the page uses in a formula. */
export type Letters = Record<string, number | Uint8Array>;
type Formula = (letters: Letters) => number;

export interface Decision {
  set: Formula;
  /** -1 for none. */
  state: Formula;
  contexts: Formula[];
}

export function decisions(): Map<string, Decision> {
  const found = new Map<string, Decision>();
  for (const row of table(section('### Decisions'), 'decision')) {
    const [set = 'none'] = spans(row.set!);
    const [state = 'none'] = spans(row['state of lite']!);
    found.set(row.decision!, {
      set: formula(set),
      state: formula(state),
      contexts: spans(row.contexts!).map(formula),
    });
  }
  return found;
}

function spans(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
}

const WORDS: Record<string, string> = { mod: '%', none: '-1', min: 'Math.min', mul: 'Math.imul' };

/** A formula of the page as JavaScript: a number before a name, a function or a bracket multiplies. */
function formula(text: string): Formula {
  const parts = text.match(/0x[0-9A-F]+|\d+|[A-Za-z]+|[<>]{2}|[-+*^|?:<,()[\]]/g)!;
  if (parts.join('') !== text.replaceAll(' ', '')) throw new Error(`cannot read the formula ${text}`);
  const out: string[] = [];
  for (const [i, part] of parts.entries()) {
    const isName = /^[A-Za-z]+$/.test(part);
    if (/^\d/.test(parts[i - 1] ?? '') && (part === '(' || (isName && part !== 'mod'))) out.push('*');
    out.push(WORDS[part] ?? (isName ? `of.${part}` : part));
  }
  return new Function('of', `return ${out.join(' ')};`) as Formula;
}
