/** The decoder by the page against the encoder: every class for every CPU. */
import type { MemoryClass } from '@countersign/device-sdk/delta';
import test from 'ava';
import type { Isa } from '../support/code.ts';
import { checkInPlace, checkMade } from '../support/page-checks.ts';

const classes: MemoryClass[] = ['S', 'M', 'XL', 'G'];
const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'];

for (const isa of isas) {
  test(`the page decodes what the encoder makes for ${isa}, in every class`, (t) => checkMade(t, isa, classes));
}

for (const isa of ['thumb', 'riscv'] as const) {
  test(`the page decodes what is made in place for ${isa}, both ways, in every class`, (t) => {
    t.deepEqual([...checkInPlace(t, isa, classes)].sort(), ['backward', 'forward']);
  });
}
