/** A product: one SUIT class, one release chain, one index entry. Its ids follow from its names. */
import { demand } from '@countersign/device-sdk';
import { APPLICATION, FRAME_BYTES_MAX, FRAME_BYTES_MIN, isComponentId } from '@countersign/device-sdk/format';
import { type OneSlotFlashSizes, objectDigest, PAGE_BYTES_MIN, type Product, readProduct } from './args.ts';
import { type Call, changed, type Signatory, stampOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { personWith } from './rights.ts';
import { NONE, read, toHex, write } from './state.ts';
import { classId as classIdOf, vendorId as vendorIdOf } from './uuid.ts';

/** @throws Refusal NOT_PERMITTED, MALFORMED, BAD_STATEMENT, EXISTS */
export async function product(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const person = personWith(by, ['engineer', 'operator'], 'a product').aboutAll();
  const args = readProduct(entry.tx.args);
  const vendor = vendorIdOf(args.vendorDomain);
  const id = classIdOf(vendor, args.name);
  const classId = toHex(id);
  const digest = toHex(objectDigest(call.verifier.sha256, 'product', id));
  demand(toHex(entry.tx.object) === digest, 'BAD_STATEMENT', `the object is not product class ${classId}`);
  demand(!(await read(call.stub, 'product', classId)), 'EXISTS', `product class ${classId} is there already`);
  const frames = args.frameBytes >= FRAME_BYTES_MIN && args.frameBytes <= FRAME_BYTES_MAX;
  demand(frames, 'BAD_STATEMENT', `frames carry ${FRAME_BYTES_MIN} to ${FRAME_BYTES_MAX} bytes`);
  demand(args.slotBytes > 0, 'BAD_STATEMENT', 'a slot has at least one byte');
  if (args.oneSlot) checkOneSlot(args.oneSlot);
  if (args.components) checkComponents(args);
  const tried = !args.requireTrial || args.requireTrial.devices >= 1;
  demand(tried, 'BAD_STATEMENT', 'a trial that is demanded has at least one device of every profile');
  await write(call.stub, 'product', [classId], {
    classId,
    vendorId: toHex(vendor),
    ...args,
    head: NONE,
    sequence: 0,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'product', person.name),
  });
  await changed(call, entry, digest, 'product', classId);
}

/** What a release of several components could not do is said before there is one. */
function checkComponents({ components = [], oneSlot }: Product): void {
  // Once pages are written there is no way back, for neither of them (docs/design/components.md, One slot).
  demand(!oneSlot, 'BAD_STATEMENT', 'a product with one slot has one component');
  const ids = [APPLICATION, ...components.map(({ id }) => id)];
  const named = ids.every(isComponentId) && new Set(ids).size === ids.length;
  demand(named, 'BAD_STATEMENT', 'components have distinct names of 1 to 16 lower-case letters, digits and hyphens');
  const sized = components.every(({ slotBytes }) => slotBytes > 0);
  demand(sized, 'BAD_STATEMENT', 'a slot has at least one byte');
}

/** A page is a checkpoint's block of the container: no encoder makes others. */
function checkOneSlot({ pageBytes, stagingBytes }: OneSlotFlashSizes): void {
  const page = pageBytes >= PAGE_BYTES_MIN && Number.isInteger(Math.log2(pageBytes));
  demand(page, 'BAD_STATEMENT', `a page is a power of two from ${PAGE_BYTES_MIN} on`);
  demand(stagingBytes > 0, 'BAD_STATEMENT', 'a staging area has at least one byte');
}
