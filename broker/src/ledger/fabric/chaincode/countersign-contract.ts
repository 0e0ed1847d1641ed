/**
 * The contract as Fabric calls it. Statements travel as base64, because Fabric's arguments are text to most tools; every
 * query of the contract is a function of its own name, for `peer chaincode query`. The first argument names the ledger.
 */
import { demand, Refusal, type Verifier } from '@countersign/device-sdk';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import api, { type Context } from 'fabric-contract-api';
import { QUERIES } from '../../contract/queries.ts';
import type { QueryName } from '../../contract/query-names.ts';
import { toHex } from '../../contract/state.ts';
import type { LedgerStub } from '../../contract/stub.ts';
import { begin, query, refusalText, submit } from './execute.ts';

export const CONTRACT_NAME = 'countersign';

export class CountersignContract extends api.Contract {
  readonly #verifier: Verifier = nodeVerifier();

  constructor() {
    super(CONTRACT_NAME);
  }

  /** (ledger, statement) one signed entry: a transaction, a device's report or a rollout statement. Answers its leaf hash. */
  async submit(ctx: Context, ...args: string[]): Promise<string> {
    return refusing(async () => {
      const [ledger = '', statement = ''] = args;
      demand(args.length === 2, 'BAD_REQUEST', 'submit takes a ledger and one statement');
      return toHex(await submit(ctx.stub, this.#verifier, ledger, fromBase64(statement)));
    });
  }

  /** (ledger, trust root, enrolment, enrolment …) once in the life of a ledger. */
  async begin(ctx: Context, ...args: string[]): Promise<void> {
    const [ledger = '', ...statements] = args;
    await refusing(async () => begin(ctx.stub, this.#verifier, ledger, statements.map(fromBase64)));
  }
}

for (const name of Object.keys(QUERIES) as QueryName[]) {
  // Functions are found by looking at the prototype's own properties.
  Object.defineProperty(CountersignContract.prototype, name, {
    value: (ctx: Context, ledger = '', ...args: string[]) =>
      refusing(async () => JSON.stringify(await query(ctx.stub as LedgerStub, ledger, name, args))),
  });
}

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64');
  // One statement has one spelling: a second one would be a second transaction to whoever compares texts.
  if (bytes.toString('base64') !== text) throw new Refusal('MALFORMED', 'a statement is not in base64');
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function refusing<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    throw new Error(refusalText(cause), { cause });
  }
}
