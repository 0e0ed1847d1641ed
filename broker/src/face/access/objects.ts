/** Which product a transaction is about: what a token for some products is compared with. */
import { Refusal } from '@countersign/device-sdk';
import { hex, readManifest, type Sha256, type Transaction, unhex } from '@countersign/device-sdk/format';
import type { LedgerClient, QueryName } from '../../ledger/client.ts';
import { objectDigest, readEnrol, readRevoke, readRolloutArgs, readUpload } from '../../ledger/contract/args.ts';
import { readAnyClaim, readEnrolGrant } from '../../ledger/contract/grant-args.ts';
import { readPassportArgs } from '../../ledger/contract/passport-args.ts';
import { readTrial } from '../../ledger/contract/trial-args.ts';

/**
 * @param among class ids to which a new product is compared: its object is a digest
 * @returns class id in hex; undefined where it is about none: people, keys, what is not on the record
 * @throws Refusal MALFORMED
 */
export async function classOf(
  ledger: LedgerClient,
  sha256: Sha256,
  { action, object, args }: Transaction,
  among: readonly string[],
): Promise<string | undefined> {
  const ask = (query: QueryName, id: Uint8Array) => classIn(ledger, query, hex(id));
  if (action === 'product') return among.find((id) => hex(objectDigest(sha256, 'product', unhex(id)!)) === hex(object));
  if (action === 'upload') return hex(readManifest(readUpload(args).manifest).classId);
  if (['approve', 'reject', 'confirm', 'download'].includes(action)) return ask('getRelease', object);
  if (action === 'trial') return ask('getRelease', readTrial(args).releaseLeaf);
  if (action === 'rollout') {
    const rollout = readRolloutArgs(args);
    return rollout.op === 'open' ? ask('getRelease', rollout.plan.releaseLeaf) : ask('getRollout', rollout.rolloutId);
  }
  if (action === 'enrol') {
    const [word] = [args].flat();
    if (word === 'grant') return hex(readEnrolGrant(args).classId);
    if (['claim', 'listed', 'certified'].includes(String(word))) return ask('getGrant', readAnyClaim(args).grantId);
    const enrolment = word === 'devices' ? readEnrol(args) : undefined;
    return enrolment?.kind === 'devices' ? hex(enrolment.classId) : undefined;
  }
  if (action === 'revoke') {
    const { kind, id } = readRevoke(args);
    if (kind === 'grant') return ask('getGrant', id);
    return kind === 'device' ? ask('getDevice', id) : undefined;
  }
  if (action !== 'passport') return undefined;
  const { subject } = readPassportArgs(args);
  return subject.kind === 'product' ? hex(subject.id) : ask('getDevice', subject.id);
}

async function classIn(ledger: LedgerClient, query: QueryName, id: string): Promise<string | undefined> {
  try {
    return ((await ledger.evaluate(query, id)) as { classId: string }).classId;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'NOT_FOUND') return undefined;
    throw error;
  }
}
