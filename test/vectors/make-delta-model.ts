/**
 * Makes test/vectors/delta/model.json. Run from the root after a build:
 *   node test/dist/vectors/make-delta-model.js && npx biome check --write test/vectors/delta
 * One container for each predictor and coder, by the product's encoder: they pin both sides from now on. An entry is
 * never made anew; a change that would need it is a new version of the container.
 */
import { writeFileSync } from 'node:fs';
import { makeDelta } from '@countersign/broker/delta/index';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import { type Isa, programs } from '../support/code.ts';
import type { DeltaVector } from './make-delta.ts';

const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr'];
const classes: MemoryClass[] = ['S', 'M', 'L', 'XL'];
/** With class G besides, where literals learn from the old image: in blocks, and in one block. */
const learning: Isa[] = ['thumb', 'riscv'];
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const rows: DeltaVector[] = [];
for (const [i, isa] of isas.entries()) {
  // Two coders for each predictor, so that every class stands beside three predictors.
  const others = learning.includes(isa) ? (['G'] as const) : [];
  for (const name of [classes[i % 4]!, classes[(i + 2) % 4]!, ...others]) {
    const { old, fresh } = programs(isa, 52, 11 + i);
    const { delta, info } = makeDelta(old, fresh, { class: name, checkpointBytes: i % 2 === 0 ? 4096 : 0 });
    if (name === 'G' && info.lookaheadBits === 0) throw new Error(`${isa}: learns nothing from the old image`);
    const why = `${info.predictor}, ${info.coder}, class ${name}`;
    const images = { old: hex(old), container: hex(delta), expected: { image: hex(fresh) } };
    rows.push({ id: `${isa}-${name}`, why, ...images, newBytes: fresh.length });
  }
}
writeFileSync('test/vectors/delta/model.json', JSON.stringify(rows, null, 2));
