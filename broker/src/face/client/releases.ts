/** Publishing and approving, as people do it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { concat, equal, hex, type Signer, unhex } from '@countersign/device-sdk/format';
import { signUpload } from '../../collection/check-prepared.ts';
import type { Images } from '../../collection/components.ts';
import type { ReleaseOrder } from '../../collection/order.ts';
import { type PreparedJson, readPreparedJson } from '../../collection/prepared.ts';
import { objectDigest, type Product, productArgs, rejectArgs } from '../../ledger/contract/args.ts';
import { classId, vendorId } from '../../ledger/contract/uuid.ts';
import type { ProductView, ReleaseState, ReleaseView } from '../../ledger/contract/views.ts';
import type { CommittedView } from '../api/views.ts';
import { checkRelease } from './proven.ts';
import { inPath, perform, type Session } from './session.ts';

/** Time between two looks at a release that somebody waits for. */
const POLL_MS = 200;

export interface Published extends CommittedView {
  release: ReleaseView;
  branches: PreparedJson['branches'];
  dropped: PreparedJson['dropped'];
}

/**
 * The engineer's part: the collection server makes and tries the deltas and signs; what it signed is compared with the
 * engineer's own file and words; his key signs `upload`.
 * @param components his files of the product's further components, by id
 * @throws Refusal BAD_STATEMENT where the server signed something else; the server's and the contract's own codes
 */
export async function publish(
  session: Session,
  signer: Signer,
  image: Uint8Array,
  order: ReleaseOrder,
  components: Images = {},
): Promise<Published> {
  const { api, verifier, endpoints } = session;
  const product = await getProduct(session, order.product);
  const { policy, bases, ...named } = order;
  const query = { ...named, ...Object.fromEntries(Object.entries(policy).map(([k, v]) => [k, String(v)])) };
  const further = Object.entries(components);
  const sizes = further.map(([id, { length }]) => `${id}:${length}`).join();
  const body = concat(image, ...further.map(([, bytes]) => bytes));
  const rest = { ...(bases && { bases: bases.join() }), ...(sizes && { components: sizes }) };
  const answer = await api.post('/api/v1/releases/prepare', body, { ...query, ...rest });
  const prepared = readPreparedJson(answer);
  const asked = { ...order, product: product.name, vendorDomain: product.vendorDomain, components };
  const upload = await signUpload(verifier, signer, endpoints.origin, image, prepared, asked);
  const committed = (await api.post('/api/v1/releases', upload)) as CommittedView;
  const release = await getRelease(session, hex(prepared.releaseLeaf));
  return { ...committed, release, branches: prepared.branches, dropped: prepared.dropped };
}

/** Puts a product on the record. @throws Refusal EXISTS, NOT_PERMITTED */
export async function registerProduct(session: Session, signer: Signer, product: Product): Promise<CommittedView> {
  const id = classId(vendorId(product.vendorDomain), product.name);
  const object = objectDigest(session.verifier.sha256, 'product', id);
  return perform(session, signer, { action: 'product', object, args: productArgs(product) });
}

/**
 * @param image the approver's own build or copy, where he has one
 * @throws Refusal BAD_STATEMENT where the release is of another image, or not what the server says of it
 */
export async function approve(
  session: Session,
  signer: Signer,
  name: string,
  image?: Uint8Array,
  components: Images = {},
): Promise<CommittedView> {
  const release = await getProvenRelease(session, name);
  const own = image === undefined || isImageOf(session, image, release);
  demand(own, 'BAD_STATEMENT', `not signed: your file is not the image of ${release.product} ${release.version}`);
  for (const [id, bytes] of Object.entries(components)) {
    const named = release.components?.find((item) => item.id === id);
    const same = named !== undefined && isImageOf(session, bytes, named);
    demand(same, 'BAD_STATEMENT', `not signed: your file is not the image of ${id} in ${release.version}`);
  }
  const { object, previous } = objectOf(release);
  return perform(session, signer, { action: 'approve', object, previous, args: null });
}

export async function reject(session: Session, signer: Signer, name: string, reason: string): Promise<CommittedView> {
  const { object, previous } = objectOf(await getRelease(session, name));
  return perform(session, signer, { action: 'reject', object, previous, args: rejectArgs(reason) });
}

/** @param name product name or class id. @throws Refusal NOT_FOUND, BAD_REQUEST */
export async function getProduct({ api }: Session, name: string): Promise<ProductView> {
  const product = (await api.get(`/api/v1/products/${inPath(name)}`)) as ProductView;
  // The ids follow from the names, so a server cannot hand the engineer another product's.
  const id = classId(vendorId(product.vendorDomain), product.name);
  const holds = hex(id) === product.classId && (product.name === name || product.classId === name);
  demand(holds, 'BAD_STATEMENT', `the server answers for another product than ${name}`);
  return product;
}

/** @param name leaf hash, 8 or more of its first digits, or PRODUCT@VERSION */
export async function getRelease({ api }: Session, name: string): Promise<ReleaseView> {
  const release = (await api.get(`/api/v1/releases/${inPath(name)}`)) as ReleaseView;
  const at = name.lastIndexOf('@');
  const labelled =
    release.version === name.slice(at + 1) && [release.product, release.classId].includes(name.slice(0, at));
  const meant = at > 0 ? labelled : release.releaseLeaf?.startsWith(name);
  demand(meant, 'BAD_STATEMENT', `the server answers with another release than ${name}`);
  return release;
}

/** The same, and what the server says of it checked against what its name is the hash of. */
export async function getProvenRelease(session: Session, name: string): Promise<ReleaseView> {
  const release = await getRelease(session, name);
  await checkRelease(session, release, await getProduct(session, release.classId));
  return release;
}

/** Waits until a release is in a state. @throws Refusal NOT_APPROVED when it can no longer come, or not in time */
export async function waitForRelease(
  session: Session,
  releaseLeaf: string,
  state: ReleaseState,
  timeoutMs: number,
): Promise<ReleaseView> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const release = await getRelease(session, releaseLeaf);
    if (release.state === state) return release;
    demand(release.state !== 'rejected', 'NOT_APPROVED', `release ${release.version} is rejected`);
    if (Date.now() > deadline) {
      throw new Refusal(
        'NOT_APPROVED',
        `release ${release.version} is still ${release.state} after ${timeoutMs / 1000} s`,
      );
    }
    await sleep(POLL_MS);
  }
}

function objectOf(release: ReleaseView): { object: Uint8Array; previous: string } {
  const object = unhex(release.releaseLeaf);
  demand(object?.length === 32, 'MALFORMED', "the server's answer is no release");
  return { object, previous: release.previous };
}

function isImageOf({ verifier }: Session, image: Uint8Array, { imageDigest }: { imageDigest: string }): boolean {
  const digest = unhex(imageDigest);
  return digest !== undefined && equal(verifier.sha256(image), digest);
}
