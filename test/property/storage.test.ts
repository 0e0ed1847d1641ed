import { Refusal } from '@countersign/device-sdk';
import { Journal } from '@countersign/device-sdk/install';
import { DESCRIPTOR_MAGIC, encodeDescriptor, findDescriptor, VirtualFlash } from '@countersign/device-sdk/rig';
import test from 'ava';
import fc from 'fast-check';

const region = () => new VirtualFlash({ writeBytes: 4, eraseBytes: 512, bytes: 2048 });

/** A flash that holds any bytes, as if an attacker had soldered it. */
function holding(bytes: Uint8Array): VirtualFlash {
  const flash = region();
  flash.load(0, bytes);
  return flash;
}

/** Opens, reads everything, writes, reads again. Ends in a value or a Refusal; anything else fails the test. */
function survives(flash: VirtualFlash): 'opened' | 'refused' {
  try {
    const journal = Journal.open(flash);
    for (const key of journal.keys()) if (journal.get(key) === undefined) throw new Error(`no value of key ${key}`);
    journal.put([[1, Uint8Array.of(1, 2, 3)]]);
    if (Journal.open(flash).get(1)?.join() !== '1,2,3') throw new Error('a put that returned is lost');
    return 'opened';
  } catch (error) {
    if (error instanceof Refusal && ['BAD_STATE', 'NO_SPACE'].includes(error.code)) return 'refused';
    throw error;
  }
}

test('a journal of any bytes opens or is BAD_STATE', (t) => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2048, size: 'max' }), (bytes) => {
      seen.add(survives(holding(bytes)));
    }),
    { numRuns: 200 },
  );
  t.deepEqual([...seen].sort(), ['opened', 'refused']);
});

test('a true journal with any bytes exchanged gives values that once were put, or is refused', (t) => {
  const value = fc.uint8Array({ maxLength: 60 });
  const puts = fc.array(fc.array(fc.tuple(fc.nat(3), value), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 30,
  });
  const harm = fc.array(fc.tuple(fc.nat(2047), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(puts, harm, fc.boolean(), (lists, flips, restart) => {
      const flash = region();
      let journal = Journal.open(flash);
      const known = new Set<string>();
      for (const list of lists) {
        const entries = [...new Map(list)];
        for (const [key, bytes] of entries) known.add(`${key}:${bytes.join()}`);
        journal.put(entries);
        if (restart) journal = Journal.open(flash);
      }
      for (const [at, mask] of flips) flash.corrupt(at, mask);
      try {
        const found = Journal.open(flash);
        for (const key of found.keys()) if (!known.has(`${key}:${found.get(key)!.join()}`)) throw new Error('invented');
      } catch (error) {
        if (!(error instanceof Refusal && error.code === 'BAD_STATE')) throw error;
      }
    }),
    { numRuns: 200 },
  );
  t.pass();
});

test('a journal behaves like a map, whatever is put and whenever it is opened again', (t) => {
  const entry = fc.tuple(fc.nat(6), fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }));
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.array(entry, { maxLength: 4 }) },
    { weight: 1, arbitrary: fc.constant('open' as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const flash = region();
      const model = new Map<number, string>();
      let journal = Journal.open(flash);
      for (const next of steps) {
        if (next === 'open') journal = Journal.open(flash);
        else {
          const entries = [...new Map(next)];
          journal.put(entries);
          for (const [key, bytes] of entries) bytes === undefined ? model.delete(key) : model.set(key, bytes.join());
        }
        if (journal.keys().join() !== [...model.keys()].sort().join()) throw new Error('keys');
        for (const [key, bytes] of model) if (journal.get(key)?.join() !== bytes) throw new Error(`value of ${key}`);
      }
    }),
    { numRuns: 150 },
  );
  t.pass();
});

test('any bytes after a descriptor magic are a descriptor or none, never an error', (t) => {
  const magic = [...DESCRIPTOR_MAGIC].map((char) => char.charCodeAt(0));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), (before, rest) => {
      const found = findDescriptor(Uint8Array.from([...before, ...magic, ...rest]));
      // What is accepted is canonical: encoding it again gives bytes of the image.
      if (found !== undefined && Buffer.from([...magic, ...rest]).indexOf(encodeDescriptor(found)) < 0)
        throw new Error('other bytes');
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('an image made of nothing but magics is searched in time linear to its size', (t) => {
  const magic = [...DESCRIPTOR_MAGIC].map((char) => char.charCodeAt(0));
  const unit = [...magic, 20, 0, 1, 0x41, 1, 0x42, 16];
  const image = Uint8Array.from({ length: 1 << 20 }, (_, i) => unit[i % unit.length]!);
  const start = process.cpuUsage().user;
  t.is(findDescriptor(image), undefined);
  t.true(process.cpuUsage().user - start < 2_000_000);
});

test('any two parts of a descriptor survive the round trip', (t) => {
  const text = fc.string({ unit: 'grapheme-ascii', maxLength: 64 });
  fc.assert(
    fc.property(
      fc.record({ product: text, version: text, failsOn: fc.array(text, { maxLength: 16 }) }),
      (descriptor) => {
        const found = findDescriptor(encodeDescriptor(descriptor));
        if (JSON.stringify(found) !== JSON.stringify(descriptor)) throw new Error(JSON.stringify(found));
      },
    ),
    { numRuns: 100 },
  );
  t.pass();
});
