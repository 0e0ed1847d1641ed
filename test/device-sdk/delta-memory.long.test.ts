/** The fences of the decoder's workspace on published firmware, where that is beside this checkout. */
import test from 'ava';
import { applyFenced } from '../support/fences.ts';
import { firmwarePair } from '../support/firmware.ts';

const PAIRS = [
  'a64-atf-rpi4-2.8-2.12',
  'avr-pixelfirmata-0.10.0-0.10.5',
  'c3rv32-wled-0.14.3-0.14.4',
  'esp32-wled-0.14.1-0.14.2',
  'esp8266-upy-1.9.4-1.10',
  'esp8266-wled-0.14.2-0.14.3',
  'm0-microbit-upy-1.0.1-2-4',
  'm4-pybv11-1.10-dev',
  'm4-pybv11-1line',
  'rv64-opensbi-1.5.1-1.6',
];

for (const name of PAIRS) {
  for (const memoryClass of ['S', 'M', 'L', 'XL'] as const) {
    test.serial(
      `${name}, class ${memoryClass}: applied in the workspace of its header, nothing around it written`,
      (t) => {
        const pair = firmwarePair(name);
        if (pair === undefined) return t.pass('the firmware pairs are not beside this checkout');
        t.log(applyFenced(t, pair.old, pair.fresh, memoryClass));
      },
    );
  }
}
