/** Every class for every CPU, beside the old image and over it. The quick suite tries two classes of each. */
import test from 'ava';
import { type Isa, programs } from '../support/code.ts';
import { checkBothWays } from '../support/in-place-delta.ts';
import { checkPredicted } from '../support/predicted.ts';

const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'];

for (const isa of isas) {
  test(`${isa}: the encoder finds the predictor in every class`, (t) =>
    checkPredicted(t, isa, programs(isa, 240, 5), ['S', 'M', 'L', 'XL']));
  for (const name of ['S', 'M', 'XL', 'G'] as const) {
    test(`${isa}, class ${name}: both directions give the image over a base that goes, from every checkpoint`, (t) =>
      checkBothWays(t, isa, name));
  }
}
