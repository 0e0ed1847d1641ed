/** A world of its own, and what it said. */
import type { VirtualRates } from '@countersign/simulator/virtual/faults';
import { runVirtual, type VirtualOptions, type VirtualRun } from '@countersign/simulator/virtual/run';

export interface Told extends VirtualRun {
  log: string;
}

export async function run(
  seed: string,
  devices: number,
  rates: VirtualRates,
  releases = ['1.0.1'],
  more: Partial<VirtualOptions> = {},
): Promise<Told> {
  const lines: string[] = [];
  const options = { seed, devices, rates, releases, revisions: [['A', 2] as const, ['C', 1] as const], ...more };
  const outcome = await runVirtual({ ...options, timeoutSeconds: 6 * 3600, line: (text) => lines.push(text) });
  return { ...outcome, log: lines.join('\n') };
}
