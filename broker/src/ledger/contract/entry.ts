/** What may become an entry: exactly a transaction, a device's report, a rollout statement, or the next trust root. */
import { Refusal } from '@countersign/device-sdk';
import {
  decodeSign1,
  HEADER_TYP,
  leafHash,
  REPORT_BYTES_MAX,
  type Report,
  ROOT_BYTES_MAX,
  type Rollout,
  readReport,
  readRollout,
  readSignedRoot,
  readStatement,
  readTransaction,
  type Sha256,
  type SignedRoot,
  type Statement,
  type Transaction,
  TX_BYTES_MAX,
  typOf,
} from '@countersign/device-sdk/format';

/** A rollout statement: 8 cohorts of 35 bytes, ids and digests, one signature. */
export const ROLLOUT_BYTES_MAX = 1024;

interface Leaf {
  bytes: Uint8Array;
  leafHash: Uint8Array;
}
type Common = Leaf & { statement: Statement };
export type TransactionEntry = Common & { kind: 'tx'; tx: Transaction };
export type ReportEntry = Common & { kind: 'report'; report: Report };
export type RolloutEntry = Common & { kind: 'rollout'; rollout: Rollout };
/** The signed document itself, as entry 0 is: its own signatures are all its authority. */
export type RootEntry = Leaf & { kind: 'root'; signed: SignedRoot };
export type Entry = TransactionEntry | ReportEntry | RolloutEntry | RootEntry;

/**
 * Reads the shape of a statement that asks to be an entry. No signature is checked yet.
 * @throws Refusal MALFORMED, TOO_LARGE, WRONG_TYPE; BAD_ROOT for a trust root that contradicts itself
 */
export function readEntry(sha256: Sha256, bytes: Uint8Array): Entry {
  limit(bytes, TX_BYTES_MAX, 'an entry');
  if (isRoot(bytes)) {
    limit(bytes, ROOT_BYTES_MAX, 'a trust root');
    return { kind: 'root', bytes, leafHash: leafHash(sha256, bytes), signed: readSignedRoot(sha256, bytes) };
  }
  const kind = kindOf(bytes);
  const common = { bytes, leafHash: leafHash(sha256, bytes), statement: readStatement(bytes, kind) };
  const { payload } = common.statement;
  if (kind === 'tx') return { kind, ...common, tx: readTransaction(payload) };
  if (kind === 'report') {
    limit(bytes, REPORT_BYTES_MAX, 'a report');
    return { kind, ...common, report: readReport(payload) };
  }
  limit(bytes, ROLLOUT_BYTES_MAX, 'a rollout statement');
  return { kind, ...common, rollout: readRollout(payload) };
}

/** A trust root is a CBOR array of two; every other entry is a tagged COSE_Sign1. */
export function isRoot(bytes: Uint8Array): boolean {
  return bytes[0] === 0x82;
}

const KINDS_OF_STATEMENTS = ['tx', 'report', 'rollout'] as const;
type StatementKind = (typeof KINDS_OF_STATEMENTS)[number];
const TYPS = new Map<unknown, StatementKind>(KINDS_OF_STATEMENTS.map((kind) => [typOf(kind), kind]));

/** A bare block 1 has no typ at all, so nothing that is submitted can pass for a release leaf. */
function kindOf(bytes: Uint8Array): StatementKind {
  const typ = decodeSign1(bytes).protected.get(HEADER_TYP);
  const kind = TYPS.get(typ);
  if (!kind)
    throw new Refusal('WRONG_TYPE', `${typeof typ === 'string' ? typ : 'a statement without typ'} is no entry`);
  return kind;
}

function limit(bytes: Uint8Array, most: number, what: string): void {
  if (bytes.length > most) throw new Refusal('TOO_LARGE', `${what} has ${bytes.length} bytes, at most ${most}`);
}
