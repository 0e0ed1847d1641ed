/** Random, mutated and cut messages of devices: every one ends in an answer, a refusal or silence. */
import { ANSWER_BYTES_MAX, encodeRequest, type Request } from '@countersign/device-sdk/format';
import test from 'ava';
import fc from 'fast-check';
import { nextReport } from '../support/publisher.ts';
import { bytesOf } from '../support/world.ts';
import { makeBed } from './distribution-bed.ts';

const RUNS = 400;

/** One byte changed, some cut off or added. */
const damaged = (samples: readonly Uint8Array[]) =>
  fc
    .tuple(fc.constantFrom(...samples), fc.nat(), fc.nat(255), fc.nat(8), fc.uint8Array({ maxLength: 8 }))
    .map(([sample, at, value, cut, more]) => {
      const bytes = Uint8Array.from([...sample.slice(0, sample.length - cut), ...more]);
      if (bytes.length > 0) bytes[at % bytes.length] = value;
      return bytes;
    });

test('no message on req or status brings anything but an answer, a refusal or silence', async (t) => {
  const bed = await makeBed(t);
  const [device] = await bed.publisher.enrol(['a']);
  const leaf = await bed.publisher.release('1.0.0');
  const rolloutId = await bed.open(leaf);
  const { payload } = bed.server.releases.get(leaf)!.release.manifest.branches[0]!;
  const requests: Request[] = [
    { id: 1, kind: 1, chainHead: payload.chainHead, first: 0, count: 3 },
    { id: 2, kind: 2, from: 3, to: 6 },
    { id: 3, kind: 3, leafHash: leaf, count: 2 },
    { id: 4, kind: 4, from: 1 },
    { id: 5, kind: 5, nonce: bytesOf('nonce', 16) },
    { id: 6, kind: 6 },
  ];
  const anything = fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged(requests.map(encodeRequest)));
  await fc.assert(
    fc.asyncProperty(anything, async (bytes) => {
      bed.clock.advance(1000);
      const before = bed.delivery.sent.length;
      await bed.delivery.ask(device!.id, bytes);
      return bed.delivery.sent.slice(before).every((sent) => sent.bytes.length <= ANSWER_BYTES_MAX);
    }),
    // The requests themselves come first: whether a damaged one is still a request is left to chance.
    { numRuns: RUNS + requests.length, examples: requests.map((request) => [encodeRequest(request)]) },
  );
  const size = (await bed.leaves()).length;
  const report = await nextReport({ ...device! }, rolloutId, 'updated');
  const reports = fc.oneof(fc.uint8Array({ maxLength: 700 }), damaged([report]));
  await fc.assert(
    fc.asyncProperty(reports, async (bytes) => {
      bed.clock.advance(1000);
      if (Buffer.compare(bytes, report) !== 0) await bed.delivery.report(device!.id, bytes);
    }),
    { numRuns: RUNS },
  );
  await bed.server.settled();
  t.is((await bed.leaves()).length, size);
  t.true(bed.server.status().requests.answered > 0, 'what is whole is answered among it');
  t.deepEqual(
    bed.logged.filter(({ level }) => level === 'error'),
    [],
  );
});
