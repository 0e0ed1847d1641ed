import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import {
  CLASSES,
  DeltaDecoder,
  decodeCheckpoint,
  encodeCheckpoint,
  workspaceBytes,
} from '@countersign/device-sdk/delta';
import test from 'ava';
import fc from 'fast-check';
import { programs } from '../support/code.ts';
import { bench, byHand, checkpointsOf, decode, edited, image, joined, number, text } from '../support/delta.ts';
import { codeOfRefusal } from '../support/refused.ts';

const RUNS = { numRuns: 60 };

/** Two images that share parts: pieces of one pool in any order, with bytes changed. */
const related = fc
  .tuple(
    fc.uint8Array({ minLength: 1, maxLength: 400 }),
    fc.array(fc.tuple(fc.nat(399), fc.nat(400), fc.nat(255)), { maxLength: 20 }),
    fc.uint8Array({ maxLength: 50 }),
  )
  .map(([old, pieces, tail]) => {
    const parts = pieces.map(([from, length, change]) => {
      const part = old.slice(from, from + length);
      if (part.length > 0) part[change % part.length]! ^= change;
      return part;
    });
    return { old, fresh: joined([...parts, tail]) };
  });

test('whatever is encoded decodes to the same image, in every class', (t) => {
  fc.assert(
    fc.property(related, fc.constantFrom(...CLASSES), ({ old, fresh }, name) => {
      const { delta } = makeDelta(old, fresh, { class: name });
      t.deepEqual(decode(delta, old), fresh);
      t.true(delta.length <= makeFull(fresh, { class: name }).delta.length);
    }),
    RUNS,
  );
});

test('any split of the container gives the same image, in every class', (t) => {
  fc.assert(
    fc.property(related, fc.constantFrom(...CLASSES), fc.array(fc.nat(40)), ({ old, fresh }, name, pieces) => {
      const { delta } = makeDelta(old, fresh, { class: name });
      t.deepEqual(decode(delta, old, pieces), fresh);
    }),
    RUNS,
  );
});

test('any split of a container with a model section gives the same image', (t) => {
  const pairs = (['thumb', 'riscv', 'xtensa'] as const).map((isa, i) => programs(isa, 80, 20 + i));
  const made = pairs.flatMap((pair) =>
    (['S', 'L', 'XL'] as const).map((name) => ({
      ...pair,
      delta: makeDelta(pair.old, pair.fresh, { class: name, checkpointBytes: 4096 }).delta,
    })),
  );
  fc.assert(
    fc.property(fc.constantFrom(...made), fc.array(fc.nat(90)), (one, pieces) => {
      t.is(Buffer.compare(decode(one.delta, one.old, pieces), one.fresh), 0);
    }),
    { numRuns: 200 },
  );
});

const old = image(12_000, 4);
const fresh = edited(old, 8);
const { delta } = makeDelta(old, fresh, { class: 'S', checkpointBytes: 4096 });

test('one flipped bit is refused or ends in another image, and never in another error', (t) => {
  let harmless = 0;
  fc.assert(
    fc.property(fc.nat(delta.length * 8 - 1), (bit) => {
      const flipped = delta.with(bit >> 3, delta[bit >> 3]! ^ (1 << (bit & 7)));
      let same = false;
      const code = codeOfRefusal(() => {
        same = Buffer.compare(decode(flipped, old), fresh) === 0;
      });
      t.true(['accepted', 'BAD_DELTA', 'UNSUPPORTED'].includes(code), code);
      // Tags, class and intervals do not change the image; a back reference may name another place with equal bytes.
      if (same) harmless++;
    }),
    { numRuns: 500 },
  );
  t.log(`${harmless} of 500 flips gave the same image`);
});

test('a device that loses power again and again ends with the same image', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(900), { minLength: 1, maxLength: 12 }), (lives) => {
      const slot = new Uint8Array(fresh.length);
      let record: Uint8Array | undefined;
      for (const bytes of [...lives, delta.length]) {
        const { ports } = bench(delta, old);
        const device = { ...ports, sink: (offset: number, page: Uint8Array) => slot.set(page, offset) };
        const decoder = record ? DeltaDecoder.restore(device, decodeCheckpoint(record)) : new DeltaDecoder(device);
        decoder.push(delta.subarray(decoder.wants, decoder.wants + bytes));
        const checkpoint = decoder.checkpoint();
        if (checkpoint) record = encodeCheckpoint(checkpoint);
        // What was written after the checkpoint is lost with the power.
        if (!decoder.done) slot.fill(0xff, checkpoint?.outputOffset ?? 0);
      }
      t.is(Buffer.compare(slot, fresh), 0);
    }),
    RUNS,
  );
});

