import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeDelta } from '@countersign/broker/delta/index';
import {
  CODER_HEATSHRINK,
  type DecoderPart,
  DeltaDecoder,
  EVERY_DECODER,
  inspectDelta,
  readWholeHeader,
} from '@countersign/device-sdk/delta';
import test from 'ava';
import { bench, joined } from '../support/delta.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { repository } from '../support/repository.ts';
import type { DeltaVector } from './make-delta.ts';

const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
const vectors = (file: string): DeltaVector[] =>
  JSON.parse(readFileSync(join(repository, 'test/vectors/delta', file), 'utf8'));

for (const vector of ['accepted.json', 'refused.json', 'model.json', 'forms.json'].flatMap(vectors)) {
  test(`delta vector ${vector.id}: ${vector.why}`, (t) => {
    const container = bytes(vector.container);
    const { ports } = bench(container, bytes(vector.old), { newBytes: vector.newBytes });
    const fresh = new Uint8Array(vector.newBytes);
    const decoder = new DeltaDecoder({ ...ports, sink: (offset, page) => fresh.set(page, offset) });
    const code = codeOfRefusal(() => {
      decoder.push(container);
      decoder.finalize();
    });
    if ('code' in vector.expected) return t.is(code, vector.expected.code);
    t.is(code, 'accepted');
    t.deepEqual(fresh, bytes(vector.expected.image));
    t.is(inspectDelta(container).containerBytes, container.length);
  });
}

test('a container needs the decoders that its header names, and no other', (t) => {
  const seen = new Set<string>();
  for (const { id, container, old, newBytes, expected } of ['accepted.json', 'model.json', 'forms.json'].flatMap(
    vectors,
  )) {
    if ('code' in expected) continue;
    const { coder, predictor } = readWholeHeader(bytes(container));
    const named = EVERY_DECODER.filter((part) =>
      'coder' in part ? part.coder === coder : part.predictor === predictor,
    );
    t.is(named.length, Number(coder > CODER_HEATSHRINK) + Number(predictor > 0), id);
    const decode = (decoders: readonly DecoderPart[]): string | Uint8Array => {
      const { ports } = bench(bytes(container), bytes(old), { newBytes });
      const fresh = new Uint8Array(newBytes);
      const decoder = new DeltaDecoder({ ...ports, decoders, sink: (offset, page) => fresh.set(page, offset) });
      const code = codeOfRefusal(() => decoder.push(bytes(container)));
      return code === 'accepted' ? fresh : code;
    };
    t.deepEqual(decode(named), bytes(expected.image), id);
    for (const part of named) t.is(decode(EVERY_DECODER.filter((other) => other !== part)), 'UNSUPPORTED', id);
    seen.add(`${coder} ${predictor}`);
  }
  t.log([...seen].sort().join(', '));
  for (const predictor of [0, 1, 2, 3, 4, 5, 6, 7]) t.true([...seen].some((pair) => pair.endsWith(` ${predictor}`)));
  for (const coder of [0, 1, 2, 3]) t.true([...seen].some((pair) => pair.startsWith(`${coder} `)));
});

test('the example of FORMAT-DELTA is the vector "commands"', (t) => {
  const page = readFileSync(join(repository, 'docs/FORMAT-DELTA.md'), 'utf8');
  const listing = /<!-- delta example -->\s+```text\n([\s\S]*?)```/.exec(page);
  t.truthy(listing);
  const digits = listing![1]!.split('\n').map((line) => /^[0-9a-f]{4} {2}((?:[0-9a-f]{2})+)/.exec(line)?.[1] ?? '');
  t.is(digits.join(''), vectors('accepted.json').find(({ id }) => id === 'commands')!.container);
});

test('every image of a vector survives our own encoder', (t) => {
  for (const { old, expected } of vectors('accepted.json')) {
    if ('code' in expected) continue;
    const { delta, info } = makeDelta(bytes(old), bytes(expected.image), { class: 'S' });
    const { ports, output } = bench(delta, info.kind === 'full' ? new Uint8Array() : bytes(old));
    const decoder = new DeltaDecoder(ports);
    decoder.push(delta);
    decoder.finalize();
    t.deepEqual(joined(output), bytes(expected.image));
  }
});
