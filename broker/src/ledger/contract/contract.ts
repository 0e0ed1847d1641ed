/**
 * The contract: who may write what into the ledger. One entry in, state changes out, or a Refusal and no change.
 * The signature of every entry is checked here, once, before its handler runs.
 */
import { demand, Refusal } from '@countersign/device-sdk';
import { readEnrol, readRevoke } from './args.ts';
import { certificateSignatory } from './authorities.ts';
import { type Call, checkPrevious, rootOf, type Signatory, signatory } from './call.ts';
import { enrolDevices, revokeDevice } from './devices.ts';
import { download } from './downloads.ts';
import type { Entry, TransactionEntry } from './entry.ts';
import { isCertified, isListed, readEnrolGrant } from './grant-args.ts';
import { claimDevice, enrolGrant, revokeGrant } from './grants.ts';
import { issueKey } from './issue-key.ts';
import { listSignatory } from './lists.ts';
import { passport } from './passports.ts';
import { approvePerson, enrolFirstPerson, enrolPerson, rejectPerson, revokePerson } from './people.ts';
import { product } from './products.ts';
import { rekeyPerson } from './rekey.ts';
import { approve, confirm, reject, upload } from './releases.ts';
import { report } from './reports.ts';
import { rolloutStatement } from './rollout-statement.ts';
import { rollout } from './rollouts.ts';
import { nextTrustRoot } from './roots.ts';
import { read, toHex } from './state.ts';
import { trial } from './trials.ts';

/** @throws Refusal with the code of the first rule that does not hold; see docs/REFUSALS.md */
export async function invoke(call: Call, entry: Entry): Promise<void> {
  if (entry.kind === 'report') return report(call, entry);
  if (entry.kind === 'rollout') return rolloutStatement(call, entry);
  if (entry.kind === 'root') return nextTrustRoot(call, entry);
  return transaction(call, entry);
}

async function transaction(call: Call, entry: TransactionEntry): Promise<void> {
  const { tx } = entry;
  const { origin } = await rootOf(call);
  demand(tx.channel === origin, 'BAD_STATEMENT', `a transaction for ledger ${tx.channel}, this is ${origin}`);
  if (call.genesis) return enrolFirstPerson(call, entry);
  const by = await whoSigned(call, entry);
  const object = await read(call.stub, 'object', toHex(tx.object));
  if (tx.action === 'download' && by.kind !== 'grant') return download(call, entry, by);
  checkPrevious(entry, tx.previous, object?.previous);
  // Here and not in each handler: what a new action forgets must not be open to whoever holds a claim code.
  if (by.kind === 'grant') return claimDevice(call, entry, by.grant);
  const handler = HANDLERS[tx.action];
  if (!handler) throw new Refusal('UNSUPPORTED', `this contract has no action ${tx.action}`);
  return handler(call, entry, by);
}

async function whoSigned(call: Call, entry: TransactionEntry): Promise<Signatory> {
  const { args } = entry.tx;
  if (isListed(args)) return { kind: 'grant', grant: await listSignatory(call, entry) };
  if (isCertified(args)) return { kind: 'grant', grant: await certificateSignatory(call, entry) };
  return signatory(call, entry.statement);
}

type Handler = (call: Call, entry: TransactionEntry, by: Signatory) => Promise<void>;

const HANDLERS: Partial<Record<string, Handler>> = {
  __proto__: null as never, // an action named like a property of every object is not an action
  enrol: (call, entry, by) => {
    if (isGrant(entry)) return enrolGrant(call, entry, by, readEnrolGrant(entry.tx.args));
    const args = readEnrol(entry.tx.args);
    if (args.kind === 'rekey') return rekeyPerson(call, entry, by, args);
    return args.kind === 'person' ? enrolPerson(call, entry, by, args) : enrolDevices(call, entry, by, args);
  },
  revoke: (call, entry, by) => {
    const args = readRevoke(entry.tx.args);
    if (args.kind === 'grant') return revokeGrant(call, entry, by, args);
    return args.kind === 'person' ? revokePerson(call, entry, by, args) : revokeDevice(call, entry, by, args);
  },
  product,
  issueKey,
  upload,
  approve: async (call, entry, by) =>
    (await isPerson(call, entry)) ? approvePerson(call, entry, by) : approve(call, entry, by),
  reject: async (call, entry, by) =>
    (await isPerson(call, entry)) ? rejectPerson(call, entry, by) : reject(call, entry, by),
  confirm,
  rollout,
  trial,
  passport,
};

function isGrant({ tx: { args } }: TransactionEntry): boolean {
  return Array.isArray(args) && args[0] === 'grant';
}

async function isPerson(call: Call, entry: TransactionEntry): Promise<boolean> {
  return (await read(call.stub, 'object', toHex(entry.tx.object)))?.kind === 'person';
}
