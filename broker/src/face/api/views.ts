/** Answers as plain JSON: byte strings as lower-case hex, times in seconds since the epoch. */
import { hex } from '@countersign/device-sdk/format';
import type { Committed, LedgerHead } from '../../ledger/client.ts';

export interface CommittedView {
  leafIndex: number;
  leafHash: string;
  blockNumber: number;
  size: number;
}

export function committedJson({ leafIndex, leafHash, blockNumber, size }: Committed): CommittedView {
  return { leafIndex, leafHash: hex(leafHash), blockNumber, size };
}

export interface HeadView {
  origin: string;
  size: number;
  root: string;
  indexRoot: string;
  time: number;
  rootVersion: number;
  cosignatures: number;
  /** The signed head itself. */
  signed: string;
}

export function headJson({ head, signed, cosignatures }: LedgerHead): HeadView {
  const { origin, size, root, indexRoot, time, rootVersion } = head;
  return {
    origin,
    size,
    root: hex(root),
    indexRoot: hex(indexRoot),
    time,
    rootVersion,
    cosignatures: cosignatures.length,
    signed: hex(signed),
  };
}
