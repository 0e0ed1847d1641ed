import { decode, encode, type Value } from '@countersign/device-sdk/format';
import { readCbor } from '@countersign/simulator/oracle/cbor';
import { readReport } from '@countersign/simulator/oracle/report';
import test from 'ava';
import fc from 'fast-check';
import { makeWorld, verifier } from '../support/world.ts';

const value: fc.Arbitrary<Value> = fc.letrec<{ any: Value }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.maxSafeInteger(),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => new Uint8Array(bytes)),
    fc.string({ maxLength: 20 }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 5 }) as fc.Arbitrary<Value>,
  ),
})).any;

test('the second reader of CBOR reads what the first one writes', (t) => {
  fc.assert(
    fc.property(value, (item) => {
      t.deepEqual(readCbor(encode(item)), decode(encode(item)) as never);
    }),
    { numRuns: 200 },
  );
});

test('random bytes end the second reader with a RangeError or a value, never otherwise', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        readCbor(new Uint8Array(bytes));
      } catch (error) {
        t.true(error instanceof RangeError || error instanceof TypeError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('the judge reads a report as it was meant', async (t) => {
  const { report, reportFields, tx } = await makeWorld();
  const read = readReport(report, 9)!;
  t.is(read.deviceId, Buffer.from(reportFields.deviceId).toString('hex'));
  t.is(read.counter, reportFields.counter);
  t.is(read.slotDigest, Buffer.from(reportFields.slotDigest).toString('hex'));
  t.is(read.outcome, 'reverted');
  t.is(read.code, 'SELF_TEST_FAILED');
  t.is(read.own, Buffer.from(verifier.sha256(report)).toString('hex'));
  t.is(readReport(tx, 9), undefined, 'another kind of entry is no report');
});
