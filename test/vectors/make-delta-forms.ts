/**
 * Makes test/vectors/delta/forms.json. Run from the root after a build:
 *   node test/dist/vectors/make-delta-forms.js && npx biome check --write test/vectors/delta
 * One image per CPU with every form of instruction its predictor knows, Espressif images with their segment tables, and
 * functions that all move by distances of their own, more than the map has runs: those targets have to be learned. As all vectors, they are never made anew.
 */
import { writeFileSync } from 'node:fs';
import { makeDelta } from '@countersign/broker/delta/index';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import { programs } from '../support/code.ts';
import { espImage, formsProgram } from '../support/forms.ts';
import type { DeltaVector } from './make-delta.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const rows: DeltaVector[] = [];

function pin(id: string, why: string, images: { old: Uint8Array; fresh: Uint8Array }, name: MemoryClass): void {
  const { delta, info } = makeDelta(images.old, images.fresh, { class: name, checkpointBytes: 0 });
  const expected = { image: hex(images.fresh) };
  const about = `${why}: ${info.predictor}, ${info.coder}, class ${name}`;
  rows.push({ id, why: about, old: hex(images.old), container: hex(delta), expected, newBytes: images.fresh.length });
}

const flat: [cpu: string, base: number, name: MemoryClass][] = [
  ['thumb', 0x0800_0000, 'M'],
  ['riscv', 0x2040_0000, 'L'],
  ['xtensa', 0x4020_0000, 'S'],
  ['arm', 0x8000_8000, 'L'],
  ['aarch64', 0x4008_0000, 'M'],
  ['avr', 0, 'M'],
  ['xtensa-be', 0x0090_0000, 'M'],
  ['xtensa-be', 0x0090_0000, 'XL'],
];
for (const [i, [cpu, base, name]] of flat.entries()) {
  pin(`forms-${cpu}-${name}`, 'every form', formsProgram({ cpu, base, functions: 40, seed: 50 + i }), name);
}

const segmented: [id: string, cpu: string, header: 8 | 24, addresses: [number, number], name: MemoryClass][] = [
  ['esp8266', 'xtensa', 8, [0x3ffe_8000, 0x4010_0000], 'M'],
  ['esp32', 'xtensa', 24, [0x3f40_0020, 0x400d_0020], 'L'],
  ['esp32c3', 'riscv', 24, [0x3c00_0020, 0x4200_0020], 'S'],
];
for (const [i, [id, cpu, header, addresses, name]] of segmented.entries()) {
  const { old, fresh } = formsProgram({ cpu, base: addresses[1], functions: 40, seed: 70 + i });
  const wrap = (image: Uint8Array) => espImage(image, header, { bytes: 160, address: addresses[0] }, addresses[1]);
  const wrapped = { old: wrap(old), fresh: wrap(fresh) };
  pin(`segments-${id}-${name}`, 'a segment table', wrapped, name);
}

for (const [isa, name] of [
  ['thumb', 'S'],
  ['xtensa-be', 'M'],
  ['arm', 'M'],
] as const) {
  pin(`learned-${isa}-${name}`, 'more moves than runs', programs(isa, 110, 90, 2), name);
}
writeFileSync('test/vectors/delta/forms.json', JSON.stringify(rows, null, 2));
