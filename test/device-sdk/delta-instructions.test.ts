/** What predictors read in single instructions, and write into them: against bytes from an assembler, not from us. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Cpu, cpuOf, PREDICTOR_NAMES, REGISTER_WORDS, type Unit } from '@countersign/device-sdk/delta/model';
import test from 'ava';
import { repository } from '../support/repository.ts';
import type { InstructionVector } from '../vectors/make-instructions.ts';

const vectors: InstructionVector[] = JSON.parse(
  readFileSync(join(repository, 'test/vectors/delta/instructions.json'), 'utf8'),
);

const cpuNamed = (name: string): Cpu =>
  cpuOf((PREDICTOR_NAMES as readonly string[]).indexOf(name), new Uint32Array(REGISTER_WORDS));

/** All units of these bytes, one after the other. */
function unitsOf(cpu: Cpu, bytes: Uint8Array, address: number): (Unit & { at: number })[] {
  const units: (Unit & { at: number })[] = [];
  for (let at = 0; at < bytes.length; at += units.at(-1)!.size) {
    const unit: Unit & { at: number } = { at, size: 1, kind: 0, form: 0, target: 0 };
    cpu.look({ byte: (offset) => bytes[offset] ?? 0 }, at, address + at, unit);
    units.push(unit);
  }
  return units;
}

for (const { id, cpu: name, before, after, units: expected } of vectors) {
  test(`${id}: reads the target, and moves it`, (t) => {
    const [old, fresh] = [before, after].map(({ bytes }) => new Uint8Array(Buffer.from(bytes, 'hex'))) as [
      Uint8Array,
      Uint8Array,
    ];
    const units = unitsOf(cpuNamed(name), old, before.address);
    const read = units.map(({ kind, size, target }) => [kind, size, ...(kind === 0 ? [] : [target])]);
    t.deepEqual(
      read,
      expected.map(([kind, size]) => [kind, size, ...(kind === 0 ? [] : [before.target])]),
    );
    const cpu = cpuNamed(name);
    const moved = old.slice();
    for (const { at, size, kind, form } of units) {
      if (kind === 0) continue;
      t.true(cpu.retarget(moved.subarray(at, at + size), form, after.address + at, after.target));
    }
    t.is(Buffer.from(moved).toString('hex'), after.bytes);
    // Halves of an address do not tell it alone; all others read back what was written.
    for (const { at, size, kind, form } of units.filter(({ kind }) => kind > 0 && kind < 6)) {
      const found = cpu.targetOf(fresh.subarray(at, at + size), form, after.address + at);
      t.is(found, after.target, `kind ${kind}`);
    }
  });
}

test('every predictor has instructions of its own', (t) => {
  const names = new Set(vectors.map(({ cpu }) => cpu));
  t.deepEqual(
    PREDICTOR_NAMES.filter((name) => name !== 'none' && !names.has(name)),
    [],
  );
});
