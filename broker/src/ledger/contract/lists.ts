/**
 * Enrolment by a list that an operator signed: the grant has the Merkle root of serials and keys, and a device shows that
 * its own are among them. Whoever the list names needs no server's word, and no server can add to it.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import {
  checkStatement,
  encode,
  equal,
  kidOf,
  leafHash,
  rootFromInclusion,
  type Sha256,
  thumbprint,
} from '@countersign/device-sdk/format';
import type { Call } from './call.ts';
import type { TransactionEntry } from './entry.ts';
import { type ListedDevice, readListedArgs } from './grant-args.ts';
import { checkNewKey } from './new-key.ts';
import { type GrantState, read, toHex, write } from './state.ts';
import type { GrantView } from './views.ts';

/** A line of the list. @param serial salted digest; @param print thumbprint of the key beside it */
export function listedLeaf(sha256: Sha256, serial: Uint8Array, print: Uint8Array): Uint8Array {
  return leafHash(sha256, encode([serial, print]));
}

/** Whether a grant's list has this serial with this key, at this place. */
export function isOnList(sha256: Sha256, grant: Pick<GrantView, 'content' | 'devices'>, d: ListedDevice): boolean {
  const leaf = listedLeaf(sha256, d.serial, thumbprint(sha256, d.listedKey));
  try {
    // The number of devices is the number of lines, so a claim cannot choose the shape of the tree.
    return toHex(rootFromInclusion(sha256, d.index, grant.devices, leaf, d.path)) === grant.content;
  } catch (error) {
    if (error instanceof Refusal) return false;
    throw error;
  }
}

/**
 * Whose signature a claim by a list bears: the key that the list names, which the ledger has not seen yet.
 * @throws Refusal MALFORMED, UNKNOWN_KEY, BAD_SIGNATURE, NOT_FOUND, REVOKED
 */
export async function listSignatory(call: Call, { tx, statement }: TransactionEntry): Promise<GrantState> {
  const { grantId, listedKey } = readListedArgs(tx.args);
  const own = equal(statement.kid, kidOf(call.verifier.sha256, listedKey));
  demand(own, 'UNKNOWN_KEY', 'the entry is not by the key that it says is on the list');
  checkStatement(call.verifier, statement, listedKey);
  const grant = await read(call.stub, 'grant', toHex(grantId));
  if (!grant) throw new Refusal('NOT_FOUND', `there is no grant ${toHex(grantId)}`);
  demand(grant.kind === 'list', 'NOT_PERMITTED', `grant ${grant.grantId} is no list`);
  demand(grant.state === 'open', 'REVOKED', `grant ${grant.grantId} is revoked`);
  return grant;
}

/** Each line of a list enrols one device, once. @throws Refusal NOT_PERMITTED, EXISTS, BAD_KEY, UNSUPPORTED */
export async function checkListed(call: Call, grant: GrantState, device: ListedDevice): Promise<void> {
  const { sha256 } = call.verifier;
  const found = isOnList(sha256, grant, device);
  demand(found, 'NOT_PERMITTED', `this serial and key are not on the list of grant ${grant.grantId}`);
  const taken = await read(call.stub, 'listed', grant.grantId, String(device.index));
  demand(!taken, 'EXISTS', `line ${device.index} of the list is device ${taken?.deviceId}`);
  // A key that is a person's or a server's has one role already, whatever a list says.
  await checkNewKey(call, device.listedKey);
}

/** The key alone would not do: a device that got another key would leave its first one free to claim again. */
export async function markListed(call: Call, grant: GrantState, { index, id }: ListedDevice): Promise<void> {
  await write(call.stub, 'listed', [grant.grantId, String(index)], { deviceId: toHex(id) });
}
