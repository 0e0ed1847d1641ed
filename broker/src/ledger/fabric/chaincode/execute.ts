/** One Fabric transaction executed by the contract: one entry, or the beginning of the ledger. */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import type { Call } from '../../contract/call.ts';
import { invoke } from '../../contract/contract.ts';
import { readEntry } from '../../contract/entry.ts';
import { firstRoot } from '../../contract/genesis.ts';
import { PEOPLE_MIN } from '../../contract/people.ts';
import { evaluate } from '../../contract/queries.ts';
import type { Type } from '../../contract/state.ts';
import type { LedgerStub } from '../../contract/stub.ts';
import { ChaincodeStub } from './chaincode-stub.ts';

/**
 * Chaincode cannot know how many leaves there are: a counter would make any two transactions of a block conflict. A
 * revoked key is therefore refused from the moment that the trust root names it, whatever log size stands beside it.
 * That is stricter than replay, so nothing becomes final here that a mirror refuses.
 */
const SIZE = Number.MAX_SAFE_INTEGER;
/** Trust root, people, and room for the largest first team. */
export const BEGINNING_MAX = 64;

/** @returns the entry's leaf hash. @throws Refusal of the contract; nothing is handed to Fabric then */
export async function submit(
  fabric: LedgerStub,
  verifier: Verifier,
  ledger: string,
  statement: Uint8Array,
): Promise<Uint8Array> {
  const stub = new ChaincodeStub(fabric, ledger);
  const call: Call = { stub, verifier, genesis: false, size: SIZE };
  const entry = readEntry(verifier.sha256, statement);
  await invoke(call, entry);
  await stub.flush();
  return entry.leafHash;
}

/**
 * Trust root 1 and the first people, in one transaction: what each writes the next one reads.
 * @throws Refusal EXISTS where the ledger has begun; of the contract
 */
export async function begin(
  fabric: LedgerStub,
  verifier: Verifier,
  ledger: string,
  statements: readonly Uint8Array[],
): Promise<void> {
  const [root, ...people] = statements;
  const count = people.length;
  demand(root && count >= PEOPLE_MIN, 'BAD_STATEMENT', `a ledger begins with at least ${PEOPLE_MIN} people`);
  demand(statements.length <= BEGINNING_MAX, 'TOO_LARGE', `a ledger begins with at most ${BEGINNING_MAX} entries`);
  const last = new ChaincodeStub(fabric, ledger);
  const begun = await last.getState(last.createCompositeKey('root' satisfies Type, ['current']));
  demand(begun.length === 0, 'EXISTS', `the ledger ${ledger} of this channel has begun already`);
  const all = new Map<string, Uint8Array | null>();
  const step = async (run: (call: Call) => Promise<unknown>) => {
    const stub = new ChaincodeStub(fabric, ledger, all);
    await run({ stub, verifier, genesis: true, size: SIZE });
    for (const [key, value] of stub.writes) all.set(key, value);
  };
  await step((call) => firstRoot(call, root));
  for (const person of people) await step((call) => invoke(call, readEntry(verifier.sha256, person)));
  for (const [key, value] of all) last.writes.set(key, value);
  await last.flush();
}

/** Where an entry stands in the Merkle log is known to mirrors, not to chaincode: places are null and -1 here. */
export async function query(fabric: LedgerStub, ledger: string, name: string, args: string[]): Promise<unknown> {
  return evaluate(new ChaincodeStub(fabric, ledger), () => undefined, name, args);
}

/** The text of a refusal as Fabric carries it: `CODE: sentence`, which the client reads back. */
export function refusalText(error: unknown): string {
  if (error instanceof Refusal) return `${error.code}: ${error.message}`;
  return `INTERNAL: ${error instanceof Error ? error.message : String(error)}`;
}
