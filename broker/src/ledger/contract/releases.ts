/** A release: uploaded by one person, approved by another, confirmed by the rule alone. */
import { demand, Refusal } from '@countersign/device-sdk';
import { leafHash, readBlock1 } from '@countersign/device-sdk/format';
import { APPROVALS_MAX, objectDigest, readNoArgs, readRejection, readUpload } from './args.ts';
import { type Call, changed, nameOf, roleKey, type Signatory, stampOf, timeOf } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { derive, verifyBlock1 } from './release-facts.ts';
import { keysBefore, personWith, wordStands } from './rights.ts';
import { fromHex, type PersonState, type ProductState, type ReleaseState, read, toHex, write } from './state.ts';
import { LEAF_EVENT } from './stub.ts';
import { checkTried } from './trials.ts';

/** Approvals by people other than the uploader, where the product asks for no more. */
export const APPROVALS_MIN = 1;

export async function upload(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['engineer'], 'an upload');
  const args = readUpload(entry.tx.args);
  const releaseLeaf = toHex(leafHash(call.verifier.sha256, args.block1));
  demand(toHex(entry.tx.object) === releaseLeaf, 'BAD_STATEMENT', `the object is not release ${releaseLeaf}`);
  const { block1, manifest } = await verifyBlock1(call, args.block1, args.manifest);
  const uploader = permit.about(toHex(manifest.classId));
  const product = await read(call.stub, 'product', toHex(manifest.classId));
  if (!product) throw new Refusal('NOT_FOUND', `there is no product class ${toHex(manifest.classId)}`);
  const facts = derive(call, args, block1, manifest, product);
  demand(!(await read(call.stub, 'release', releaseLeaf)), 'EXISTS', `release ${releaseLeaf} is there already`);
  const parts = { block1: toHex(args.block1), manifest: toHex(args.manifest) };
  await write(call.stub, 'manifest', [releaseLeaf], parts);
  await store(call, entry, uploader.name, {
    releaseLeaf,
    ...facts,
    state: 'uploaded',
    deployer: uploader.name,
    approvals: [],
    rejectedBy: null,
    rejectReason: null,
    leafIndex: null,
    uploadedAt: timeOf(call),
    confirmedAt: null,
  });
}

export async function approve(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['approver'], 'an approval');
  readNoArgs(entry.tx.args);
  const release = checkOpen(await releaseOf(call, entry));
  const approver = permit.about(release.classId);
  const { approvals, deployer } = release;
  demand(approver.name !== deployer, 'SAME_PERSON', `${deployer} uploaded this release and cannot approve it`);
  const again = approvals.includes(approver.name) && wordStands(approver, keyOf(release, approver.name));
  demand(!again, 'DUPLICATE', `${approver.name} has approved this release already`);
  const others = approvals.filter((name) => name !== approver.name);
  demand(others.length < APPROVALS_MAX, 'TOO_LARGE', `a release has at most ${APPROVALS_MAX} approvals`);
  const product = await productOf(call, release);
  await checkTried(call, product, release);
  const approved = { ...release, approvals: [...others, approver.name], approvedWith: approvedWith(release, approver) };
  const enough = (await standingApprovals(call, approved)) >= neededFor(product);
  await store(call, entry, approver.name, { ...approved, state: enough ? 'approved' : release.state });
}

export async function reject(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  const permit = personWith(by, ['approver'], 'a rejection');
  const rejectReason = readRejection(entry.tx.args);
  const release = checkOpen(await releaseOf(call, entry));
  const approver = permit.about(release.classId);
  demand(approver.name !== release.deployer, 'SAME_PERSON', `${approver.name} uploaded this release`);
  const rejected = { ...release, state: 'rejected' as const, rejectedBy: approver.name, rejectReason };
  await store(call, entry, approver.name, rejected);
}

/**
 * Carries no authority, so any service key or person may submit it: the rule decides. Appends block 1 as a leaf of its
 * own and moves the product's chain head.
 */
