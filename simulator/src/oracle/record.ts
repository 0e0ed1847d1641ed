/** What the ledger says, entry by entry, read with the judge's own eyes. */

import { createHash } from 'node:crypto';
import type { Session } from '@countersign/broker/face/client/session';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { type Item, readCbor } from './cbor.ts';

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
  manifestDigest: string;
  slotDigest: string;
  outcome: 'trial' | 'updated' | 'reverted' | 'refused';
  code: string;
  /** What is signed (RFC 9052, Sig_structure), and the signature. */
  signed: Uint8Array;
  signature: Uint8Array;
}

export interface LedgerRecord {
  releases: ReleaseView[];
  /** In the order of the ledger. */
  reports: LoggedReport[];
  entries: number;
}

const PAGE = 1_000;

/** @param product whose releases; left out, all. @throws Refusal UNREACHABLE; RangeError for entries that cannot be read */
export async function readRecord({ api }: Session, product?: string): Promise<LedgerRecord> {
  const releases = (await api.get('/api/v1/releases', product === undefined ? {} : { product })) as ReleaseView[];
  const reports: LoggedReport[] = [];
  let entries = 0;
  for (;;) {
    const page = await api.get('/api/v1/ledger/entries', { from: String(entries), count: String(PAGE) });
    const list = (page as { entries: string[] }).entries;
    for (const [i, text] of list.entries()) {
      const report = readReport(new Uint8Array(Buffer.from(text, 'hex')), entries + i);
      if (report) reports.push(report);
    }
    entries += list.length;
    if (list.length === 0) return { releases, reports, entries };
  }
}

const REPORT_TYP = 'application/countersign-report';
const HEADER_TYP = 16;
const STATE_UPDATING = 3;
const RESULT_SUCCESS = 1;
const STAGE_REVERT = 6;

/** @returns undefined for an entry of another kind */
export function readReport(bytes: Uint8Array, leafIndex: number): LoggedReport | undefined {
  const entry = readCbor(bytes) as { tag?: number; item: Item };
  const parts = (entry.tag === undefined ? entry : entry.item) as Item[];
  if (!Array.isArray(parts) || parts.length !== 4) return undefined;
  const [protectedBytes, , payload, signature] = parts as Uint8Array[];
  if (!(protectedBytes instanceof Uint8Array) || !(payload instanceof Uint8Array)) return undefined;
  const header = readCbor(protectedBytes) as Map<Item, Item>;
  if (header.get(HEADER_TYP) !== REPORT_TYP) return undefined;
  const fields = readCbor(payload) as Item[];
  const [state, result] = fields[9] as number[];
  const stages = fields[11] as [number, string][];
  return {
    leafIndex,
    deviceId: hex(fields[0]),
    epoch: fields[1] as number,
    counter: fields[2] as number,
    previous: hex(fields[3]),
    own: createHash('sha256').update(bytes).digest('hex'),
    manifestDigest: hex(fields[7]),
    slotDigest: hex(fields[8]),
    outcome: outcomeOf(state!, result!, stages),
    code: (fields[10] as [number, string])[1],
    signed: sigStructure(protectedBytes, payload),
    signature: signature!,
  };
}

function outcomeOf(state: number, result: number, stages: [number, string][]): LoggedReport['outcome'] {
  if (state === STATE_UPDATING) return 'trial';
  if (result === RESULT_SUCCESS) return 'updated';
  return stages.some(([stage]) => stage === STAGE_REVERT) ? 'reverted' : 'refused';
}

/** ["Signature1", protected, "countersign/v1/report", payload] */
function sigStructure(protectedBytes: Uint8Array, payload: Uint8Array): Uint8Array {
  const context = Buffer.from('Signature1');
  const aad = Buffer.from('countersign/v1/report');
  const parts = [Buffer.of(0x84), head(3, context), head(2, protectedBytes), head(2, aad), head(2, payload)];
  return new Uint8Array(Buffer.concat(parts));
}

function head(major: number, bytes: Uint8Array): Buffer {
  const length = bytes.length;
  const start = length < 24 ? [length] : length < 256 ? [24, length] : [25, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([(major << 5) | start[0]!, ...start.slice(1)]), bytes]);
}

function hex(item: Item | undefined): string {
  return Buffer.from(item as Uint8Array).toString('hex');
}
