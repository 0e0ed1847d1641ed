/** The people of a story: each acts over the API and signs with his own key. */
import { approve, getRelease, publish, waitForRelease } from '@countersign/broker/face/client/releases';
import { controlRollout, getRollout, openRollout, type RolloutWish } from '@countersign/broker/face/client/rollouts';
import type { Session } from '@countersign/broker/face/client/session';
import { peopleFolder } from '@countersign/broker/face/up/folders';
import { loadPerson } from '@countersign/broker/keys/people';
import type { ReleaseView, RolloutView } from '@countersign/broker/ledger/contract/views';
import { Refusal } from '@countersign/device-sdk';
import type { Signer } from '@countersign/device-sdk/format';
import { readSampleAs, samples } from '@countersign/firmware-samples';

export interface People {
  engineer: Signer;
  approver: Signer;
  operator: Signer;
}

/** An approved release is confirmed within a second; a slow disk may need more. */
const CONFIRM_MS_MAX = 60_000;
const LOOK_MS = 100;

/** The three whose keys `up` makes at its first start. */
export async function firstPeople(data: string): Promise<People> {
  const key = (name: string) => loadPerson(peopleFolder(data), name);
  return { engineer: await key('engineer'), approver: await key('approver'), operator: await key('operator') };
}

/** Upload by one person, approval by another, confirmation by the ledger. */
export async function release(
  session: Session,
  people: People,
  product: string,
  version: string,
  /** The product of the sample, where the image is that of another one under this product's name. */
  sampleOf = product,
): Promise<ReleaseView> {
  const { file } = samples.find((sample) => sample.product === sampleOf && sample.version === version)!;
  const policy = { mandatory: true, log: true, reboot: true, downgrade: false };
  const order = { product, version, fileName: file, policy };
  const { release: uploaded } = await publish(
    session,
    people.engineer,
    readSampleAs(sampleOf, version, product),
    order,
  );
  await approve(session, people.approver, uploaded.releaseLeaf);
  await waitForRelease(session, uploaded.releaseLeaf, 'confirmed', CONFIRM_MS_MAX);
  return getRelease(session, uploaded.releaseLeaf);
}

/** Opens a rollout and waits until its statement is logged. */
export async function open(
  session: Session,
  { operator }: People,
  leaf: string,
  wish: RolloutWish,
): Promise<RolloutView> {
  const { rolloutId } = await openRollout(session, operator, leaf, wish);
  return rolloutIn(session, rolloutId, 'open', CONFIRM_MS_MAX);
}

export async function abort(session: Session, { operator }: People, id: string, reason: string): Promise<RolloutView> {
  await controlRollout(session, operator, 'abort', id, reason);
  return rolloutIn(session, id, 'aborted', CONFIRM_MS_MAX);
}

/** Waits for a state. @throws Refusal NOT_OPEN where it does not come in time */
export async function rolloutIn(
  session: Session,
  id: string,
  state: RolloutView['state'],
  timeoutMs: number,
): Promise<RolloutView> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const rollout = await getRollout(session, id);
    if (rollout.state === state && rollout.pending === null) return rollout;
    if (performance.now() > deadline) {
      throw new Refusal('NOT_OPEN', `the rollout is ${rollout.state}, expected ${state} within ${timeoutMs / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
