/** A decoder written from docs/FORMAT-DELTA.md alone, its formulas read from the page, against vectors and encoder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDelta } from '@countersign/broker/delta/index';
import type { MemoryClass } from '@countersign/device-sdk/delta';
import test from 'ava';
import { type Isa, programs } from '../support/code.ts';
import { page } from '../support/format-delta.ts';
import { decodeByPage } from '../support/page-decoder.ts';
import { traceOf } from '../support/page-trace.ts';
import { repository } from '../support/repository.ts';
import type { DeltaVector } from './make-delta.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const vectors = (file: string): DeltaVector[] =>
  JSON.parse(readFileSync(join(repository, 'test/vectors/delta', file), 'utf8'));

test('the page decodes every accepted vector', (t) => {
  for (const { id, old, container, expected } of ['accepted.json', 'model.json'].flatMap(vectors)) {
    if ('code' in expected) continue;
    t.is(Buffer.compare(decodeByPage(bytes(container), bytes(old)), bytes(expected.image)), 0, id);
  }
});

for (const name of ['lite', 'mixing']) {
  test(`the example of the ${name} coder is the vector "${name}-bits", decision by decision`, (t) => {
    const { container, old } = vectors('accepted.json').find(({ id }) => id === `${name}-bits`)!;
    const listing = new RegExp(`<!-- ${name} example -->\\s+\`\`\`text\\n([\\s\\S]*?)\`\`\``).exec(page)![1]!;
    const [, ...lines] = listing.trimEnd().split('\n');
    t.deepEqual(lines, traceOf(bytes(container), bytes(old)));
  });
}

const isas: Isa[] = ['thumb', 'riscv', 'xtensa', 'arm', 'aarch64', 'avr', 'xtensa-be'];
const classes: MemoryClass[] = ['S', 'M', 'XL', 'G'];

for (const isa of ['thumb', 'riscv'] as const) {
  test(`the page decodes what is made in place for ${isa}, both ways`, (t) => {
    const { old, fresh } = programs(isa, 200, 22);
    const ways = new Set<string | undefined>();
    for (const name of classes) {
      for (const [from, to] of [
        [old, fresh],
        [fresh, old],
      ] as const) {
        const { delta, info } = makeDelta(from, to, { class: name, inPlace: true, checkpointBytes: 4096 });
        t.is(Buffer.compare(decodeByPage(delta, from), to), 0, `${name}: ${info.coder}, ${info.inPlace}`);
        ways.add(info.inPlace);
      }
    }
    t.deepEqual([...ways].sort(), ['backward', 'forward']);
  });
}

for (const isa of isas) {
  test(`the page decodes what the encoder makes for ${isa}, in every class`, (t) => {
    const { old, fresh } = programs(isa, 200, 21);
    fresh.fill(0xff, 4096, 4300);
    for (let i = 5000; i < 5064; i += 3) fresh[i]! ^= 0x55;
    for (const name of classes) {
      const { delta, info } = makeDelta(old, fresh, { class: name, checkpointBytes: 4096 });
      t.is(Buffer.compare(decodeByPage(delta, old), fresh), 0, `${name}: ${info.coder}`);
      t.log(`class ${name}: ${info.predictor}, ${info.coder}, ${delta.length} bytes`);
    }
  });
}
