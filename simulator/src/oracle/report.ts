/** A device's report as it lies in the ledger, read with the judge's own eyes. */
import { type Item, readCbor } from './cbor.ts';
import { hex, sha256 } from './crypto.ts';
import { kindOf, readSigned, type Signed } from './sign1.ts';

/** One report as it lies in the ledger. Digests and ids in hex. */
export interface LoggedReport {
  leafIndex: number;
  deviceId: string;
  epoch: number;
  counter: number;
  /** SHA-256 of the device's report before this one. */
  previous: string;
  /** SHA-256 of this report. */
  own: string;
  /** Entries of the log under the head that the device held. */
  headSize: number;
  manifestDigest: string;
  slotDigest: string;
  /** Of further components by id: SHA-256 of what runs, and its code. */
  components: ReadonlyMap<string, { digest: string; code: string }>;
  outcome: 'trial' | 'updated' | 'reverted' | 'refused';
  code: string;
  signed: Signed;
}

const STATE_UPDATING = 3;
const RESULT_SUCCESS = 1;
const STAGE_REVERT = 6;

/** @returns undefined for an entry of another kind */
export function readReport(bytes: Uint8Array, leafIndex: number): LoggedReport | undefined {
  const signed = readSigned(bytes);
  return signed && kindOf(signed.header) === 'report' ? reportOf(signed, bytes, leafIndex) : undefined;
}

export function reportOf(signed: Signed, bytes: Uint8Array, leafIndex: number): LoggedReport {
  const fields = readCbor(signed.payload!) as Item[];
  const [state, result] = fields[9] as number[];
  const stages = fields[11] as [number, string][];
  return {
    leafIndex,
    deviceId: hex(fields[0]),
    epoch: fields[1] as number,
    counter: fields[2] as number,
    previous: hex(fields[3]),
    own: hex(sha256(bytes)),
    headSize: fields[4] as number,
    manifestDigest: hex(fields[7]),
    slotDigest: hex(fields[8]),
    components: new Map(((fields[12] ?? []) as Item[][]).map(componentOf)),
    outcome: outcomeOf(state!, result!, stages),
    code: (fields[10] as [number, string])[1],
    signed,
  };
}

function componentOf([id, digest, code]: Item[]): [string, { digest: string; code: string }] {
  return [id as string, { digest: hex(digest), code: code as string }];
}

function outcomeOf(state: number, result: number, stages: [number, string][]): LoggedReport['outcome'] {
  if (state === STATE_UPDATING) return 'trial';
  if (result === RESULT_SUCCESS) return 'updated';
  return stages.some(([stage]) => stage === STAGE_REVERT) ? 'reverted' : 'refused';
}
