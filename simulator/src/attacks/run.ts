/** Runs attacks and judges what came of them. Nothing about the result is assumed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { codeOf } from '@countersign/device-sdk';
import type { Attack, Found, Ground, Outcome, Row, Tried, Variant } from './attack.ts';
import type { Port } from './port/port.ts';

export async function runAttack(attack: Attack, port: Port, told: (tried: Tried) => void = () => {}): Promise<Row> {
  const tried: Tried[] = [];
  for (const variant of attack.variants) {
    const one = await runVariant(variant, port);
    tried.push(one);
    told(one);
  }
  return rowOf(attack, tried);
}

/** One try, on a ground of its own. A fault is a result too: it is never taken for a refusal. */
export async function runVariant(variant: Variant, port: Port): Promise<Tried> {
  const { how, expect } = variant;
  const before = performance.now();
  const { ground, end } = makeGround(port);
  let found: Found;
  try {
    found = await variant.run(ground);
  } catch (error) {
    found = {
      harm: `${codeOf(error)}: ${error instanceof Error ? error.message : String(error)}`,
      codes: ['INTERNAL'],
    };
  } finally {
    await end();
  }
  const millis = Math.round(performance.now() - before);
  return { how, expect, ...judged(variant, found), millis };
}

function judged({ expect }: Variant, found: Found): { outcome: Outcome; code: string | null; why?: string } {
  const { harm, odd, codes } = found;
  const code = codes[0] ?? null;
  const broken = code === 'INTERNAL';
  if (harm !== undefined) return { outcome: broken ? 'unexpected' : 'succeeded', code, why: harm };
  if (odd !== undefined) return { outcome: 'unexpected', code, why: odd };
  if (expect === 'held') return { outcome: 'held', code };
  if (code === expect) return { outcome: 'refused', code };
  return { outcome: 'unexpected', code, why: `${code ?? 'nothing'} was said where ${expect} must be` };
}

function rowOf({ id, name, source, variants }: Attack, tried: readonly Tried[]): Row {
  const outcomes = tried.map(({ outcome }) => outcome);
  const worst = (['succeeded', 'unexpected', 'refused', 'held'] as const).find((outcome) => outcomes.includes(outcome));
  return {
    ...{ id, name, source },
    tried: variants.map(({ how }) => how).join('; '),
    variants: variants.length,
    // An attack on which nothing was tried has not been withstood.
    outcome: worst ?? 'unexpected',
    codes: [...new Set(tried.flatMap(({ code }) => (code === null ? [] : [code])))],
    millis: tried.reduce((sum, { millis }) => sum + millis, 0),
    failed: tried.filter(({ outcome }) => outcome === 'succeeded' || outcome === 'unexpected'),
  };
}

function makeGround(port: Port): { ground: Ground; end(): Promise<void> } {
  const ends: (() => unknown)[] = [];
  const after = (end: () => unknown) => void ends.push(end);
  return {
    ground: {
      port,
      after,
      async folder() {
        const path = await mkdtemp(join(tmpdir(), 'countersign-attack-'));
        after(() => rm(path, { recursive: true, force: true }));
        return path;
      },
    },
    async end() {
      for (const work of ends.reverse()) await work();
    },
  };
}