test('state moves to another workspace at any byte', (t) => {
  fc.assert(
    fc.property(fc.nat(delta.length), (cut) => {
      const first = bench(delta, old);
      const decoder = new DeltaDecoder(first.ports);
      decoder.push(delta.subarray(0, cut));
      const second = bench(delta, old);
      second.ports.workspace.set(decoder.dump());
      const pages = second.output;
      const moved = DeltaDecoder.load({ ...second.ports, sink: (_offset, page) => pages.push(page.slice()) });
      moved.push(delta.subarray(cut));
      moved.finalize();
      t.is(Buffer.compare(joined([...first.output, ...pages]), fresh), 0);
    }),
    RUNS,
  );
});

test('every checkpoint of every interval leads to the same end', (t) => {
  for (const checkpointBytes of [4096, 8192]) {
    const container = makeDelta(old, fresh, { class: 'L', checkpointBytes }).delta;
    for (const checkpoint of checkpointsOf(container, old)) {
      const { ports, output } = bench(container, old);
      const decoder = DeltaDecoder.restore(ports, checkpoint);
      decoder.push(container.subarray(checkpoint.streamOffset));
      decoder.finalize();
      t.is(Buffer.compare(joined(output), fresh.slice(checkpoint.outputOffset)), 0);
    }
  }
});

const MIXING = { predictor: 0, coder: 3, mapRuns: 0, learnedEntries: 0, pageBits: 8 };

test('whatever the mixing coder is fed, it makes the whole image or refuses, with reads and bytes bounded', (t) => {
  const endings = new Set<string>();
  const hostile = fc.record({
    windowBits: fc.constantFrom(0, 1),
    lookaheadBits: fc.constantFrom(0, 12, 13),
    newBytes: fc.integer({ min: 2048, max: 6000 }),
    coded: fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 600 }),
      fc.constantFrom(Uint8Array.of(0), Uint8Array.of(255)),
    ),
  });
  fc.assert(
    fc.property(hostile, ({ windowBits, lookaheadBits, newBytes, coded }) => {
      const shape = { windowBits, lookaheadBits };
      const workspace = workspaceBytes({ ...MIXING, ...shape });
      const stream = [...number(coded.length), ...coded];
      const by = { ...shape, predictor: 0, coder: 3, memoryClass: 4, workspace };
      const container = byHand(old, new Uint8Array(newBytes), by, stream);
      const { ports, output, fenced } = bench(container, old, { newBytes, workspace });
      let reads = 0;
      const read = (offset: number, into: Uint8Array): void => {
        reads++;
        ports.old.read(offset, into);
      };
      const code = codeOfRefusal(() => {
        const decoder = new DeltaDecoder({ ...ports, old: { read } });
        decoder.push(container);
        decoder.finalize();
      });
      endings.add(code);
      t.true(['accepted', 'BAD_DELTA'].includes(code), code);
      t.is(joined(output).length <= newBytes, true);
      // Learning reads half a buffer at a time, copies at most twice a byte.
      t.true(reads <= 2 ** lookaheadBits / 64 + 1 + 2 * newBytes, `${reads} reads`);
      t.true(fenced());
    }),
    { numRuns: 60 },
  );
  t.true(endings.has('BAD_DELTA'));
});

test('class G: the encoder learns from all of the old image, or from the most that the new one allows', (t) => {
  for (const [oldBytes, newBytes, bits] of [
    [12_000, 2100, 12],
    [12_000, 3000, 12],
    [12_000, 5000, 13],
    [12_000, 6000, 14],
    [9000, 9000, 14],
  ] as const) {
    const [base, target] = [text(oldBytes, 1), text(newBytes, 2)];
    const made = makeDelta(base, target, { class: 'G' });
    t.deepEqual([made.info.coder, made.info.lookaheadBits], ['mixing', bits], `${oldBytes}, ${newBytes}`);
    t.is(Buffer.compare(decode(made.delta, base), target), 0);
  }
});
