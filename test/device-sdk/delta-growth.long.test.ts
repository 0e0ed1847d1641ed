/** What applying a delta needs: the workspace that its header names, fenced, and nothing that grows with the image. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assemble } from '@countersign/broker/delta/assemble';
import { fit as fitModel } from '@countersign/broker/delta/model/fitting';
import { CODER_HEATSHRINK, CODER_LITE, CODER_MIXING, type MemoryClass } from '@countersign/device-sdk/delta';
import { PREDICTOR_THUMB } from '@countersign/device-sdk/delta/model';
import { readSample } from '@countersign/firmware-samples';
import test from 'ava';
import { newByte, oldByte } from '../support/computed-image.ts';
import { applyFenced } from '../support/fences.ts';

const pairs = [
  { name: 'sensor-node', old: readSample('sensor-node', '1.0.1'), fresh: readSample('sensor-node', '1.1.0') },
  { name: 'pump-monitor', old: readSample('pump-monitor', '3.0.0'), fresh: readSample('pump-monitor', '3.1.0') },
];

for (const { name, old, fresh } of pairs) {
  for (const memoryClass of ['S', 'M', 'L', 'XL'] as const) {
    test(`${name}, class ${memoryClass}: applied in the workspace of its header, with nothing written around it`, (t) => {
      t.log(applyFenced(t, old, fresh, memoryClass));
    });
  }
}

/** Without machine code made on the way, whose memory would be counted as the decoder's. */
const FLAGS = [
  '--expose-gc',
  '--no-opt',
  '--no-sparkplug',
  '--single-threaded',
  '--no-lazy-feedback-allocation',
  '--no-flush-bytecode',
];

const CODERS = [
  { memoryClass: 'S', coder: CODER_HEATSHRINK, windowBits: 8, lookaheadBits: 4 },
  { memoryClass: 'L', coder: CODER_LITE, windowBits: 3, lookaheadBits: 10 },
  { memoryClass: 'XL', coder: CODER_MIXING, windowBits: 0, lookaheadBits: 0 },
] as const;

/** A container made without a search: all of the image is one copy, and its addresses stay where they are. */
function container(bytes: number, shape: (typeof CODERS)[number]): { container: Uint8Array; digest: string } {
  const old = Uint8Array.from({ length: bytes }, (_, i) => oldByte(i));
  const fresh = Uint8Array.from({ length: bytes }, (_, i) => newByte(i));
  const regions = [{ offset: 0, address: 0x0800_0000, code: true }];
  const model = {
    ...{ predictor: PREDICTOR_THUMB, pointers: true, ram: { address: 0, bytes: 0 } },
    ...{ old: regions, fresh: regions, runs: [{ start: 0, shift: 0 }], ramRuns: [] },
  };
  const fitting = fitModel(model, 16, old, fresh.length);
  const source = { kind: 'delta' as const, old, fresh, copies: [{ oldStart: 0, newStart: 0, length: bytes }] };
  const candidate = { ...shape, predictor: PREDICTOR_THUMB, fitting };
  const made = assemble(source, shape.memoryClass satisfies MemoryClass, candidate, 65_536).container;
  return { container: made, digest: createHash('sha256').update(fresh).digest('hex') };
}

function apply(made: { container: Uint8Array; digest: string }): { most: number; right: boolean } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
  try {
    const path = join(folder, 'delta');
    writeFileSync(path, made.container);
    const child = join(import.meta.dirname, '../support/apply-child.js');
    const printed = execFileSync(process.execPath, [...FLAGS, child, path], { encoding: 'utf8' });
    const { most, digest } = JSON.parse(printed) as { most: number; digest: string };
    return { most, right: digest === made.digest };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const shape of CODERS) {
  test(`class ${shape.memoryClass}: an image of 1.5 MB keeps as little in memory as one of 64 KB`, (t) => {
    const small = apply(container(65_536, shape));
    const large = apply(container(1_572_864, shape));
    t.true(small.right && large.right);
    t.log(`${small.most} and ${large.most} bytes more than before`);
    // The image is 24 times as large; what is alive is the decoder's objects.
    t.true(large.most < 1.25 * small.most, `${small.most} bytes became ${large.most}`);
  });
}
