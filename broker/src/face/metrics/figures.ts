/** Figures of a server, as they stand at the moment of asking; exposition.ts writes them down for Prometheus. */

export type Labels = Readonly<Record<string, string>>;

export interface Figure {
  /** With its unit; counters end in `_total` (Prometheus naming). */
  name: string;
  help: string;
  kind: 'gauge' | 'counter';
  values: readonly (readonly [labels: Labels, value: number])[];
}

/** A part of a server whose figures fail or succeed together. */
export interface FigureSource {
  /** A fixed word. */
  part: string;
  figures(): Promise<readonly Figure[]> | readonly Figure[];
}

export function gauge(name: string, help: string, value: number | Figure['values']): Figure {
  return { name: `countersign_${name}`, help, kind: 'gauge', values: valuesOf(value) };
}

/** What only grows, since the start of the process. */
export function counter(name: string, help: string, value: number | Figure['values']): Figure {
  return { name: `countersign_${name}_total`, help, kind: 'counter', values: valuesOf(value) };
}

/** One value for each word of a closed list. */
export function by(
  label: string,
  values: Readonly<Partial<Record<string, number>>>,
  more: Labels = {},
): Figure['values'] {
  return Object.entries(values).map(([word, value]) => [{ ...more, [label]: word }, value ?? 0] as const);
}

function valuesOf(value: number | Figure['values']): Figure['values'] {
  return typeof value === 'number' ? [[{}, value]] : value;
}

/** Asks at most every so many milliseconds: many who scrape cost no more than one. */
export function remembered<T>(ms: number, ask: () => Promise<T>): () => Promise<T> {
  let known: { at: number; answer: Promise<T> } | undefined;
  return () => {
    const at = performance.now();
    if (!known || at - known.at >= ms) {
      const answer = ask();
      known = { at, answer };
      answer.catch(() => {
        known = undefined;
      });
    }
    return known.answer;
  };
}