export async function confirm(call: Call, entry: TransactionEntry, by: Signatory): Promise<void> {
  readNoArgs(entry.tx.args);
  const release = await releaseOf(call, entry);
  demand(release.state !== 'confirmed', 'DUPLICATE', 'this release is confirmed already');
  const product = await productOf(call, release);
  const [approvals, needed] = [await standingApprovals(call, release), neededFor(product)];
  const approved = release.state === 'approved' && approvals >= needed;
  const text = `the release is ${release.state}, with ${approvals} of ${needed} approvals that still stand`;
  demand(approved, 'NOT_APPROVED', text);
  const parts = await read(call.stub, 'manifest', release.releaseLeaf);
  if (!parts) throw new Refusal('NOT_FOUND', 'the release has lost its manifest');
  // Again: a record that came after the approval may say that it fails.
  await checkTried(call, product, release);
  checkContinues(release, product);
  const block1 = fromHex(parts.block1);
  // A collection key that was revoked since the upload confirms nothing any more.
  await roleKey(call, 'collection', readBlock1(block1).kid);
  await store(call, entry, nameOf(by), { ...release, state: 'confirmed', confirmedAt: timeOf(call) });
  await moveHead(call, entry, by, product, release);
  call.stub.setEvent(LEAF_EVENT, block1);
}

/** Of people who differ from each other and from the uploader: `approve` takes no others. */
function neededFor({ approvals }: ProductState): number {
  return approvals ?? APPROVALS_MIN;
}

/** Approvals by people who are still active, with the keys that they still have. */
async function standingApprovals(call: Call, release: ReleaseState): Promise<number> {
  const people = await Promise.all(release.approvals.map((name) => read(call.stub, 'person', name)));
  return people.filter((person) => person && wordStands(person, keyOf(release, person.name))).length;
}

/** With which of his keys somebody approved, as the number of those before it. */
function keyOf({ approvedWith = [] }: ReleaseState, approver: string): number {
  return approvedWith.find(({ name }) => name === approver)?.before ?? 0;
}

function approvedWith(release: ReleaseState, approver: PersonState): ReleaseState['approvedWith'] {
  const others = (release.approvedWith ?? []).filter(({ name }) => name !== approver.name);
  const before = keysBefore(approver);
  const all = before > 0 ? [...others, { name: approver.name, before }] : others;
  return all.length > 0 ? all : undefined;
}

/** @throws Refusal CONFLICT where another release was confirmed since this one was signed: C signs anew; BAD_CHAIN */
function checkContinues(release: ReleaseState, product: ProductState): void {
  const { previousLeaf, sequence } = release;
  demand(previousLeaf === product.head, 'CONFLICT', `the product's head is ${product.head}, not ${previousLeaf}`);
  const next = product.sequence + 1;
  demand(sequence === next, 'BAD_CHAIN', `expected sequence ${next}, got ${sequence}`);
}

async function moveHead(
  call: Call,
  entry: TransactionEntry,
  by: Signatory,
  product: ProductState,
  release: ReleaseState,
): Promise<void> {
  await write(call.stub, 'product', [product.classId], {
    ...product,
    head: release.releaseLeaf,
    sequence: release.sequence,
    previous: toHex(entry.leafHash),
    ...stampOf(entry, 'confirm', nameOf(by)),
  });
  const digest = objectDigest(call.verifier.sha256, 'product', fromHex(product.classId));
  await changed(call, entry, digest, 'product', product.classId);
}

export async function productOf(call: Call, { classId }: ReleaseState): Promise<ProductState> {
  const product = await read(call.stub, 'product', classId);
  if (!product) throw new Refusal('NOT_FOUND', 'the release has lost its product');
  return product;
}

async function releaseOf(call: Call, entry: TransactionEntry): Promise<ReleaseState> {
  const leaf = toHex(entry.tx.object);
  const release = await read(call.stub, 'release', leaf);
  if (!release) throw new Refusal('NOT_FOUND', `there is no release ${leaf}`);
  return release;
}

function checkOpen(release: ReleaseState): ReleaseState {
  const open = release.state === 'uploaded' || release.state === 'approved';
  demand(open, 'BAD_STATEMENT', `the release is ${release.state}`);
  return release;
}

type Unstamped = Omit<ReleaseState, 'previous' | 'entry' | 'action' | 'signer'>;

async function store(call: Call, entry: TransactionEntry, signer: string, release: Unstamped): Promise<void> {
  const { releaseLeaf } = release;
  const stamp = { previous: toHex(entry.leafHash), ...stampOf(entry, entry.tx.action, signer) };
  await write(call.stub, 'release', [releaseLeaf], { ...release, ...stamp });
  await changed(call, entry, releaseLeaf, 'release', releaseLeaf);
}
