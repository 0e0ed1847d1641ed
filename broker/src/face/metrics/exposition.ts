/** Figures in the text format of Prometheus. prom-client is loaded when somebody first asks. */
import type { Registry } from 'prom-client';
import type { Figure, FigureSource } from './figures.ts';
import { gauge } from './figures.ts';

/**
 * Of one figure. Labels are codes, states and the ids of the few newest rollouts; a list that grows with devices or
 * time would fill whatever stores it, and is a mistake of ours.
 */
export const VALUES_MAX = 512;

export interface Exposition {
  readonly contentType: string;
  text: string;
}

/** @example const { text } = await expose([ledgerFigures(ledger, heads)]); */
export async function expose(sources: readonly FigureSource[]): Promise<Exposition> {
  const { Registry, Gauge, Counter } = await import('prom-client');
  const registry = new Registry();
  for (const { name, help, kind, values } of joined(await ask(sources))) {
    if (values.length > VALUES_MAX) throw new RangeError(`${name} has ${values.length} values, at most ${VALUES_MAX}`);
    const labelNames = Object.keys(values[0]?.[0] ?? {});
    const options = { name, help, labelNames, registers: [registry] };
    const metric = kind === 'gauge' ? new Gauge(options) : new Counter(options);
    for (const [labels, value] of values) metric.inc(labels, value);
  }
  const own = await registry.metrics();
  return { contentType: registry.contentType, text: `${own}\n${await (await processFigures()).metrics()}` };
}

/** One part that fails (a ledger that does not answer) takes only its own figures with it, and says so. */
async function ask(sources: readonly FigureSource[]): Promise<Figure[]> {
  const asked = await Promise.allSettled(sources.map(async ({ figures }) => figures()));
  const known = asked.map(({ status }, i) => [{ part: sources[i]!.part }, status === 'fulfilled' ? 1 : 0] as const);
  const answered = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  return [...answered, gauge('scrape_ok', 'Whether the figures of this part could be read', known)];
}

/** Several parts have queues and refusals: each figure is written once. */
function joined(figures: readonly Figure[]): Figure[] {
  const byName = new Map<string, Figure>();
  for (const figure of figures) {
    const known = byName.get(figure.name);
    byName.set(figure.name, known ? { ...known, values: [...known.values, ...figure.values] } : figure);
  }
  return [...byName.values()];
}

let ofProcess: Promise<Registry> | undefined;

/** CPU, memory, event loop and garbage collection: one collector for each process, however many servers are in it. */
function processFigures(): Promise<Registry> {
  ofProcess ??= import('prom-client').then(({ Registry, collectDefaultMetrics }) => {
    const register = new Registry();
    collectDefaultMetrics({ register });
    return register;
  });
  return ofProcess;
}
